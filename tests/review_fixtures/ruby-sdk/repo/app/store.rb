require "aws-sdk-dynamodb"
require "stripe"

class Store
  def initialize
    @client = Aws::DynamoDB::Client.new(region: "us-east-1")
    # Redis.new(url: "redis://localhost")
  end
end
