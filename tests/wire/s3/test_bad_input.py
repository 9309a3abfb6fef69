"""Bad requests against the real process: the right error, never a 500, and nothing is stored."""

import base64
import datetime as dt
import hashlib
import random
import zlib

import botocore.auth
import pytest
from botocore.credentials import Credentials

BODY = b"some bytes of a plain object"


@pytest.fixture
def place(bucket):
    return f"/{bucket}/object"


@pytest.fixture(autouse=True)
def nothing_was_stored(request, s3):
    """After each test its bucket holds nothing."""
    name = request.getfixturevalue("bucket") if "bucket" in request.fixturenames else None
    yield
    if name is not None:
        found = s3.list_object_versions(Bucket=name)
        assert "Versions" not in found
        assert "DeleteMarkers" not in found


def bent(fields, **changes):
    """The fields with some replaced (None: left out), whatever their case."""
    wanted = {name.replace("_", "-").lower(): value for name, value in changes.items()}
    kept = {name: value for name, value in fields.items() if name.lower() not in wanted}
    return kept | {name: value for name, value in wanted.items() if value is not None}


def outcome(answer):
    return answer.status, answer.code


def test_unsigned_and_foreign_signatures(wire, place):
    assert outcome(wire.send("PUT", place, {"Host": "h"}, BODY)) == (403, "AccessDenied")
    assert outcome(wire.send("GET", place, {"Host": "h"})) == (403, "AccessDenied")
    unknown = Credentials("LHKNOBODY00000000000", "x" * 40)
    assert outcome(wire.ask("PUT", place, BODY, credentials=unknown)) == (403, "InvalidAccessKeyId")
    wrong = Credentials(wire.credentials.access_key, "x" * 40)
    assert outcome(wire.ask("PUT", place, BODY, credentials=wrong)) == (403, "SignatureDoesNotMatch")
    stolen = Credentials(wire.credentials.access_key, wire.credentials.secret_key, "a-token")
    assert wire.ask("PUT", place, BODY, credentials=stolen).status == 403


def test_bent_signatures(wire, place):
    target, fields = wire.sign("PUT", place, BODY)
    authorization = fields["Authorization"]
    for answer, expected in (
        (wire.send("PUT", place + "x", fields, BODY), (403, "SignatureDoesNotMatch")),
        (wire.send("DELETE", target, fields, BODY), (403, "SignatureDoesNotMatch")),
        (wire.send("PUT", target + "?acl", fields, BODY), (403, "SignatureDoesNotMatch")),
        (wire.send("PUT", target, bent(fields, host="other"), BODY), (403, "SignatureDoesNotMatch")),
        (
            wire.send("PUT", target, bent(fields, authorization="AWS4-HMAC-SHA256 nonsense"), BODY),
            (400, "AuthorizationHeaderMalformed"),
        ),
        (
            wire.send("PUT", target, bent(fields, authorization=authorization[:-1]), BODY),
            (400, "AuthorizationHeaderMalformed"),
        ),
        (
            wire.send(
                "PUT",
                target,
                bent(fields, authorization=authorization.replace("SignedHeaders=host;", "SignedHeaders=")),
                BODY,
            ),
            (400, "AuthorizationHeaderMalformed"),
        ),
        (wire.send("PUT", target, fields | {"x-amz-meta-added": "1"}, BODY), (400, "AuthorizationHeaderMalformed")),
        (wire.send("PUT", target + "?X-Amz-Credential=x", fields, BODY), (400, "AuthorizationHeaderMalformed")),
        (
            wire.send("PUT", target, bent(fields, x_amz_content_sha256=None), BODY),
            (400, "InvalidArgument"),
        ),
        (wire.send("PUT", target, bent(fields, authorization="AWS key:signature"), BODY), (400, "InvalidRequest")),
    ):
        assert outcome(answer) == expected


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365 * 20, 60 * 24 * 365 * 20])
def test_a_clock_that_is_wrong_is_told_the_right_time(wire, place, monkeypatch, minutes):
    wrong = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return wrong.astimezone(tz) if tz else wrong

        @classmethod
        def utcnow(cls):
            return wrong.replace(tzinfo=None)

    for name in ("datetime", "get_current_datetime"):
        if hasattr(botocore.auth, name):
            monkeypatch.setattr(
                botocore.auth, name, Clock if name == "datetime" else lambda *_, **__: wrong.replace(tzinfo=None)
            )
    answer = wire.ask("PUT", place, BODY)
    assert outcome(answer) == (403, "RequestTimeTooSkewed")
    assert b"<ServerTime>" in answer.body
    assert answer.headers["date"]


