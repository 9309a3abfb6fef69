"""`require_lock`: buckets made under it refuse a state write without a lock, and keep the bytes."""

from __future__ import annotations

import boto3
import botocore.config
import botocore.exceptions
import pytest

from tests.e2e.clouds import Lockhouse

STATE = b'{"version":4,"serial":1,"lineage":"l","outputs":{},"resources":[]}'


@pytest.fixture
def s3(tmp_path):
    running = Lockhouse(tmp_path, settings={"LOCKHOUSE_REQUIRE_LOCK": "true"})
    keys = running.cloud.credentials
    yield boto3.client(
        "s3",
        endpoint_url=running.cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    running.stop()


def test_a_bucket_made_under_require_lock_takes_a_state_only_under_its_lock(s3):
    s3.create_bucket(Bucket="strict")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket="strict", Key="a.tfstate", Body=STATE)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert "parked" in refused.value.response["Error"]["Message"]
    s3.put_object(Bucket="strict", Key="a.tfstate.tflock", Body=b'{"ID":"one"}', IfNoneMatch="*")
    s3.put_object(Bucket="strict", Key="a.tfstate", Body=STATE)
    assert s3.get_object(Bucket="strict", Key="a.tfstate")["Body"].read() == STATE
    s3.put_object(Bucket="strict", Key="notes.txt", Body=b"plain objects need no lock")
