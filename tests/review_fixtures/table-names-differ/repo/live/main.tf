terraform {
  backend "s3" {
    bucket         = "acme-state"
    key            = "k"
    region         = "us-east-1"
    dynamodb_table = "acme-locks"
  }
}

data "aws_iam_policy_document" "ci" {
  statement {
    actions   = ["dynamodb:*"]
    resources = ["arn:aws:dynamodb:us-east-1:111122223333:table/acme-lock"]
  }
}
