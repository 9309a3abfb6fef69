terraform {
  backend "s3" {
    bucket         = "acme-tf"
    key            = "live.tfstate"
    region         = "us-east-1"
    dynamodb_table = "acme-customer-data"
  }
}
