import boto3

LOCK_KEY = "LockID"


def holders(table: str) -> list[str]:
    client = boto3.client("dynamodb")
    found = client.scan(TableName=table)
    return [item[LOCK_KEY]["S"] for item in found["Items"]]
