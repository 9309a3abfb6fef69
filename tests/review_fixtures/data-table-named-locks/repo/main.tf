resource "aws_dynamodb_table" "terraform_locks" {
  name     = "terraform-state-locks"
  hash_key = "user_id"
  attribute {
    name = "user_id"
    type = "S"
  }
}
