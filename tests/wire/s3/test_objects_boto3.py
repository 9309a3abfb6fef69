"""Objects through boto3 against the real process."""

import base64
import datetime as dt
import hashlib
import io
import json
import random
import urllib.error
import urllib.request
from functools import partial
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

STATE = {
    "version": 4,
    "terraform_version": "1.15.5",
    "serial": 1,
    "lineage": "a-lineage",
    "outputs": {},
    "resources": [],
}


def state(serial=1, lineage="a-lineage", **more):
    return json.dumps(STATE | {"serial": serial, "lineage": lineage} | more, indent=2).encode() + b"\n"


def refused(call, **arguments):
    """(code, status, message) of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message", "")


def body_of(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.parametrize("algorithm", [None, "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
@pytest.mark.parametrize("signing", [True, False])
def test_every_payload_form_stores_the_same_bytes(connect, bucket, checksums, algorithm, signing):
    s3 = connect(checksums=checksums, payload_signing_enabled=signing)
    data = random.Random(3).randbytes(200_000)
    more = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    for body in (data, io.BytesIO(data)):
        put = s3.put_object(Bucket=bucket, Key="object", Body=body, **more)
        assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
        if algorithm:
            assert put[f"Checksum{algorithm}"]
        got = s3.get_object(Bucket=bucket, Key="object", VersionId=put["VersionId"])
        assert got["Body"].read() == data
        assert "ContentEncoding" not in got


def test_what_came_with_an_object_goes_with_it(s3, bucket):
    s3.put_object(
        Bucket=bucket,
        Key="o",
        Body=b"hello",
        ContentType="text/plain; charset=utf-8",
        ContentEncoding="gzip",
        CacheControl="no-store",
        ContentDisposition='attachment; filename="x"',
        ContentLanguage="de",
        Metadata={"who": "me", "why": "because"},
        Tagging="a=b&c=d",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="arn:aws:kms:eu-west-1:111122223333:key/k",
        ACL="bucket-owner-full-control",
    )
    for found in (s3.head_object(Bucket=bucket, Key="o"), s3.get_object(Bucket=bucket, Key="o")):
        assert found["ContentType"] == "text/plain; charset=utf-8"
        assert found["ContentEncoding"] == "gzip"
        assert found["CacheControl"] == "no-store"
        assert found["ContentDisposition"] == 'attachment; filename="x"'
        assert found["ContentLanguage"] == "de"
        assert found["Metadata"] == {"who": "me", "why": "because"}
        assert found["ServerSideEncryption"] == "aws:kms"
        assert found["SSEKMSKeyId"].endswith("key/k")
        assert found["ContentLength"] == 5
        assert found["TagCount"] == 2
        assert abs(found["LastModified"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert s3.get_object_tagging(Bucket=bucket, Key="o")["TagSet"] == [
        {"Key": "a", "Value": "b"},
        {"Key": "c", "Value": "d"},
    ]
    s3.put_object_tagging(Bucket=bucket, Key="o", Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="o")["TagSet"] == [{"Key": "x", "Value": "y"}]
    s3.delete_object_tagging(Bucket=bucket, Key="o")
    assert s3.get_object_tagging(Bucket=bucket, Key="o")["TagSet"] == []


NAMES = [
    "env:/dev/app.txt",
    "/leading",
    "//double//slash",
    "a/../b",
    "./x",
    "..",
    "a b+c%20d",
    "é☃\U0001f600",
    "&<>\"'",
    "a" * 1024,
    "CASE",
    "case",
    "tail/",
    "a\x01b",
    "?#[]@!$'()*,;=",
]


def test_names_are_never_changed(s3, bucket):
    for index, name in enumerate(NAMES):
        s3.put_object(Bucket=bucket, Key=name, Body=b"%d" % index)
    for index, name in enumerate(NAMES):
        assert body_of(s3, bucket, name) == b"%d" % index
    listed = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(NAMES, key=lambda name: name.encode())


def test_conditions_on_reads_and_writes(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="o", Body=b"1")["ETag"]
    assert refused(s3.put_object, Bucket=bucket, Key="o", Body=b"2", IfNoneMatch="*")[:2] == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="o", Body=b"2", IfMatch='"other"')[:2] == (
        "PreconditionFailed",
        412,
    )
    assert refused(s3.put_object, Bucket=bucket, Key="new", Body=b"2", IfMatch=etag)[:2] == ("NoSuchKey", 404)
    # A condition that names nothing is not left out: it is met by nothing.
    for change in (partial(s3.put_object, Body=b"2"), s3.delete_object):
        assert refused(change, Bucket=bucket, Key="o", IfMatch='""')[:2] == ("PreconditionFailed", 412)
    listed = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "o", "ETag": '""'}]})
    assert [each["Code"] for each in listed["Errors"]] == ["PreconditionFailed"]
    s3.put_object(Bucket=bucket, Key="o", Body=b"2", IfMatch=etag)
    assert refused(s3.get_object, Bucket=bucket, Key="o", IfMatch=etag)[:2] == ("PreconditionFailed", 412)
    now = s3.head_object(Bucket=bucket, Key="o")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="o", IfNoneMatch=now["ETag"])
    unchanged = caught.value.response["ResponseMetadata"]
    assert unchanged["HTTPStatusCode"] == 304
    assert unchanged["HTTPHeaders"]["etag"] == now["ETag"]
    assert unchanged["HTTPHeaders"]["last-modified"] == now["ResponseMetadata"]["HTTPHeaders"]["last-modified"]
    assert unchanged["HTTPHeaders"]["x-amz-version-id"] == now["VersionId"]
    assert refused(s3.head_object, Bucket=bucket, Key="o", IfModifiedSince=now["LastModified"])[1] == 304
    assert (
        refused(s3.head_object, Bucket=bucket, Key="o", IfUnmodifiedSince=now["LastModified"] - dt.timedelta(days=1))[1]
        == 412
    )
    s3.delete_object(Bucket=bucket, Key="o")
    s3.put_object(Bucket=bucket, Key="o", Body=b"3", IfNoneMatch="*")


def test_ranges(s3, bucket):
    data = bytes(range(256)) * 20_000
    s3.put_object(Bucket=bucket, Key="o", Body=data)
    for text, part in (
        ("bytes=0-0", data[:1]),
        ("bytes=1000000-3000000", data[1000000:3000001]),
        ("bytes=-5", data[-5:]),
        ("bytes=5119999-", data[-1:]),
    ):
        got = s3.get_object(Bucket=bucket, Key="o", Range=text)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["Body"].read() == part
        assert got["ContentRange"].endswith(f"/{len(data)}")
        assert got["ContentLength"] == len(part)
    assert s3.head_object(Bucket=bucket, Key="o", Range="bytes=0-9")["ContentLength"] == 10
    assert refused(s3.get_object, Bucket=bucket, Key="o", Range=f"bytes={len(data)}-")[:2] == ("InvalidRange", 416)
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert refused(s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-5242879")[:2] == ("InvalidRange", 416)
    assert body_of(s3, bucket, "empty") == b""


def test_a_range_goes_on_only_with_the_body_that_was_begun(s3, wire, bucket):
    first = s3.put_object(Bucket=bucket, Key="o", Body=b"0123456789")["ETag"]
    # Not by a HEAD: the ranges that follow one stay with its version.
    begun = wire.ask("GET", f"/{bucket}/o").headers["last-modified"]

    def rest(since):
        answer = wire.ask("GET", f"/{bucket}/o", headers={"Range": "bytes=5-", "If-Range": since})
        return answer.status, answer.body

    for since in (first, begun):
        assert rest(since) == (206, b"56789")
    for since in ('"other"', f"W/{first}", "Sun, 22 Nov 2020 10:00:00 GMT", "nonsense"):
        assert rest(since) == (200, b"0123456789")
    s3.put_object(Bucket=bucket, Key="o", Body=b"abcdefghij")
    assert rest(first) == (200, b"abcdefghij")
    alone = wire.ask("GET", f"/{bucket}/o", headers={"If-Range": first})
    assert (alone.status, alone.body) == (200, b"abcdefghij")


def test_a_reader_may_ask_for_other_fields_in_the_answer_and_for_the_checksum(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"1", ContentType="text/plain", CacheControl="no-store")
    asked = {"ContentType": "text/csv", "CacheControl": "max-age=1", "ContentDisposition": 'attachment; filename="a"'}
    asked |= {"ContentEncoding": "x-own", "ContentLanguage": "de"}
    got = s3.get_object(Bucket=bucket, Key="o", **{f"Response{name}": value for name, value in asked.items()})
    assert {name: got[name] for name in asked} == asked
    expires = "Sun, 22 Nov 2026 10:00:00 GMT"
    got = s3.get_object(Bucket=bucket, Key="o", ResponseExpires=expires, PartNumber=1)
    assert got["ResponseMetadata"]["HTTPHeaders"]["expires"] == expires
    plain = s3.get_object(Bucket=bucket, Key="o")
    assert (plain["ContentType"], plain["CacheControl"]) == ("text/plain", "no-store")
    shown = [
        "x-amz-checksum-crc32" in s3.head_object(Bucket=bucket, Key="o", **mode)["ResponseMetadata"]["HTTPHeaders"]
        for mode in ({}, {"ChecksumMode": "ENABLED"}, {"ChecksumMode": "ENABLED", "Range": "bytes=0-0"})
    ]
    assert shown == [False, True, False]


def test_a_copy_is_under_the_conditions_of_a_write_and_says_what_it_is_of(s3, bucket):
    written = s3.put_object(Bucket=bucket, Key="from", Body=b"1", CacheControl="no-store", ContentLanguage="de")
    there = s3.put_object(Bucket=bucket, Key="to", Body=b"2")["ETag"]
    source = {"Bucket": bucket, "Key": "from"}

    def copy(key="to", **more):
        return s3.copy_object(Bucket=bucket, Key=key, CopySource=source, **more)

    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}, {"IfMatch": '""'}):
        assert refused(copy, **condition)[:2] == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"2"
    made = copy(IfMatch=there, ServerSideEncryption="aws:kms")
    assert made["CopySourceVersionId"] == written["VersionId"]
    shown = s3.head_object(Bucket=bucket, Key="to")
    assert (made["VersionId"], made["ServerSideEncryption"]) == (shown["VersionId"], "aws:kms")
    assert (shown["CacheControl"], shown["ContentLanguage"]) == ("no-store", "de")
    copy("new", IfNoneMatch="*", MetadataDirective="REPLACE", CacheControl="max-age=1")
    shown = s3.head_object(Bucket=bucket, Key="new")
    assert (shown["CacheControl"], shown.get("ContentLanguage")) == ("max-age=1", None)


def test_ranges_after_a_head_never_mix_two_versions(s3, bucket):
    first, second = b"a" * 6_000_000, b"b" * 6_000_000
    s3.put_object(Bucket=bucket, Key="o", Body=first)
    s3.head_object(Bucket=bucket, Key="o")
    start = body_of(s3, bucket, "o", Range="bytes=0-2999999")
    s3.put_object(Bucket=bucket, Key="o", Body=second)
    assert start + body_of(s3, bucket, "o", Range="bytes=3000000-") == first
    s3.head_object(Bucket=bucket, Key="o")
    assert body_of(s3, bucket, "o", Range="bytes=3000000-") == second[3_000_000:]


def test_versions_and_delete_markers(s3, bucket):
    ids = [s3.put_object(Bucket=bucket, Key="o", Body=b"%d" % n)["VersionId"] for n in range(3)]
    assert [body_of(s3, bucket, "o", VersionId=each) for each in ids] == [b"0", b"1", b"2"]
    marker = s3.delete_object(Bucket=bucket, Key="o")
    assert marker["DeleteMarker"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="o")
    fields = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert (fields["x-amz-delete-marker"], fields["x-amz-version-id"]) == ("true", marker["VersionId"])
    assert refused(s3.get_object, Bucket=bucket, Key="o", VersionId=marker["VersionId"])[:2] == (
        "MethodNotAllowed",
        405,
    )
    for read in ("get_object", "head_object"):
        with pytest.raises(ClientError) as caught:
            getattr(s3, read)(Bucket=bucket, Key="o", VersionId=marker["VersionId"], IfMatch='"other"')
        answer = caught.value.response["ResponseMetadata"]
        assert (answer["HTTPStatusCode"], answer["HTTPHeaders"]["allow"]) == (405, "DELETE")
        assert answer["HTTPHeaders"]["x-amz-delete-marker"] == "true"
        assert answer["HTTPHeaders"]["last-modified"]
    for ask, more in (
        ("get_object_tagging", {}),
        ("get_object_acl", {}),
        ("put_object_acl", {"ACL": "private"}),
        ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
    ):
        call = getattr(s3, ask)
        assert refused(call, Bucket=bucket, Key="o", VersionId=marker["VersionId"], **more)[1] == 405
        assert refused(call, Bucket=bucket, Key="o", **more)[:2] == ("NoSuchKey", 404)
        assert refused(call, Bucket=bucket, Key="never-there", **more)[:2] == ("NoSuchKey", 404)
        assert refused(call, Bucket=bucket, Key="o", VersionId="1.nonsense", **more)[:2] == ("NoSuchVersion", 404)
    with pytest.raises(ClientError) as caught:
        s3.get_object_attributes(Bucket=bucket, Key="o", ObjectAttributes=["ETag"])
    fields = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert (fields["x-amz-delete-marker"], fields["x-amz-version-id"]) == ("true", marker["VersionId"])
    assert refused(s3.get_object, Bucket=bucket, Key="o", VersionId="1.nonsense")[:2] == ("NoSuchVersion", 404)
    assert refused(s3.get_object, Bucket=bucket, Key="o", VersionId="null")[:2] == ("NoSuchVersion", 404)
    listed = s3.list_object_versions(Bucket=bucket)
    assert [each["VersionId"] for each in listed["Versions"]] == ids[::-1]
    assert [each["IsLatest"] for each in listed["DeleteMarkers"]] == [True]
    s3.delete_object(Bucket=bucket, Key="o", VersionId=marker["VersionId"])
    assert body_of(s3, bucket, "o") == b"2"
    s3.delete_object(Bucket=bucket, Key="o", VersionId=ids[2])
    assert body_of(s3, bucket, "o") == b"1"
    s3.delete_object(Bucket=bucket, Key="never-there")
    assert refused(s3.get_object, Bucket=bucket, Key="never-there")[:2] == ("NoSuchKey", 404)


def test_listings_are_complete_ordered_and_paged(s3, bucket):
    keys = sorted([f"dir-{n % 7}/file-{n:03d}" for n in range(60)] + [f"top-{n:02d}" for n in range(20)])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
        assert [item["Key"] for page in pages for item in page.get("Contents", [])] == keys
        pages = list(
            s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 5})
        )
        assert [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])] == [
            f"dir-{n}/" for n in range(7)
        ]
        assert [item["Key"] for page in pages for item in page.get("Contents", [])] == [
            key for key in keys if "/" not in key
        ]
        found = getattr(s3, operation)(Bucket=bucket, Prefix="dir-3/")
        assert [item["Key"] for item in found["Contents"]] == [key for key in keys if key.startswith("dir-3/")]
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="top-17")["KeyCount"] == 2
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
    assert [item["Key"] for page in pages for item in page.get("Versions", [])] == keys
    assert refused(s3.list_objects_v2, Bucket=bucket, ContinuationToken="***")[:2] == ("InvalidArgument", 400)


def test_versions_of_one_key_are_paged_within_it(s3, bucket):
    ids = [s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % n)["VersionId"] for n in range(9)]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4})
    assert [each["VersionId"] for page in pages for each in page["Versions"]] == ids[::-1]


def test_many_objects_are_deleted_in_one_request(s3, bucket):
    versions = [s3.put_object(Bucket=bucket, Key=f"k{n}", Body=b"x")["VersionId"] for n in range(5)]
    answer = s3.delete_objects(
        Bucket=bucket,
        Delete={
            "Objects": [
                {"Key": "k0"},
                {"Key": "k1", "VersionId": versions[1]},
                {"Key": "absent"},
                {"Key": "k2", "VersionId": "9.gone"},
                {"Key": "k4", "VersionId": "nonsense"},
            ]
        },
    )
    assert {each["Key"]: each.get("DeleteMarker", False) for each in answer["Deleted"]} == {
        "k0": True,
        "k1": False,
        "absent": False,
        "k2": False,
    }
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("k4", "NoSuchVersion")]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": "k3"}]})
    assert "Deleted" not in quiet
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k2", "k4"]


def test_copies_refer_to_the_same_bytes(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="from", Body=b"old", Metadata={"m": "1"}, ContentType="text/x")[
        "VersionId"
    ]
    s3.put_object(Bucket=bucket, Key="from", Body=b"new")
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from", "VersionId": first})
    found = s3.get_object(Bucket=bucket, Key="to")
    assert (found["Body"].read(), found["Metadata"], found["ContentType"]) == (b"old", {"m": "1"}, "text/x")
    s3.copy_object(
        Bucket=bucket, Key="to", CopySource=f"{bucket}/from", MetadataDirective="REPLACE", Metadata={"n": "2"}
    )
    found = s3.get_object(Bucket=bucket, Key="to")
    assert (found["Body"].read(), found["Metadata"]) == (b"new", {"n": "2"})
    assert refused(s3.copy_object, Bucket=bucket, Key="to", CopySource=f"{bucket}/absent")[:2] == ("NoSuchKey", 404)
    assert refused(s3.copy_object, Bucket=bucket, Key="to", CopySource=f"{bucket}/from", CopySourceIfMatch='"x"')[
        :2
    ] == ("PreconditionFailed", 412)


def test_presigned_reads(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b/c+d", Body=b"shared")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/c+d"}, ExpiresIn=60)
    assert urllib.request.urlopen(url, timeout=10).read() == b"shared"
    for wrong in (url.replace("a%20b", "a%20c"), url.replace("Expires=60", "Expires=61"), url + "&versionId=1.x"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(wrong, timeout=10)
        assert caught.value.code == 403
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "o"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(put, data=b"x", method="PUT"), timeout=10)
    assert caught.value.code == 403


@pytest.mark.parametrize("part_size", [5 << 20, 6 << 20])
def test_multipart_uploads(s3, bucket, part_size):
    data = random.Random(5).randbytes(13 << 20)
    parts = [data[start : start + part_size] for start in range(0, len(data), part_size)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="o", Metadata={"m": "1"}, ContentType="text/x")["UploadId"]
    etags = {}
    for number in reversed(range(1, len(parts) + 1)):
        etags[number] = s3.upload_part(
            Bucket=bucket, Key="o", UploadId=upload, PartNumber=number, Body=parts[number - 1]
        )["ETag"]
    listed = s3.list_parts(Bucket=bucket, Key="o", UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [
        (n + 1, len(part)) for n, part in enumerate(parts)
    ]
    assert [each["UploadId"] for each in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    assert refused(s3.get_object, Bucket=bucket, Key="o")[0] == "NoSuchKey"
    named = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="o", UploadId=upload, MultipartUpload={"Parts": named})
    whole = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    assert done["ETag"] == f'"{whole}-{len(parts)}"'
    found = s3.get_object(Bucket=bucket, Key="o")
    assert (found["Body"].read() == data, found["Metadata"], found["ContentType"]) == (True, {"m": "1"}, "text/x")
    again = s3.complete_multipart_upload(Bucket=bucket, Key="o", UploadId=upload, MultipartUpload={"Parts": named})
    assert (again["ETag"], again["VersionId"]) == (done["ETag"], done["VersionId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_multipart_uploads_that_cannot_be_completed(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="o")["UploadId"]
    small = s3.upload_part(Bucket=bucket, Key="o", UploadId=upload, PartNumber=1, Body=b"small")["ETag"]
    last = s3.upload_part(Bucket=bucket, Key="o", UploadId=upload, PartNumber=2, Body=b"last")["ETag"]

    def complete(*parts):
        return refused(
            s3.complete_multipart_upload,
            Bucket=bucket,
            Key="o",
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]},
        )[0]

    assert complete((1, small), (2, last)) == "EntityTooSmall"
    assert complete((2, last), (1, small)) == "InvalidPartOrder"
    assert complete((1, last)) == "InvalidPart"
    assert complete((3, last)) == "InvalidPart"
    assert refused(s3.upload_part, Bucket=bucket, Key="o", UploadId="nope", PartNumber=1, Body=b"x")[:2] == (
        "NoSuchUpload",
        404,
    )
    assert (
        refused(s3.upload_part, Bucket=bucket, Key="o", UploadId=upload, PartNumber=10_001, Body=b"x")[0]
        == "InvalidArgument"
    )
    s3.abort_multipart_upload(Bucket=bucket, Key="o", UploadId=upload)
    assert refused(s3.abort_multipart_upload, Bucket=bucket, Key="o", UploadId=upload)[0] == "NoSuchUpload"
    assert refused(s3.get_object, Bucket=bucket, Key="o")[0] == "NoSuchKey"


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("CRC32", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT"), ("CRC32", "COMPOSITE"), ("SHA256", "COMPOSITE")],
)
def test_a_checksum_of_the_whole_is_compared_before_there_is_an_object_and_kept(s3, bucket, algorithm, kind):
    name = f"Checksum{algorithm}"
    bodies = [random.Random(7).randbytes(5 << 20), b"the end"]
    where = {"Bucket": bucket, "Key": "o"}
    begun = s3.create_multipart_upload(**where, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == (algorithm, kind)
    where["UploadId"] = begun["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        sent = s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], name: sent[name]})
    if kind == "FULL_OBJECT":
        put = s3.put_object(Bucket=bucket, Key="same", Body=b"".join(bodies), ChecksumAlgorithm=algorithm)
        right = put[name]
    else:
        joined = b"".join(base64.b64decode(part[name]) for part in parts)
        right = s3.put_object(Bucket=bucket, Key="digests", Body=joined, ChecksumAlgorithm=algorithm)[name]
    wrong = base64.b64encode(bytes(len(base64.b64decode(right)))).decode()
    swapped = [parts[0], parts[1] | {name: parts[0][name]}]

    def complete(named=parts, **more):
        return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": named}, **more)

    assert refused(complete, **{name: wrong})[:2] == ("BadDigest", 400)
    assert refused(complete, named=swapped)[:2] == ("InvalidPart", 400)
    assert refused(complete, MpuObjectSize=3)[:2] == ("InvalidRequest", 400)
    assert refused(s3.head_object, Bucket=bucket, Key="o")[1] == 404
    listed = s3.list_parts(**where)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, kind)
    other = "SHA1" if algorithm != "SHA1" else "CRC32"
    assert refused(s3.upload_part, **where, PartNumber=9, Body=b"x", ChecksumAlgorithm=other)[0] == "InvalidRequest"
    whole = complete(**{name: right}, MpuObjectSize=sum(map(len, bodies)))
    assert (whole["ChecksumType"], whole[name].partition("-")[0]) == (kind, right)
    kept = s3.head_object(Bucket=bucket, Key="o", ChecksumMode="ENABLED")
    assert (kept["ChecksumType"], kept[name].partition("-")[0]) == (kind, right)


def test_a_checksum_that_no_object_of_parts_has_is_refused_at_its_beginning(s3, bucket):
    for algorithm, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        wanted = {"Bucket": bucket, "Key": "o", "ChecksumAlgorithm": algorithm, "ChecksumType": kind}
        assert refused(s3.create_multipart_upload, **wanted)[1] == 400


def test_uploads_are_listed_with_common_prefixes_and_paged(s3, bucket):
    keys = ["a", "dir/1", "dir/2", "dir/2", "dir2/x", "other", "other"]
    for key in keys:
        s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")
    for size in (1, 2, 3, 100):
        more = {"PaginationConfig": {"PageSize": size}}
        pages = list(s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Delimiter="/", **more))
        assert [each["Key"] for page in pages for each in page.get("Uploads", [])] == ["a", "other", "other"]
        prefixes = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        assert prefixes == ["dir/", "dir2/"]
        pages = list(s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix="dir", **more))
        assert [each["Key"] for page in pages for each in page.get("Uploads", [])] == keys[1:5]
    below = s3.list_multipart_uploads(Bucket=bucket, Prefix="dir/", Delimiter="/")
    assert [each["Key"] for each in below["Uploads"]] == ["dir/1", "dir/2", "dir/2"]
    assert below["Uploads"][0]["ChecksumAlgorithm"] == "SHA256"
    assert len(s3.list_multipart_uploads(Bucket=bucket, UploadIdMarker="zzzz")["Uploads"]) == len(keys)


def test_a_list_of_no_parts_is_no_list(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="o")["UploadId"]
    for parts in ([], [{"PartNumber": 1}]):
        named = {"Bucket": bucket, "Key": "o", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
        assert refused(s3.complete_multipart_upload, **named)[:2] == ("MalformedXML", 400)
    assert s3.list_parts(Bucket=bucket, Key="o", UploadId=upload)["NextPartNumberMarker"] == 0


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256", "CRC64NVME"])
def test_copies_have_the_checksum_that_they_are_asked_for(s3, bucket, algorithm):
    name, data = f"Checksum{algorithm}", random.Random(5).randbytes((5 << 20) + 9)
    right = s3.put_object(Bucket=bucket, Key="right", Body=data, ChecksumAlgorithm=algorithm)[name]
    s3.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="SHA1")
    copied = s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from", ChecksumAlgorithm=algorithm)
    assert copied["CopyObjectResult"][name] == right
    assert s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")[name] == right
    upload = {"Bucket": bucket, "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, ChecksumAlgorithm=algorithm)["UploadId"]
    parts = []
    for number, span in ((1, f"0-{(5 << 20) - 1}"), (2, f"{5 << 20}-{(5 << 20) + 8}")):
        asked = {"CopySource": f"{bucket}/from", "CopySourceRange": f"bytes={span}"}
        part = s3.upload_part_copy(**upload, PartNumber=number, **asked)["CopyPartResult"]
        parts.append({"PartNumber": number, "ETag": part["ETag"], name: part[name]})
    assert s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})[name]
    refusal = refused(s3.copy_object, Bucket=bucket, Key="x", CopySource=f"{bucket}/from", ChecksumAlgorithm="NOPE")
    assert refusal[:2] == ("InvalidRequest", 400)


def test_a_copy_onto_itself_changes_something_or_is_refused(s3, bucket):
    version = s3.put_object(Bucket=bucket, Key="o", Body=b"x")["VersionId"]
    itself = {"Bucket": bucket, "Key": "o", "CopySource": f"{bucket}/o"}
    assert refused(s3.copy_object, **itself)[:2] == ("InvalidRequest", 400)
    s3.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"a": "b"})
    assert s3.head_object(Bucket=bucket, Key="o")["Metadata"] == {"a": "b"}
    s3.copy_object(**itself | {"CopySource": f"{bucket}/o?versionId={version}"})
    assert s3.head_object(Bucket=bucket, Key="o")["Metadata"] == {}
    marker = s3.delete_object(Bucket=bucket, Key="o")["VersionId"]
    source = f"{bucket}/o?versionId={marker}"
    assert refused(s3.copy_object, Bucket=bucket, Key="p", CopySource=source)[:2] == ("InvalidRequest", 400)


def test_an_object_has_one_part(wire, s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"hello")
    for method in ("GET", "HEAD"):
        answer = wire.ask(method, f"/{bucket}/o?partNumber=1")
        assert (answer.status, answer.headers["content-range"]) == (206, "bytes 0-4/5")
    for query, headers, expected in (
        ("partNumber=2", {}, (416, "InvalidPartNumber")),
        ("partNumber=0", {}, (400, "InvalidArgument")),
        ("partNumber=1", {"Range": "bytes=0-1"}, (400, "InvalidRequest")),
    ):
        answer = wire.ask("GET", f"/{bucket}/o?{query}", headers=headers)
        assert (answer.status, answer.code) == expected


def test_parts_are_listed_in_pages(s3, bucket):
    where = {"Bucket": bucket, "Key": "o"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    for number in (7, 1, 3):
        s3.upload_part(**where, PartNumber=number, Body=b"x")
    for size, pages in ((1, [[1], [3], [7]]), (2, [[1, 3], [7]]), (3, [[1, 3, 7]])):
        found = list(s3.get_paginator("list_parts").paginate(**where, PaginationConfig={"PageSize": size}))
        assert [[part["PartNumber"] for part in page["Parts"]] for page in found] == pages
        assert [page["IsTruncated"] for page in found] == [True] * (len(pages) - 1) + [False]
        assert [page["NextPartNumberMarker"] for page in found] == [page[-1] for page in pages]
    none = s3.list_parts(**where, MaxParts=0)
    assert ("Parts" in none, none["IsTruncated"], none["NextPartNumberMarker"]) == (False, False, 0)
    assert [part["PartNumber"] for part in s3.list_parts(**where, PartNumberMarker=1)["Parts"]] == [3, 7]


def test_a_part_is_not_copied_from_beyond_the_end(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"0123456789")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    where = {"Bucket": bucket, "Key": "to", "UploadId": upload, "PartNumber": 1, "CopySource": f"{bucket}/from"}
    for span in ("bytes=0-10", "bytes=5-", "bytes=-3", "bytes=-9", "bytes=5-2", "lines=0-9"):
        assert refused(s3.upload_part_copy, **where, CopySourceRange=span)[:2] == ("InvalidArgument", 400)
    etag = s3.upload_part_copy(**where)["CopyPartResult"]["ETag"]  # the whole
    named = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="to", UploadId=upload, MultipartUpload=named)
    assert body_of(s3, bucket, "to") == b"0123456789"
    where["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="to", ChecksumAlgorithm="CRC32")["UploadId"]
    assert s3.upload_part_copy(**where)["CopyPartResult"]["ChecksumCRC32"] == "poTHxg=="


def test_parts_may_be_copied(s3, bucket):
    data = random.Random(6).randbytes(11 << 20)
    s3.put_object(Bucket=bucket, Key="from", Body=data)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    parts = []
    for number, span in ((1, (0, 6 << 20)), (2, (6 << 20, 11 << 20))):
        copied = s3.upload_part_copy(
            Bucket=bucket,
            Key="to",
            UploadId=upload,
            PartNumber=number,
            CopySource=f"{bucket}/from",
            CopySourceRange=f"bytes={span[0]}-{span[1] - 1}",
        )
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="to", UploadId=upload, MultipartUpload={"Parts": parts})
    assert body_of(s3, bucket, "to") == data


def test_customer_keys_decide_who_may_read(s3, bucket):
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(range(32))}
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(32)}
    s3.put_object(Bucket=bucket, Key="o", Body=b"sealed", **key)
    assert body_of(s3, bucket, "o", **key) == b"sealed"
    assert s3.head_object(Bucket=bucket, Key="o", **key)["SSECustomerAlgorithm"] == "AES256"
    assert refused(s3.get_object, Bucket=bucket, Key="o")[:2] == ("InvalidRequest", 400)
    assert refused(s3.get_object, Bucket=bucket, Key="o", **other)[:2] == ("AccessDenied", 403)
    assert refused(s3.head_object, Bucket=bucket, Key="o")[1] == 400
    assert refused(s3.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/o")[0] == "InvalidRequest"
    s3.put_object(Bucket=bucket, Key="plain", Body=b"plain")
    assert refused(s3.get_object, Bucket=bucket, Key="plain", **key)[:2] == ("InvalidRequest", 400)


def test_the_parts_of_an_upload_come_with_the_customers_key_that_it_was_begun_with(s3, bucket):
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(range(32))}
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(32)}
    where = {"Bucket": bucket, "Key": "o"}
    begun = s3.create_multipart_upload(**where, **key)
    plain = s3.create_multipart_upload(**where)
    assert begun["SSECustomerKeyMD5"]
    for upload, wrong in ((begun, {}), (begun, other), (plain, key)):
        assert refused(s3.upload_part, **where, UploadId=upload["UploadId"], PartNumber=1, Body=b"x", **wrong)[1] == 400
    where["UploadId"] = begun["UploadId"]
    part = s3.upload_part(**where, PartNumber=1, Body=b"secret", **key)
    assert part["SSECustomerKeyMD5"] == begun["SSECustomerKeyMD5"]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert refused(s3.get_object, Bucket=bucket, Key="o")[1] == 400
    assert s3.get_object(Bucket=bucket, Key="o", **key)["Body"].read() == b"secret"


def test_a_state_with_a_customers_key_goes_out_over_s3_alone_until_its_owner_shares_it(server, wire, s3, bucket):
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(range(32))}
    s3.put_object(Bucket=bucket, Key="app.tfstate", Body=state(1), **key)
    who = f"{wire.credentials.access_key}:{wire.credentials.secret_key}"
    basic = {"Authorization": "Basic " + base64.b64encode(who.encode()).decode()}

    def over_http(body=None):
        asked = urllib.request.Request(f"{server.cloud.endpoint}/http/{bucket}/app.tfstate", body, basic)
        with urllib.request.urlopen(asked) as answer:
            return answer.read()

    with pytest.raises(urllib.error.HTTPError) as caught:
        over_http()
    assert caught.value.code == 400
    assert b"customer key" in caught.value.read()
    refusal = server.command("state", "download", bucket, "app.tfstate")
    assert refusal.code != 0
    assert f"lockhouse state share-customer-key {bucket} app.tfstate" in refusal.stderr
    assert body_of(s3, bucket, "app.tfstate", **key) == state(1)
    server.command("state", "share-customer-key", bucket, "app.tfstate").ok()
    assert over_http() == state(1)
    assert refused(s3.get_object, Bucket=bucket, Key="app.tfstate")[:2] == ("InvalidRequest", 400)
    over_http(state(2))  # what others write stays under the key, for those who read with it
    assert over_http() == state(2)
    assert body_of(s3, bucket, "app.tfstate", **key) == state(2)
    assert refused(s3.get_object, Bucket=bucket, Key="app.tfstate")[:2] == ("InvalidRequest", 400)
    server.command("state", "share-customer-key", bucket, "app.tfstate", "--off").ok()
    with pytest.raises(urllib.error.HTTPError):
        over_http()


def test_a_state_is_written_under_the_rules_and_refused_bytes_are_parked(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="app.tfstate", Body=state(1))
    again = s3.put_object(Bucket=bucket, Key="app.tfstate", Body=state(1))
    assert s3.list_object_versions(Bucket=bucket)["Versions"][0]["VersionId"] == again["VersionId"]
    for body, word in (
        (state(1, outputs={"a": {}}), "serial 1"),
        (state(9, lineage="b"), "lineage"),
        (b"not json", "not a whole Terraform state"),
    ):
        code, status, message = refused(s3.put_object, Bucket=bucket, Key="app.tfstate", Body=body)
        assert (code, status) in {("PreconditionFailed", 412), ("InvalidRequest", 400)}
        assert word in message
        assert "parked" in message
    assert refused(s3.put_object, Bucket=bucket, Key="app.tfstate", Body=b"")[:2] == ("InvalidRequest", 400)
    assert body_of(s3, bucket, "app.tfstate") == state(1)
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_a_serial_that_goes_back_behind_a_deletion_is_an_override_in_the_history(server, s3, bucket):
    place = {"Bucket": bucket, "Key": "app.tfstate"}
    s3.put_object(**place, Body=state(8))
    for serial, mark in ((3, "override"), (4, "unlocked")):
        if mark == "override":
            s3.delete_object(**place)
            s3.delete_object(**place)
        s3.put_object(**place, Body=state(serial))
        assert server.json("state", "show", bucket, "app.tfstate")["current"]["mark"] == mark
    assert body_of(s3, bucket, "app.tfstate") == state(4)


def test_a_parked_write_of_a_state_with_a_customers_key_is_shown_and_accepted_as_one(server, s3, bucket):
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes(range(32))}
    place = {"Bucket": bucket, "Key": "app.tfstate"} | key
    s3.put_object(**place, Body=state(1))
    newer = state(1, outputs={"a": {"value": 1, "type": "number"}})
    assert refused(s3.put_object, **place, Body=newer)[:2] == ("PreconditionFailed", 412)
    (parked,) = server.json("state", "parked", "list", bucket, "app.tfstate")
    hint = server.command("state", "parked", "download", parked["id"])
    assert hint.code != 0
    assert "share-customer-key" in hint.stderr
    server.command("state", "parked", "accept", parked["id"]).ok()
    assert body_of(s3, bucket, "app.tfstate", **key) == newer
    assert refused(s3.get_object, Bucket=bucket, Key="app.tfstate")[:2] == ("InvalidRequest", 400)


def lock(lock_id, key="app.tfstate", bucket="b"):
    return json.dumps(
        {
            "ID": lock_id,
            "Operation": "OperationTypeApply",
            "Info": "",
            "Who": "a@b",
            "Version": "1.15.5",
            "Created": "2026-11-22T10:00:00.5Z",
            "Path": f"{bucket}/{key}",
        },
        separators=(",", ":"),
    ).encode()


def test_lock_objects_take_show_and_release_the_lock(s3, connect, new_key, bucket):
    other = connect(key=new_key("read,write,lock", bucket))
    place = {"Bucket": bucket, "Key": "app.tfstate.tflock"}
    s3.put_object(**place, Body=lock("one"), IfNoneMatch="*", ContentType="application/json")
    s3.put_object(**place, Body=lock("one"), IfNoneMatch="*")
    code, status, message = refused(other.put_object, **place, Body=lock("two"), IfNoneMatch="*")
    assert (code, status) == ("PreconditionFailed", 412)
    assert "At least one of the pre-conditions you specified did not hold" in message
    assert body_of(other, bucket, place["Key"]) == lock("one")
    assert other.head_object(**place)["ContentLength"] == len(lock("one"))
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["app.tfstate.tflock"]
    assert refused(other.put_object, Bucket=bucket, Key="app.tfstate", Body=state(1))[:2] == ("PreconditionFailed", 412)
    assert refused(other.delete_object, **place)[:2] == ("AccessDenied", 403)
    s3.delete_object(**place)
    s3.delete_object(**place)
    assert refused(s3.get_object, **place)[:2] == ("NoSuchKey", 404)
    assert refused(s3.head_object, **place)[1] == 404
    listed = s3.list_object_versions(Bucket=bucket)
    assert not any(
        each["Key"].endswith(".tflock") for each in listed.get("Versions", []) + listed.get("DeleteMarkers", [])
    )
    other.put_object(**place, Body=lock("two"), IfNoneMatch="*")
    other.delete_object(**place)


def test_a_locked_state_cannot_be_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="app.tfstate", Body=state(1))
    s3.put_object(Bucket=bucket, Key="app.tfstate.tflock", Body=lock("one"), IfNoneMatch="*")
    assert refused(s3.delete_object, Bucket=bucket, Key="app.tfstate")[:2] == ("OperationAborted", 409)
    errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "app.tfstate"}]})["Errors"]
    assert [each["Code"] for each in errors] == ["OperationAborted"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "app.tfstate.tflock"}]})
    s3.delete_object(Bucket=bucket, Key="app.tfstate")


def test_nothing_is_ever_stored_under_a_locks_name(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x")
    key = "app.tfstate.tflock"
    assert refused(s3.copy_object, Bucket=bucket, Key=key, CopySource=f"{bucket}/o")[:2] == ("NotImplemented", 501)
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key=key)[:2] == ("NotImplemented", 501)
    assert refused(s3.put_object, Bucket=bucket, Key=key, Body=b"x" * 70_000)[0] == "EntityTooLarge"
    assert refused(s3.get_object, Bucket=bucket, Key=key)[0] == "NoSuchKey"


def test_rights_are_enforced_on_every_kind_of_operation(s3, connect, new_key, bucket):
    s3.put_object(Bucket=bucket, Key="mine/o", Body=b"x")
    s3.put_object(Bucket=bucket, Key="other/o", Body=b"x")
    reader, writer, stranger = (
        connect(key=new_key(rights, on))
        for rights, on in (("read", f"{bucket}/mine/"), ("write", f"{bucket}/mine/"), ("read", "elsewhere-bucket"))
    )
    assert body_of(reader, bucket, "mine/o") == b"x"
    writer.put_object(Bucket=bucket, Key="mine/p", Body=b"y")
    denied = ("AccessDenied", 403)
    assert refused(reader.get_object, Bucket=bucket, Key="other/o")[:2] == denied
    assert refused(reader.get_object, Bucket=bucket, Key="other/absent")[:2] == denied
    assert refused(reader.head_object, Bucket=bucket, Key="other/absent")[1] == 403
    assert refused(reader.put_object, Bucket=bucket, Key="mine/o", Body=b"z")[:2] == denied
    assert refused(reader.delete_object, Bucket=bucket, Key="mine/o")[:2] == denied
    code, status, said = refused(reader.list_objects_v2, Bucket=bucket)
    assert ((code, status), "ask for less: --prefix mine/;" in said) == (denied, True)
    assert [item["Key"] for item in reader.list_objects_v2(Bucket=bucket, Prefix="mine/")["Contents"]] == [
        "mine/o",
        "mine/p",
    ]
    assert refused(writer.get_object, Bucket=bucket, Key="mine/o")[:2] == denied
    assert refused(writer.copy_object, Bucket=bucket, Key="mine/q", CopySource=f"{bucket}/other/o")[:2] == denied
    assert refused(writer.create_multipart_upload, Bucket=bucket, Key="other/o")[:2] == denied
    for name in (bucket, "no-such-bucket-at-all"):
        assert refused(stranger.get_object, Bucket=name, Key="mine/o")[:2] == denied
        assert refused(stranger.list_objects_v2, Bucket=name)[:2] == denied
        assert refused(stranger.head_bucket, Bucket=name)[1] == 403
    assert refused(writer.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": []})[:2] == denied
    assert refused(writer.delete_bucket, Bucket=bucket)[:2] == denied
    assert refused(writer.create_bucket, Bucket="a-new-bucket")[:2] == denied
    assert bucket not in [each["Name"] for each in stranger.list_buckets()["Buckets"]]


def test_virtual_host_style(wire, bucket):
    headers = {"Host": f"{bucket}.states.example"}
    assert wire.ask("PUT", "/a//b", b"hello", headers).status == 200
    assert wire.ask("GET", "/a//b", headers=headers).body == b"hello"
    assert wire.ask("GET", f"/{bucket}/a//b").body == b"hello"
    absolute, fields = wire.sign("GET", "/a//b", headers=headers)
    assert wire.send("GET", f"http://{bucket}.states.example{absolute}", fields).body == b"hello"
    assert quote(bucket) in wire.ask("GET", "/?list-type=2", headers=headers).body.decode()


def test_an_empty_lock_object_is_one_lock_and_not_everybodys(s3, bucket):
    place = {"Bucket": bucket, "Key": "empty.tfstate.tflock", "IfNoneMatch": "*"}
    s3.put_object(**place)
    assert refused(s3.put_object, **place)[:2] == ("PreconditionFailed", 412)


def test_a_version_id_that_names_none_is_refused_and_deletes_nothing(wire, s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x")
    for method in ("GET", "HEAD", "DELETE"):
        for wrong in ("", "nope"):
            answer = wire.ask(method, f"/{bucket}/o?versionId={wrong}")
            assert (answer.status, answer.code) == (400, None if method == "HEAD" else "InvalidArgument")
    assert wire.ask("DELETE", f"/{bucket}/o?versionId=null").status == 204
    assert body_of(s3, bucket, "o") == b"x"
    source = {"x-amz-copy-source": f"{bucket}/o?versionId="}
    assert wire.ask("PUT", f"/{bucket}/copy", headers=source).code == "InvalidArgument"


def test_a_delete_under_a_condition_needs_the_object(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="o", Body=b"x")["ETag"]
    assert refused(s3.delete_object, Bucket=bucket, Key="o", IfMatch='"other"')[:2] == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=bucket, Key="o", IfMatch=etag)
    for key in ("o", "never-there"):
        assert refused(s3.delete_object, Bucket=bucket, Key=key, IfMatch="*")[:2] == ("NoSuchKey", 404)


def test_a_lock_is_read_and_released_under_conditions(wire, s3, bucket):
    place = {"Bucket": bucket, "Key": "app.tfstate.tflock"}
    s3.put_object(**place, Body=lock("one"))
    etag = s3.head_object(**place)["ETag"]
    assert refused(s3.get_object, **place, IfMatch='"other"')[:2] == ("PreconditionFailed", 412)
    assert refused(s3.get_object, **place, IfNoneMatch=etag)[1] == 304
    assert refused(s3.put_object, **place, Body=lock("one"), IfMatch=etag)[:2] == ("NotImplemented", 501)
    assert refused(s3.delete_object, **place, IfMatch='"other"')[:2] == ("PreconditionFailed", 412)
    assert body_of(s3, bucket=bucket, key=place["Key"]) == lock("one")
    s3.delete_object(**place, IfMatch=etag)
    assert refused(s3.head_object, **place)[1] == 404
    assert refused(s3.delete_object, **place, IfMatch=etag)[:2] == ("NoSuchKey", 404)
    assert wire.ask("DELETE", f"/{bucket}/{place['Key']}?versionId=").status == 400


def test_a_version_that_is_gone_is_deleted_again(s3, bucket):
    version = s3.put_object(Bucket=bucket, Key="twice", Body=b"x")["VersionId"]
    s3.put_object(Bucket=bucket, Key="twice", Body=b"y")
    for _ in range(2):
        answer = s3.delete_object(Bucket=bucket, Key="twice", VersionId=version)
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["VersionId"]) == (204, version)
