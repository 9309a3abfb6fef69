resource "aws_lambda_function" "ingest" {
  function_name = "ingest"
  filename      = data.archive_file.ingest.output_path
  handler       = "handler.main"
  runtime       = "python3.12"
  environment {
    variables = {
      TABLE_NAME = aws_dynamodb_table.events.name
    }
  }
}

data "archive_file" "ingest" {
  type        = "zip"
  source_dir  = "${path.module}/lambda"
  output_path = "${path.module}/ingest.zip"
}

resource "aws_dynamodb_table" "events" {
  name         = "terraform-locks"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "event_id"
  attribute {
    name = "event_id"
    type = "S"
  }
}
