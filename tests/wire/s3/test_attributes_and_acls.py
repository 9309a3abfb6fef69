"""GetObjectAttributes, and the ACLs of objects and buckets, through boto3 and the AWS CLI against the real process."""

import base64
import hashlib
import json
from functools import partial

from tests.e2e.processes import Outcome
from tests.wire.s3.test_objects_boto3 import refused


def sent(key: bytes) -> dict[str, str]:
    """A customer's key as it is sent; boto3 makes that of a key for the older operations alone."""
    digest = hashlib.md5(key).digest()
    return {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": base64.b64encode(key).decode(),
        "SSECustomerKeyMD5": base64.b64encode(digest).decode(),
    }


ATTRIBUTES = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


def test_attributes_tell_what_a_head_tells_of_the_newest_version_and_of_an_older_one(s3, wire, bucket):
    first = s3.put_object(Bucket=bucket, Key="o", Body=b"first", ChecksumAlgorithm="SHA256")
    s3.put_object(Bucket=bucket, Key="o", Body=b"second one", ChecksumAlgorithm="CRC32")
    found = s3.get_object_attributes(Bucket=bucket, Key="o", ObjectAttributes=ATTRIBUTES)
    head = s3.head_object(Bucket=bucket, Key="o", ChecksumMode="ENABLED")
    assert (found["ETag"], found["ObjectSize"]) == (hashlib.md5(b"second one").hexdigest(), 10)
    assert (found["VersionId"], found["LastModified"]) == (head["VersionId"], head["LastModified"])
    assert found["Checksum"] == {"ChecksumCRC32": head["ChecksumCRC32"], "ChecksumType": "FULL_OBJECT"}
    assert (found["StorageClass"], "ObjectParts" in found, "DeleteMarker" in found) == ("STANDARD", False, False)
    old = s3.get_object_attributes(
        Bucket=bucket, Key="o", VersionId=first["VersionId"], ObjectAttributes=["Checksum", "ObjectSize"]
    )
    assert {name for name in old if name != "ResponseMetadata"} == {
        "Checksum", "ObjectSize", "VersionId", "LastModified",
    }  # fmt: skip
    assert (old["ObjectSize"], old["Checksum"]["ChecksumSHA256"]) == (5, first["ChecksumSHA256"])
    for named in ({"x-amz-object-attributes": "ETag,Nonsense"}, {"x-amz-object-attributes": ""}, {}):
        answer = wire.ask("GET", f"/{bucket}/o?attributes", headers=named)
        assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert refused(s3.get_object_attributes, Bucket=bucket, Key="o.tflock", ObjectAttributes=["ETag"])[1] == 501


def test_attributes_of_an_object_with_a_customers_key_are_told_to_who_has_the_key(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"sealed", SSECustomerAlgorithm="AES256", SSECustomerKey=bytes(32))
    key, other = sent(bytes(32)), sent(bytes(range(32)))
    ask = partial(s3.get_object_attributes, Bucket=bucket, Key="o", ObjectAttributes=["ObjectSize"])
    assert ask(**key)["ObjectSize"] == 6
    assert refused(ask)[:2] == ("InvalidRequest", 400)
    assert refused(ask, **other)[:2] == ("AccessDenied", 403)


def test_attributes_of_an_upload_in_parts_have_its_etag_and_the_number_of_parts(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="o", ChecksumAlgorithm="SHA256")["UploadId"]
    named = []
    for number, body in ((1, b"a" * 5 * 1024 * 1024), (2, b"b")):
        part = s3.upload_part(
            Bucket=bucket, Key="o", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256"
        )
        named.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    done = s3.complete_multipart_upload(Bucket=bucket, Key="o", UploadId=upload, MultipartUpload={"Parts": named})
    found = s3.get_object_attributes(Bucket=bucket, Key="o", ObjectAttributes=ATTRIBUTES)
    assert found["ETag"] == done["ETag"].strip('"')
    assert found["ETag"].endswith("-2")
    assert (found["ObjectSize"], found["ObjectParts"]) == (5 * 1024 * 1024 + 1, {"TotalPartsCount": 2})
    assert found["Checksum"] == {"ChecksumSHA256": done["ChecksumSHA256"], "ChecksumType": "COMPOSITE"}


def test_an_acl_of_an_object_may_say_what_is_so_and_nothing_else(s3, bucket):
    ids = [s3.put_object(Bucket=bucket, Key="o", Body=body)["VersionId"] for body in (b"1", b"2")]
    kept = {name: s3.get_object_acl(Bucket=bucket, Key="o")[name] for name in ("Owner", "Grants")}
    assert [(each["Grantee"]["ID"], each["Permission"]) for each in kept["Grants"]] == [
        (kept["Owner"]["ID"], "FULL_CONTROL")
    ]
    for more, version in (
        ({"ACL": "private"}, ids[1]),
        ({"ACL": "bucket-owner-full-control", "VersionId": ids[0]}, ids[0]),
        ({"AccessControlPolicy": kept}, ids[1]),
    ):
        answer = s3.put_object_acl(Bucket=bucket, Key="o", **more)
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-version-id"] == version
    for more in ({"ACL": "public-read"}, {"GrantRead": 'id="somebody"'}, {"ACL": "aws-exec-read"}):
        code, status, said = refused(s3.put_object_acl, Bucket=bucket, Key="o", **more)
        assert (code, status, "does not allow ACLs" in said) == ("AccessControlListNotSupported", 400, True)
    assert refused(s3.put_object_acl, Bucket=bucket, Key="o")[0] == "MissingSecurityHeader"
    assert kept == {name: s3.get_object_acl(Bucket=bucket, Key="o")[name] for name in ("Owner", "Grants")}
    assert [each["VersionId"] for each in s3.list_object_versions(Bucket=bucket)["Versions"]] == ids[::-1]


def test_the_aws_cli_asks_for_attributes_and_sets_acls(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"body")

    def aws(*words: str) -> Outcome:
        return server.cloud.aws("s3api", *words, "--bucket", bucket)

    told = aws("get-object-attributes", "--key", "o", "--object-attributes", "ETag", "ObjectSize", "StorageClass")
    found = json.loads(told.ok().stdout)
    assert [found[name] for name in ("ETag", "ObjectSize", "StorageClass")] == [
        hashlib.md5(b"body").hexdigest(),
        4,
        "STANDARD",
    ]
    for words in (("put-object-acl", "--key", "o"), ("put-bucket-acl",)):
        aws(*words, "--acl", "private").ok()
        public = aws(*words, "--acl", "public-read")
        assert (public.code != 0, "AccessControlListNotSupported" in public.stderr) == (True, True)
    grants = json.loads(aws("get-object-acl", "--key", "o").ok().stdout)["Grants"]
    assert [each["Permission"] for each in grants] == ["FULL_CONTROL"]