def test_bodies_that_are_not_what_was_signed(wire, place):
    target, fields = wire.sign("PUT", place, BODY)
    assert outcome(wire.send("PUT", target, fields, BODY[::-1])) == (400, "XAmzContentSHA256Mismatch")
    for length in (1, len(BODY) - 1):
        assert outcome(wire.send("PUT", target, fields, BODY[:length])) == (400, "XAmzContentSHA256Mismatch")


def checksums():
    md5 = base64.b64encode(hashlib.md5(BODY + b"x").digest()).decode()
    crc = base64.b64encode(zlib.crc32(BODY + b"x").to_bytes(4, "big")).decode()
    yield {"Content-MD5": md5}, "BadDigest"
    yield {"Content-MD5": "short"}, "InvalidDigest"
    yield {"x-amz-checksum-crc32": crc}, "BadDigest"
    yield {"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}, "BadDigest"
    yield {"x-amz-checksum-crc32": "####"}, "InvalidRequest"
    yield {"x-amz-checksum-md99": crc}, "InvalidRequest"
    yield {"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"
    yield {"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": crc}, "InvalidRequest"
    yield {"x-amz-sdk-checksum-algorithm": "NOPE", "x-amz-checksum-crc32": crc}, "InvalidRequest"
    yield {"x-amz-checksum-crc32": crc, "x-amz-checksum-sha1": crc}, "InvalidRequest"


@pytest.mark.parametrize(("headers", "code"), list(checksums()))
def test_checksums_that_do_not_match(wire, place, headers, code):
    assert outcome(wire.ask("PUT", place, BODY, headers)) == (400, code)


def framed(data, trailer=b""):
    return b"%x\r\n" % len(data) + data + b"\r\n0\r\n" + trailer + b"\r\n"


def streaming(wire, place, length, trailer="x-amz-checksum-crc32"):
    headers = {"x-amz-decoded-content-length": str(length), "Content-Encoding": "aws-chunked"}
    if trailer:
        headers["x-amz-trailer"] = trailer
    mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    return wire.sign("PUT", place, headers=headers | {"X-Amz-Content-SHA256": mode}, payload=mode)


def test_chunked_bodies_that_are_broken(wire, place):
    crc = b"x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")) + b"\r\n"
    whole = framed(BODY, crc)
    target, fields = streaming(wire, place, len(BODY))
    for body, code in (
        (framed(BODY, crc.replace(b"crc32:", b"crc32:A")), None),
        (framed(BODY), "InvalidArgument"),
        (framed(BODY[:-1], crc), "IncompleteBody"),
        (framed(BODY + b"x", crc), "IncompleteBody"),
        (whole[:-2], "IncompleteBody"),
        (whole[:10], "IncompleteBody"),
        (whole + b"x", "InvalidArgument"),
        (b"nonsense", None),
        (b"", "IncompleteBody"),
        (framed(BODY[::-1], crc), "BadDigest"),
    ):
        answer = wire.send("PUT", target, fields, body)
        assert answer.status == 400, (body, answer)
        assert code is None or answer.code == code, body
    without = bent(fields, x_amz_decoded_content_length=None)
    assert wire.send("PUT", target, without, whole).status == 400


