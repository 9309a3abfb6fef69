import pulumi_aws as aws
from pulumi_aws import sqs

orders = aws.dynamodb.Table("orders", hash_key="id")
queue = sqs.Queue("jobs")
