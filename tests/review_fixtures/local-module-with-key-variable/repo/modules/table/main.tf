variable "hash_key" {}
variable "name" {}

resource "aws_dynamodb_table" "this" {
  name     = var.name
  hash_key = var.hash_key
}
