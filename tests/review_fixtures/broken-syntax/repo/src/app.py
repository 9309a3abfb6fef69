import boto3
client = boto3.client("dynamodb"
def broken(:
