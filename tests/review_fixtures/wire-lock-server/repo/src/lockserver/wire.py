TARGET = "DynamoDB_20120810."
KEY = "LockID"


def action(headers: dict[str, str]) -> str:
    return headers["x-amz-target"].removeprefix(TARGET)
