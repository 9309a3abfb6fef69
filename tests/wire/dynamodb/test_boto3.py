"""boto3 and the AWS CLI against the real process: signatures, checksums, waiters, exact numbers and the lock."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from tests.e2e.clouds import Lockhouse

INFO = (
    '{"ID":"3f1e","Operation":"OperationTypeApply","Info":"","Who":"a@b","Version":"1.15.5",'
    '"Created":"2026-11-22T10:00:00.5Z","Path":"%s"}'
)


@pytest.fixture
def resource(server: Lockhouse):
    key = server.cloud.credentials
    return boto3.resource(
        "dynamodb",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
    )


def test_a_lock_is_taken_refused_shown_and_released(server: Lockhouse, dynamodb, new_table):
    table = new_table(LockID="S")
    lock_id = f"{server.namespace}/boto/terraform.tfstate"
    item = {"LockID": {"S": lock_id}, "Info": {"S": INFO % lock_id}}
    free = {"TableName": table, "ConditionExpression": "attribute_not_exists(LockID)"}
    dynamodb.put_item(Item=item, **free)
    dynamodb.put_item(Item=item, **free)
    other = {**item, "Info": {"S": (INFO % lock_id).replace("3f1e", "9999")}}
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as refused:
        dynamodb.put_item(Item=other, ReturnValuesOnConditionCheckFailure="ALL_OLD", **free)
    assert refused.value.response["Error"]["Message"] == "The conditional request failed"
    assert refused.value.response["Item"] == item
    key = {"TableName": table, "Key": {"LockID": {"S": lock_id}}}
    shown = dynamodb.get_item(ConsistentRead=True, ProjectionExpression="LockID, Info", **key)
    assert shown["Item"] == item
    dynamodb.delete_item(**key)
    assert "Item" not in dynamodb.get_item(ConsistentRead=True, ProjectionExpression="LockID, Info", **key)


def test_a_lock_taken_over_s3_covers_an_item_of_its_key_in_every_read_and_write(server, dynamodb, new_table):
    table, bucket, key = new_table(LockID="S"), "covered-items", "app.tfstate"
    s3 = server.cloud.sdk("s3")
    s3.create_bucket(Bucket=bucket)
    lock_id = f"{bucket}/{key}"
    own = {"LockID": {"S": lock_id}, "lease": {"N": "20"}}
    others = [{"LockID": {"S": f"{bucket}/{each}"}} for each in ("aaa", "zzz")]
    for item in (own, *others):
        dynamodb.put_item(TableName=table, Item=item)
    info = (
        '{"ID":"L1","Operation":"","Info":"","Who":"ann@host","Version":"","Created":"2026-11-22T10:00:00Z","Path":""}'
    )
    s3.put_object(Bucket=bucket, Key=f"{key}.tflock", Body=info.encode(), IfNoneMatch="*")

    def pages(operation: str, **more: Any) -> list[dict[str, Any]]:
        answers = list(dynamodb.get_paginator(operation).paginate(TableName=table, **more))
        assert all(each["Count"] == each["ScannedCount"] == len(each["Items"]) for each in answers)
        return [item for each in answers for item in each["Items"] if item["LockID"]["S"].startswith(bucket)]

    def read() -> list[dict[str, Any]]:
        by_key = {"KeyConditionExpression": "LockID = :l", "ExpressionAttributeValues": {":l": {"S": lock_id}}}
        batch = dynamodb.batch_get_item(RequestItems={table: {"Keys": [{"LockID": {"S": lock_id}}]}})
        found = [
            *[dynamodb.get_item(TableName=table, Key={"LockID": {"S": lock_id}})["Item"]],
            *batch["Responses"][table],
            *pages("query", **by_key),
        ]
        for more in ({}, {"PaginationConfig": {"PageSize": 1}}):
            whole = pages("scan", **more)
            assert [each["LockID"]["S"] for each in whole] == [f"{bucket}/aaa", lock_id, f"{bucket}/zzz"]
            found.append(whole[1])
        return found

    held = {"LockID": {"S": lock_id}, "Info": {"S": info}}
    assert read() == [held] * 5
    free = {"ConditionExpression": "attribute_not_exists(LockID) OR lease < :n"}
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName=table, Item=own, ExpressionAttributeValues={":n": {"N": "1"}}, **free)
    with pytest.raises(ClientError, match=r"ValidationException.*is kept here and its item is computed"):
        dynamodb.put_item(TableName=table, Item=own)
    s3.delete_object(Bucket=bucket, Key=f"{key}.tflock")
    assert read() == [own] * 5


def test_answers_carry_a_checksum_of_their_bytes_and_a_request_id(dynamodb):
    headers = dynamodb.list_tables()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-crc32"].isdigit()
    assert headers["x-amzn-requestid"]
    assert headers["content-type"] == "application/x-amz-json-1.0"


def test_numbers_of_38_digits_come_back_exactly(resource, new_table):
    table = resource.Table(new_table(id="N"))
    number = Decimal("1234567890123456789012345678.9012345678")
    tiny = Decimal("-1E-130")
    table.put_item(Item={"id": number, "more": {number, tiny}, "list": [tiny, Decimal("9.99E+125")]})
    found = table.get_item(Key={"id": number})["Item"]
    assert found == {"id": number, "more": {number, tiny}, "list": [tiny, Decimal("9.99E+125")]}
    counted = table.update_item(
        Key={"id": number},
        UpdateExpression="ADD n :n",
        ExpressionAttributeValues={":n": Decimal("0.1")},
        ReturnValues="UPDATED_NEW",
    )
    assert counted["Attributes"] == {"n": Decimal("0.1")}


def test_binary_and_every_other_type_come_back(resource, new_table):
    table = resource.Table(new_table(id="S"))
    item = {
        "id": "ä/€",
        "b": b"\x00\xff",
        "bs": {b"a", b"b"},
        "ss": {"x", "y"},
        "none": None,
        "yes": True,
        "nested": {"l": [{"m": [Decimal(1), "", {}]}]},
    }
    table.put_item(Item=item)
    assert table.get_item(Key={"id": "ä/€"})["Item"] == item


def test_paginators_go_through_everything(dynamodb, resource, new_table):
    name = new_table(id="S", at="N")
    with resource.Table(name).batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"id": "a" if number % 2 else "b", "at": number, "n": number})
    pages = dynamodb.get_paginator("scan").paginate(TableName=name, PaginationConfig={"PageSize": 7})
    assert sum(page["Count"] for page in pages) == 60
    found = resource.Table(name).query(
        KeyConditionExpression=Key("id").eq("a") & Key("at").between(10, 30),
        FilterExpression=Attr("n").ne(11),
        ScanIndexForward=False,
    )
    assert [int(item["at"]) for item in found["Items"]] == [29, 27, 25, 23, 21, 19, 17, 15, 13]


def test_waiters_return_at_once(server: Lockhouse, dynamodb, new_table):
    table = new_table(id="S")
    fast = {"Delay": 1, "MaxAttempts": 1}
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig=fast)
    server.cloud.aws("dynamodb", "wait", "table-exists", "--table-name", table).ok()
    dynamodb.delete_table(TableName=table)
    dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig=fast)
    missing = server.cloud.aws("dynamodb", "describe-table", "--table-name", table)
    assert missing.code != 0
    assert "ResourceNotFoundException" in missing.stderr


def test_the_aws_cli_reads_a_table_through_its_whole_life(server: Lockhouse):
    aws = server.cloud.aws
    table = ("--table-name", "cli-locks")
    schema = ("--attribute-definitions", "AttributeName=LockID,AttributeType=S")
    schema += ("--key-schema", "AttributeName=LockID,KeyType=HASH", "--billing-mode", "PAY_PER_REQUEST")
    aws("dynamodb", "create-table", *table, *schema, "--tags", "Key=a,Value=b").ok()
    assert aws("dynamodb", "create-table", *table, *schema).code != 0
    status = aws("dynamodb", "describe-table", *table, "--query", "Table.TableStatus", "--output", "text").ok()
    assert status.stdout.strip() == "ACTIVE"
    arn = aws("dynamodb", "describe-table", *table, "--query", "Table.TableArn", "--output", "text").ok().stdout.strip()
    assert '"b"' in aws("dynamodb", "list-tags-of-resource", "--resource-arn", arn).ok().stdout
    recovery = "PointInTimeRecoveryEnabled=true"
    aws("dynamodb", "update-continuous-backups", *table, "--point-in-time-recovery-specification", recovery).ok()
    aws(
        "dynamodb", "update-time-to-live", *table, "--time-to-live-specification", "Enabled=true,AttributeName=ends"
    ).ok()
    assert "ENABLED" in aws("dynamodb", "describe-time-to-live", *table).ok().stdout
    aws("dynamodb", "put-item", *table, "--item", '{"LockID":{"S":"x"},"n":{"N":"1"}}').ok()
    refused = aws(
        "dynamodb",
        "put-item",
        *table,
        "--item",
        '{"LockID":{"S":"x"}}',
        "--condition-expression",
        "attribute_not_exists(LockID)",
        "--return-values-on-condition-check-failure",
        "ALL_OLD",
    )
    assert "ConditionalCheckFailedException" in refused.stderr
    assert '"n"' in aws("dynamodb", "scan", *table).ok().stdout
    aws("dynamodb", "delete-table", *table).ok()


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(server: Lockhouse):
    def ask(access_key_id: str, secret: str) -> str:
        client = boto3.client(
            "dynamodb",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret,
        )
        with pytest.raises(client.exceptions.ClientError) as refused:
            client.list_tables()
        return refused.value.response["Error"]["Code"]

    assert ask(server.cloud.credentials.access_key_id, "wrong") == "InvalidSignatureException"
    assert ask("AKIAUNKNOWN", "wrong") == "UnrecognizedClientException"
