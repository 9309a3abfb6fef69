"""The lock libraries that people use on lock tables, unmodified: python-dynamodb-lock and npm's dynamodb-lock-client."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from python_dynamodb_lock.python_dynamodb_lock import DynamoDBLockClient, DynamoDBLockError

from tests.e2e.clouds import Lockhouse, client_environment
from tests.e2e.toolchain.clients import node_modules

_SCRIPT = Path(__file__).with_name("lock_client.js")


@pytest.fixture
def new_client(server: Lockhouse, dynamodb) -> Iterator[Callable[[], DynamoDBLockClient]]:
    """Make a lock client with quick heartbeats on the library's own table."""
    if "DynamoDBLockTable" not in dynamodb.list_tables()["TableNames"]:
        DynamoDBLockClient.create_dynamodb_table(dynamodb, "DynamoDBLockTable")
    key = server.cloud.credentials
    resource = boto3.resource(
        "dynamodb",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
    )
    made: list[DynamoDBLockClient] = []

    def make() -> DynamoDBLockClient:
        made.append(
            DynamoDBLockClient(
                resource,
                heartbeat_period=timedelta(milliseconds=200),
                safe_period=timedelta(seconds=1),
                lease_duration=timedelta(seconds=1.5),
                expiry_period=timedelta(hours=1),
            )
        )
        return made[-1]

    yield make
    for client in made:
        client.close(release_locks=True)


def test_python_dynamodb_lock_takes_heartbeats_and_releases(new_client, dynamodb):
    first, second = new_client(), new_client()
    lock = first.acquire_lock("python")

    def version() -> str:
        key = {"lock_key": {"S": "python"}, "sort_key": {"S": "-"}}
        item = dynamodb.get_item(TableName="DynamoDBLockTable", Key=key, ConsistentRead=True)["Item"]
        return item["record_version_number"]["S"]

    before = version()
    # The other client waits for longer than the lease: only heartbeats keep the lock from it.
    with pytest.raises(DynamoDBLockError, match="ACQUIRE_TIMEOUT"):
        second.acquire_lock("python", retry_period=timedelta(milliseconds=200), retry_timeout=timedelta(seconds=2.5))
    assert version() != before
    lock.release()
    second.acquire_lock("python", retry_timeout=timedelta(seconds=2)).release()


def test_dynamodb_lock_client_takes_heartbeats_and_releases(server: Lockhouse, new_table, tmp_path: Path):
    done = subprocess.run(
        ["node", _SCRIPT, server.endpoint, new_table(name="S"), new_table(name="S", part="S")],
        env=client_environment()
        | server.cloud.environment()
        | {"NODE_PATH": str(node_modules()), "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1"}
        | {"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "closed refused: The conditional request failed" in done.stdout or "Failed to acquire lock." in done.stdout
    assert "open taken with token 1" in done.stdout
    assert done.stdout.endswith("done\n")
