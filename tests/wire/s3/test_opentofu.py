"""What OpenTofu sends otherwise than Terraform to S3 (PROTOCOLS 2, from its source): tags on states and locks, a SHA-256
checksum that was computed before, one PUT of any size, an encrypted state."""

from __future__ import annotations

import base64
import hashlib
import json

LOCK = b'{"ID":"t-1","Operation":"OperationTypeApply","Info":"","Who":"a@b","Version":"1.11.14","Created":"","Path":""}'


def test_state_and_lock_with_tags_and_a_precomputed_checksum(connect):
    s3 = connect()
    s3.create_bucket(Bucket="tofu-tags")
    s3.put_object(
        Bucket="tofu-tags",
        Key="a.tfstate.tflock",
        Body=LOCK,
        ContentType="application/json",
        IfNoneMatch="*",
        Tagging="team=platform&kind=lock",
    )
    assert s3.get_object(Bucket="tofu-tags", Key="a.tfstate.tflock")["Body"].read() == LOCK
    large = {"serial": 1, "lineage": "line", "meta": {}, "encrypted_data": "A" * (6 << 20), "encryption_version": "v0"}
    body = json.dumps(large).encode()
    s3.put_object(
        Bucket="tofu-tags",
        Key="a.tfstate",
        Body=body,
        ContentType="application/json",
        ChecksumSHA256=base64.b64encode(hashlib.sha256(body).digest()).decode(),
        Tagging="team=platform",
    )
    assert s3.head_object(Bucket="tofu-tags", Key="a.tfstate")["ContentLength"] == len(body)
    assert s3.get_object(Bucket="tofu-tags", Key="a.tfstate")["Body"].read() == body
    assert s3.get_object_tagging(Bucket="tofu-tags", Key="a.tfstate")["TagSet"] == [
        {"Key": "team", "Value": "platform"}
    ]
    s3.delete_object(Bucket="tofu-tags", Key="a.tfstate.tflock")
    assert s3.list_object_versions(Bucket="tofu-tags", Prefix="a.tfstate.tflock").get("Versions", []) == []
