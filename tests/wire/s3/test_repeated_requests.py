"""A request that is sent again after its answer was lost is known by `amz-sdk-invocation-id`, over S3 and DynamoDB.

The SDK gives each call an id and keeps it in every attempt. Here the id is chosen, so that a late repetition meets what
has happened since: the repeated request that took a lock is a success, the repeated unlock never frees the next lock.
"""

import json

import pytest
from botocore.exceptions import ClientError

KEY = "app.tfstate"


def document(name):
    fields = {"ID": name, "Operation": "OperationTypeApply", "Info": "", "Who": "a@b", "Version": "1.15.5"}
    return json.dumps(fields | {"Created": "2026-11-22T10:00:00.5Z", "Path": KEY}, separators=(",", ":"))


class Lockfile:
    """The lock as an object. `call`: the id of the next request."""

    def __init__(self, connect, bucket):
        self.call = ""
        self._place = {"Bucket": bucket, "Key": f"{KEY}.tflock"}
        self._client = numbered(self, connect("s3"))

    def take(self, name):
        self._client.put_object(**self._place, Body=document(name).encode(), IfNoneMatch="*")

    def read(self):
        return json.loads(self._client.get_object(**self._place)["Body"].read())["ID"]

    def release(self):
        self._client.delete_object(**self._place)


class Table:
    """The lock as an item of a table."""

    def __init__(self, connect, bucket):
        self.call = ""
        self._place = {"TableName": f"{bucket}-locks"}
        self._name = {"LockID": {"S": f"{bucket}/{KEY}"}}
        self._client = numbered(self, connect("dynamodb"))
        self._client.create_table(
            **self._place,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        )

    def take(self, name):
        item = self._name | {"Info": {"S": document(name)}}
        self._client.put_item(**self._place, Item=item, ConditionExpression="attribute_not_exists(LockID)")

    def read(self):
        found = self._client.get_item(**self._place, Key=self._name, ProjectionExpression="LockID, Info")
        return json.loads(found["Item"]["Info"]["S"])["ID"]

    def release(self):
        self._client.delete_item(**self._place, Key=self._name)


def numbered(sender, client):
    """The client with the ids that its sender chooses."""

    def send(request, **_):
        if sender.call:
            del request.headers["amz-sdk-invocation-id"]
            request.headers["amz-sdk-invocation-id"] = sender.call

    client.meta.events.register("before-send", send)
    return client


@pytest.fixture(params=[Lockfile, Table])
def lock(request, connect, bucket):
    return request.param(connect, bucket)


def test_the_repeated_request_that_took_the_lock_is_a_success_and_another_one_is_not(lock):
    lock.call = "take-1"
    lock.take("one")
    lock.take("made anew by the same call")
    assert lock.read() == "one"
    lock.call = "take-2"
    with pytest.raises(ClientError):
        lock.take("another")


def test_a_repeated_unlock_never_frees_the_next_lock_even_of_who_has_read_it(lock):
    lock.call = "take-1"
    lock.take("one")
    lock.call = "unlock-1"
    lock.release()
    lock.call = "take-2"
    lock.take("two")
    assert lock.read() == "two"
    lock.call = "unlock-1"
    lock.release()
    lock.call = "read"
    assert lock.read() == "two"
    lock.call = "unlock-2"
    lock.release()
    lock.call = "take-3"
    lock.take("three")


def test_an_object_and_an_item_with_one_lock_id_are_one_lock_that_is_free_when_both_are_gone(connect, bucket):
    lockfile, table = Lockfile(connect, bucket), Table(connect, bucket)
    lockfile.take("one")
    table.take("one")
    for each in (lockfile, table):
        with pytest.raises(ClientError):
            each.take("two")
        assert each.read() == "one"
    lockfile.release()
    with pytest.raises(ClientError):
        lockfile.take("two")
    assert table.read() == "one"
    table.release()
    lockfile.take("two")


def test_a_lock_object_is_read_and_released_as_any_object_is(connect, wire, bucket):
    lockfile, path = Lockfile(connect, bucket), f"/{bucket}/{KEY}.tflock"
    nobody = wire.ask("DELETE", path, headers={"If-Match": '"x"'})
    assert (nobody.status, nobody.code) == (404, "NoSuchKey")
    lockfile.take("one")
    whole = wire.ask("GET", path)
    assert (whole.status, whole.body.decode()) == (200, document("one"))
    part = wire.ask("GET", path, headers={"Range": "bytes=1-4"})
    assert (part.status, part.body) == (206, b'"ID"')
    assert part.headers["content-range"] == f"bytes 1-4/{len(whole.body)}"
    head = wire.ask("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(whole.body)))
    etag = head.headers["etag"]
    for headers, status in (
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Match": etag}, 200),
        ({"If-Match": '"x"'}, 412),
    ):
        assert wire.ask("GET", path, headers=headers).status == status
    other = wire.ask("DELETE", path, headers={"If-Match": '"x"'})
    assert (other.status, other.code, lockfile.read()) == (412, "PreconditionFailed", "one")
    assert wire.ask("DELETE", path, headers={"If-Match": etag}).status == 204
    assert wire.ask("GET", path).status == 404


def test_a_run_that_was_refused_is_shown_the_holder_though_a_script_reads_with_its_credential(connect, new_key, bucket):
    """What the agents of Terraform 1.15.5 say; the SDK's part differs between the refusal and the question."""
    key = new_key("apply,read", bucket)
    agent = "APN/1.0 HashiCorp/1.0 Terraform/1.15.5 (+https://www.terraform.io) aws-sdk-go-v2/1.41.5 api/s3#1.97.3"
    taking, asking = (connect(key=key, agent=f"{agent} {each}") for each in ("ft/s3-transfer m/G,Z,g", "m/b,g"))
    script = connect(key=key, agent="aws-cli/1.46.3 md/Botocore#1.43.62")
    place = {"Bucket": bucket, "Key": f"{KEY}.tflock"}
    taking.put_object(**place, Body=document("L1").encode(), IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        taking.put_object(**place, Body=document("L2").encode(), IfNoneMatch="*")
    for client in (script, script, asking):  # two of a script, and that of the unlock
        assert json.loads(client.get_object(**place)["Body"].read())["ID"] == "L1"
    asking.delete_object(**place)
    with pytest.raises(ClientError, match="NoSuchKey"):
        script.get_object(**place)
    assert json.loads(asking.get_object(**place)["Body"].read())["ID"] == "L1"
    with pytest.raises(ClientError, match="NoSuchKey"):
        asking.get_object(**place)
