import boto3


def make_client(service):
    return boto3.client(service, region_name="us-east-1")
