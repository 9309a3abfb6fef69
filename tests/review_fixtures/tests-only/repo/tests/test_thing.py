import boto3
import pytest

client = boto3.client("dynamodb", endpoint_url="http://localhost:8000")


def test_it():
    assert client.list_tables()