@pytest.mark.parametrize("cut", [0, 1, 100, 50_000, 299_999])
def test_a_client_that_goes_away_in_the_middle(wire, place, cut):
    data = random.Random(cut).randbytes(300_000)
    target, fields = wire.sign("PUT", place, data)
    answer = wire.send("PUT", target, fields, data[:cut], hang_up=True, length=len(data))
    assert answer.status in {0, 400}


def test_a_body_over_the_limit_is_refused_before_it_is_sent(wire, place):
    target, fields = wire.sign(
        "PUT", place, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, payload="UNSIGNED-PAYLOAD"
    )
    answer = wire.send("PUT", target, fields | {"Expect": "100-continue"}, length=65 << 20)
    assert outcome(answer) == (413, "EntityTooLarge")


def test_who_may_not_write_is_told_before_the_body(wire, connect, new_key, bucket):
    key = new_key("read", bucket)
    target, fields = wire.sign(
        "PUT",
        f"/{bucket}/o",
        headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"},
        payload="UNSIGNED-PAYLOAD",
        credentials=Credentials(key.access_key_id, key.secret_access_key),
    )
    answer = wire.send("PUT", target, fields | {"Expect": "100-continue"}, length=1 << 20)
    assert outcome(answer) == (403, "AccessDenied")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "path", ["/%00", "/..%20..%20etc%20passwd", "//", "///x", "/%FF%FE/x", "/.", "/a/%FF", "/%3Ca%3E"]
)
def test_paths_that_try_something(wire, path):
    assert wire.ask("GET", path).status in {400, 404}


def test_keys_that_look_like_paths_stay_keys(wire, s3, bucket):
    name = "../../../../etc/passwd"
    answer = wire.ask("GET", f"/{bucket}/../../../../etc/passwd")
    assert outcome(answer) == (404, "NoSuchKey")
    assert wire.ask("PUT", f"/{bucket}/{name}", BODY).status == 200
    assert wire.ask("GET", f"/{bucket}/{name}").body == BODY
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [each["Key"] for each in listed] == [name]
    s3.delete_object(Bucket=bucket, Key=name, VersionId=listed[0]["VersionId"])


@pytest.mark.parametrize(
    "query",
    [
        "attributes",
        "torrent",
        "select&select-type=2",
        "restore",
        "legal-hold",
        "retention",
        "tagging&acl",
        "uploads&versions",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_operations_that_are_not_offered_do_nothing(wire, place, method, query):
    answer = wire.ask(method, f"{place}?{query}", BODY)
    assert answer.status in {400, 405, 501}


def test_methods_that_are_none(wire, place):
    for method in ("PATCH", "OPTIONS", "LOCK", "PROPFIND"):
        assert outcome(wire.ask(method, place)) == (405, "MethodNotAllowed")


def test_huge_and_many_headers(wire, place):
    assert wire.send("GET", place, {"Host": "h", "X-Big": "z" * 20_000}).status == 431
    assert wire.send("GET", place, {"Host": "h"} | {f"X-{n}": "y" for n in range(70)}).status == 431
    assert outcome(wire.ask("PUT", place, BODY, {"x-amz-meta-big": "z" * 3000})) == (400, "MetadataTooLarge")


@pytest.mark.parametrize(
    "query",
    [
        "max-keys=-1",
        "max-keys=x",
        "encoding-type=rot13",
        "list-type=2&continuation-token=%2A",
        "list-type=2&continuation-token=",
        "versions&version-id-marker=x",
        "prefix=%FF",
        "delimiter=%FF",
        "list-type=2&start-after=%FF",
    ],
)
def test_listings_with_nonsense(wire, bucket, query):
    assert outcome(wire.ask("GET", f"/{bucket}?{query}")) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"If-None-Match": '"an-etag"'}, (501, "NotImplemented")),
        ({"If-None-Match": "*", "If-Match": '"an-etag"'}, (501, "NotImplemented")),
        ({"If-Modified-Since": "Thu, 01 Dec 1994 16:00:00 GMT"}, (501, "NotImplemented")),
        ({"If-Unmodified-Since": "Thu, 01 Dec 2033 16:00:00 GMT"}, (501, "NotImplemented")),
        ({"x-amz-storage-class": "NOPE"}, (400, "InvalidStorageClass")),
        ({"x-amz-tagging": "a=1&a=2"}, (400, "InvalidArgument")),
        ({"x-amz-tagging": "&".join(f"k{n}=v" for n in range(11))}, (400, "BadRequest")),
        ({"x-amz-tagging": "aws%3Ax=1"}, (400, "InvalidTag")),
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, (400, "InvalidArgument")),
        ({"x-amz-expected-bucket-owner": "999999999999"}, (403, "AccessDenied")),
    ],
)
def test_what_a_write_cannot_mean_here_is_never_ignored(wire, place, headers, expected):
    assert outcome(wire.ask("PUT", place, BODY, headers)) == expected


