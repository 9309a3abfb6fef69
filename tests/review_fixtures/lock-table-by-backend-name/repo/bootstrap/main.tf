variable "prefix" {
  default = "acme"
}

resource "aws_dynamodb_table" "data" {
  name     = "${var.prefix}-customer-data"
  hash_key = "LockID"
  attribute {
    name = "LockID"
    type = "S"
  }
}

resource "aws_s3_bucket" "state" {
  bucket = "${var.prefix}-tf"
}
