import boto3

boto3.client("dynamodb").list_tables()
