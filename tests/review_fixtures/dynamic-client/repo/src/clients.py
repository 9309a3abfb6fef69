import os

import boto3


def client():
    return boto3.client(os.environ["AWS_SERVICE"])
