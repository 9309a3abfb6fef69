module example.com/orders

go 1.22

require (
	github.com/aws/aws-sdk-go-v2/service/dynamodb v1.30.0
	github.com/aws/aws-sdk-go-v2/service/sqs v1.30.0
	github.com/redis/go-redis/v9 v9.5.0
)
