"""Lock libraries that people use on such tables, unmodified: python-dynamodb-lock and dynamodb-lock-client."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest
from python_dynamodb_lock.python_dynamodb_lock import DynamoDBLockClient, DynamoDBLockError

from tests.e2e.clouds import client_environment
from tests.e2e.toolchain.clients import node_modules

SCRIPT = Path(__file__).resolve().parent / "scenarios" / "lock_library.js"


def test_the_python_library_excludes_a_second_client_and_releases(cloud):
    table = cloud.new_place("python-locks").bucket
    DynamoDBLockClient.create_dynamodb_table(cloud.sdk("dynamodb"), table_name=table)
    cloud.sdk("dynamodb").get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    resource = boto3.resource(
        "dynamodb",
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=cloud.credentials.access_key_id,
        aws_secret_access_key=cloud.credentials.secret_access_key,
    )
    first, second = (
        DynamoDBLockClient(
            resource,
            table_name=table,
            owner_name=name,
            heartbeat_period=dt.timedelta(milliseconds=200),
            safe_period=dt.timedelta(milliseconds=1500),
            lease_duration=dt.timedelta(seconds=2),
        )
        for name in ("first", "second")
    )
    try:
        held = first.acquire_lock("team/job")
        with pytest.raises(DynamoDBLockError, match="ACQUIRE_TIMEOUT"):
            second.acquire_lock(
                "team/job", retry_period=dt.timedelta(milliseconds=50), retry_timeout=dt.timedelta(milliseconds=300)
            )
        held.release()
        taken = second.acquire_lock("team/job", retry_timeout=dt.timedelta(seconds=5))
        assert taken.owner_name == "second"
        taken.release()
        assert resource.Table(table).scan()["Items"] == []
    finally:
        first.close(release_locks=True)
        second.close(release_locks=True)


def test_the_javascript_library_excludes_a_second_client_and_fences(cloud):
    node = shutil.which("node")
    assert node, "Node.js is missing; the JavaScript lock library cannot be shown without it"
    table = cloud.new_place("node-locks").bucket
    cloud.sdk("dynamodb").create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    done = subprocess.run(
        [node, str(SCRIPT), table],
        env=client_environment()
        | cloud.environment()
        | {
            "NODE_PATH": str(node_modules()),
            "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1",
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "fail-closed lock acquired",
        "second client refused: FailedToAcquireLock",
        "released",
        "acquired and released again",
        "fencing token grows: true",
    ]
