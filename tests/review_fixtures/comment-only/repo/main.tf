# resource "aws_kinesis_stream" "s" {}
locals {
  a = 1
}