def test_a_bucket_of_another_account_is_not_the_one_that_is_meant(wire, bucket):
    meant = {"x-amz-expected-bucket-owner": "000000000000"}
    assert wire.ask("HEAD", f"/{bucket}", headers=meant).status == 200
    assert wire.ask("HEAD", f"/{bucket}", headers={"x-amz-expected-bucket-owner": "111122223333"}).status == 403
    source = {"x-amz-copy-source": f"{bucket}/o", "x-amz-source-expected-bucket-owner": "x"}
    assert outcome(wire.ask("PUT", f"/{bucket}/copy", headers=source)) == (403, "AccessDenied")


def test_a_list_to_delete_needs_a_digest_and_a_bucket(wire, bucket):
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    for headers in ({}, {"x-amz-checksum-algorithm": "CRC32"}):
        assert outcome(wire.ask("POST", f"/{bucket}?delete", body, headers)) == (400, "InvalidRequest")
    digest = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    assert outcome(wire.ask("POST", "/never-made-bucket?delete", body, digest)) == (404, "NoSuchBucket")


def test_random_garbage_is_never_an_error_of_ours(wire, bucket):
    dice = random.Random(11)
    words = [
        "tagging",
        "uploads",
        "uploadId=x",
        "partNumber=0",
        "versionId=1.x",
        "versionId=%FF",
        "versions",
        "delete",
        "acl",
        "list-type=2",
        "max-keys=5",
        "policy",
        "response-content-type=%0d%0a",
        "x-id=Y",
        "%00",
        "=",
        "&&",
    ]
    headers = {
        "Range": "bytes=x",
        "If-Match": '"',
        "If-Modified-Since": "never",
        "x-amz-copy-source": "%ff",
        "x-amz-tagging": "%",
        "Content-Type": "\xe9",
        "x-amz-metadata-directive": "X",
        "x-amz-acl": "x",
        "x-amz-server-side-encryption": "?",
        "x-amz-checksum-algorithm": "?",
    }
    for _ in range(300):
        method = dice.choice(["GET", "HEAD", "PUT", "POST", "DELETE"])
        path = dice.choice([f"/{bucket}", f"/{bucket}/absent", "/nope-bucket/x", "/"])
        query = "&".join(dice.sample(words, dice.randrange(3)))
        chosen = {name: headers[name] for name in dice.sample(sorted(headers), dice.randrange(3))}
        if method == "PUT" and "/absent" in path:
            path = f"/{bucket}"  # a plain PUT of an object would be a good request
        answer = wire.ask(
            method,
            path + ("?" + query if query else ""),
            dice.randbytes(dice.randrange(20)) if method in ("PUT", "POST") else b"",
            chosen,
        )
        assert 200 <= answer.status < 500 or answer.status == 501, (method, path, query, chosen, answer)
