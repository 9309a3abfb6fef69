"""An access key that ends while it holds a lock, over real S3 and DynamoDB clients: large states, both locks, sessions."""

from __future__ import annotations

import hashlib
import io
import json
import uuid

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.eventually import eventually

KEY = "app/prod.tfstate"
PARTS = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)


class Run:
    """A key of its own, used directly or through a session of STS."""

    def __init__(self, server, bucket: str, *, session: bool) -> None:
        self.server, self.bucket = server, bucket
        name = f"run-{uuid.uuid4().hex[:8]}"
        made = server.json("key", "create", "--name", name, "--role", "writer", "--on", bucket)
        self.given = {"aws_access_key_id": made["access_key_id"], "aws_secret_access_key": made["secret_access_key"]}
        self.base = made["access_key_id"]
        if session:
            temporary = self.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
            self.given = {
                "aws_access_key_id": temporary["AccessKeyId"],
                "aws_secret_access_key": temporary["SecretAccessKey"],
                "aws_session_token": temporary["SessionToken"],
            }
        self.s3, self.table = self.client("s3"), self.client("dynamodb")

    def client(self, service: str):
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        where = {"endpoint_url": self.server.cloud.endpoint, "region_name": "us-east-1", "config": config}
        return boto3.client(service, **where, **self.given)

    def end(self) -> None:
        """Its key ends in less than a second; a rotated one is not revoked."""
        self.server.command("token", "rotate", self.base, "--grace", "0.0002").ok()
        eventually(lambda: refuses(self.s3.list_buckets), 60)


def refuses(act, **arguments) -> bool:
    try:
        act(**arguments)
    except ClientError as refused:
        assert refused.response["Error"]["Code"] in ("ExpiredToken", "ExpiredTokenException", "400"), refused
        return True
    return False


def large(serial: int) -> bytes:
    padding = {"padding": {"value": "x" * (12 << 20), "type": "string"}}
    facts = {"version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": "line"}
    return json.dumps(facts | {"outputs": padding, "resources": []}).encode()


@pytest.mark.parametrize("session", [False, True], ids=["key", "session"])
def test_a_run_saves_a_state_in_parts_and_releases_both_locks_and_no_more(server, bucket, session):
    run = Run(server, bucket, session=session)
    table, lock_id = "locks-" + bucket, f"{bucket}/{KEY}"
    server.cloud.sdk("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    info = json.dumps({"ID": "l-1", "Operation": "OperationTypeApply", "Path": lock_id})
    run.s3.put_object(Bucket=bucket, Key=f"{KEY}.tflock", Body=info, IfNoneMatch="*")
    item = {"LockID": {"S": lock_id}, "Info": {"S": info}}
    run.table.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(LockID)")
    run.end()
    body = large(1)
    run.s3.upload_fileobj(io.BytesIO(body), bucket, KEY, Config=PARTS)
    received = io.BytesIO()
    run.s3.download_fileobj(bucket, KEY, received, Config=PARTS)
    assert received.getvalue() == body
    digest = hashlib.md5(body).hexdigest()
    run.table.put_item(TableName=table, Item={"LockID": {"S": f"{lock_id}-md5"}, "Digest": {"S": digest}})
    asked = {"Key": {"LockID": {"S": f"{lock_id}-md5"}}, "ProjectionExpression": "LockID, Digest"}
    assert run.table.get_item(TableName=table, ConsistentRead=True, **asked)["Item"]["Digest"]["S"] == digest
    for act, arguments in (
        (run.s3.list_objects_v2, {"Bucket": bucket}),
        (run.s3.get_object, {"Bucket": bucket, "Key": "app/other.tfstate"}),
        (run.s3.put_object, {"Bucket": bucket, "Key": "app/other.tfstate", "Body": large(1)}),
        (run.s3.put_object, {"Bucket": bucket, "Key": "app/other.tfstate.tflock", "Body": info}),
        (run.s3.copy_object, {"Bucket": bucket, "Key": KEY, "CopySource": f"{bucket}/{KEY}"}),
        (run.s3.delete_object, {"Bucket": bucket, "Key": KEY}),
        (run.table.scan, {"TableName": table}),
        (run.table.put_item, {"TableName": table, "Item": item}),
        (run.table.put_item, {"TableName": table, "Item": {"LockID": {"S": "mine"}, "Digest": {"S": digest}}}),
        (run.client("sts").get_session_token, {}),
        (run.client("sts").get_caller_identity, {}),
    ):
        assert refuses(act, **arguments), (act, arguments)
    assert json.loads(run.s3.get_object(Bucket=bucket, Key=f"{KEY}.tflock")["Body"].read())["ID"] == "l-1"
    run.s3.delete_object(Bucket=bucket, Key=f"{KEY}.tflock")
    held = {"Key": {"LockID": {"S": lock_id}}, "ProjectionExpression": "LockID, Info"}
    assert run.table.get_item(TableName=table, ConsistentRead=True, **held)["Item"]["Info"]["S"] == info
    for _ in range(2):
        run.table.delete_item(TableName=table, Key={"LockID": {"S": lock_id}})
    assert server.json("lock", "list", bucket) == []
    assert refuses(run.s3.put_object, Bucket=bucket, Key=KEY, Body=large(2))
    assert refuses(run.s3.get_object, Bucket=bucket, Key=KEY)
