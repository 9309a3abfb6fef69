import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def main(event, context):
    table.put_item(Item={"event_id": event["id"]})
