terraform {
  backend "s3" {
    bucket = "a"
    dynamodb_table = "locks"
  }

resource "aws_sqs_queue" "q" {
  name = "q
}
