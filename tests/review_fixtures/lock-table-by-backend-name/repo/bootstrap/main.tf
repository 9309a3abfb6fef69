variable "key" {}

variable "prefix" {
  default = "acme"
}

resource "aws_dynamodb_table" "data" {
  name     = "${var.prefix}-customer-data"
  hash_key = var.key
  attribute {
    name = var.key
    type = "S"
  }
}

resource "aws_s3_bucket" "state" {
  bucket = "${var.prefix}-tf"
}
