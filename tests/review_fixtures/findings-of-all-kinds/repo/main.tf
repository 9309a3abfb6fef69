terraform {
  backend "s3" {
    bucket = "acme-state"
    key    = "k"
    region = "us-east-1"
  }
}

resource "aws_iam_policy" "p" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["dynamo:GetItem", "sns:Publish"], Resource = "*" },
    ]
  })
}
