module "table" {
  source   = "terraform-aws-modules/dynamodb-table/aws"
  version  = "4.0.0"
  name     = "orders"
  hash_key = "id"
}

module "files" {
  source = "terraform-aws-modules/s3-bucket/aws"
  bucket = "acme-files"
}
