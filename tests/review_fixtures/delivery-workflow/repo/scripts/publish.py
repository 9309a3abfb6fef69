import boto3

boto3.client("sns").publish(TopicArn="x", Message="done")
