"""Ranges, conditions, keys, encryption and tags as S3 clients write them."""

import base64
import hashlib

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.versions import Origin, Version
from lockhouse.errors import EncryptionKeyInvalid, OperationUnsupported, RangeUnsatisfiable, RequestInvalid
from lockhouse.protocols.s3 import fields
from lockhouse.service.versions import Conditions
from tests.unit.protocols.s3.requests import request

KEY = bytes(range(32))


def headers(**named):
    return request(**named).headers


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        (None, 10, None),
        ("bytes=0-4", 10, (0, 5)),
        ("bytes=5-", 10, (5, 10)),
        ("bytes=0-99999", 10, (0, 10)),
        ("bytes=0-99999999999999999999", 10, (0, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("bytes=9-9", 10, (9, 10)),
        ("bytes=-", 10, None),
        ("bytes=4-2", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("items=0-1", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=٣-", 10, None),
    ],
)
def test_ranges(text, size, expected):
    assert fields.read_range(text, size) == expected


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=99999999999999999999-", 10),
        ("bytes=10-20", 10),
        ("bytes=0-5242879", 0),
        ("bytes=0-", 0),
        ("bytes=-5", 0),
        ("bytes=-0", 10),
    ],
)
def test_a_range_without_a_byte_is_416_also_of_an_empty_object(text, size):
    with pytest.raises(RangeUnsatisfiable) as caught:
        fields.read_range(text, size)
    assert caught.value.details["size"] == size


def test_conditions():
    found = fields.read_conditions(
        headers(
            if_match='"abc", W/"def"',
            if_none_match="*",
            if_modified_since="Sun, 22 Nov 2026 10:00:00 GMT",
            if_unmodified_since="nonsense",
        )
    )
    assert found == Conditions(("abc", "def"), ("*",), 1795341600.0, 0.0)


@pytest.mark.parametrize("text", ["", '""', " , ", 'W/""', '"",""'])
def test_a_condition_that_names_nothing_is_met_by_nothing_and_is_never_none(text):
    assert fields.read_conditions(headers(if_match=text)).if_match == ("",)
    assert fields.read_write_conditions(headers(if_match=text)).if_match == ("",)
    assert fields.read_conditions(headers(if_none_match=text)).if_none_match == ("",)
    with pytest.raises(OperationUnsupported):
        fields.read_write_conditions(headers(if_none_match=text))
    assert fields.read_conditions(headers(if_match='"a", ,""')).if_match == ("a",)


def test_a_write_has_two_conditions_and_never_both():
    assert fields.read_write_conditions(headers()) == Conditions()
    assert fields.read_write_conditions(headers(if_none_match="*")).if_none_match == ("*",)
    assert fields.read_write_conditions(headers(if_match='"a"')).if_match == ("a",)
    for refused in (
        {"if_none_match": '"a"'},
        {"if_none_match": "*", "if_match": '"a"'},
        {"if_modified_since": "Sun, 22 Nov 2026 10:00:00 GMT"},
        {"if_unmodified_since": "nonsense"},
    ):
        with pytest.raises(OperationUnsupported):
            fields.read_write_conditions(headers(**refused))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bucket/key", (Address("bucket", "key"), "")),
        ("/bucket/a%2Fb%20c%2Bd", (Address("bucket", "a/b c+d"), "")),
        ("bucket//x", (Address("bucket", "/x"), "")),
        ("bucket/key?versionId=1.abc", (Address("bucket", "key"), "1.abc")),
        ("bucket/why%3Fnot", (Address("bucket", "why?not"), "")),
    ],
)
def test_copy_sources(text, expected):
    assert fields.read_copy_source(text) == expected


@pytest.mark.parametrize("text", ["", "bucket", "bucket/", "/", "bucket/key?x=y"])
def test_what_is_no_copy_source_is_refused(text):
    with pytest.raises(RequestInvalid):
        fields.read_copy_source(text)


def customer_key(key=KEY, digest=None, algorithm="AES256"):
    digest = base64.b64encode(hashlib.md5(key).digest()).decode() if digest is None else digest
    return {
        "x_amz_server_side_encryption_customer_algorithm": algorithm,
        "x_amz_server_side_encryption_customer_key": base64.b64encode(key).decode(),
        "x_amz_server_side_encryption_customer_key_md5": digest,
    }


def test_a_customer_key_is_known_by_its_digest_only():
    found = fields.read_encryption(headers(**customer_key()))
    assert found == {"ssec_md5": base64.b64encode(hashlib.md5(KEY).digest()).decode()}
    assert base64.b64encode(KEY).decode() not in str(found)


@pytest.mark.parametrize(
    "named",
    [
        customer_key(digest="AAAA"),
        customer_key(b"short"),
        customer_key(b"k" * 33),
        customer_key(algorithm="AES128"),
        customer_key() | {"x_amz_server_side_encryption_customer_key": base64.b64encode(KEY).decode() + "!"},
        *({name: value for name, value in customer_key().items() if name != left_out} for left_out in customer_key()),
        {"x_amz_server_side_encryption_customer_key": "x"},
    ],
)
def test_a_customer_key_that_cannot_be_one_is_refused(named):
    with pytest.raises(EncryptionKeyInvalid):
        fields.read_encryption(headers(**named))


def test_who_may_read_an_encrypted_object():
    digest = fields.read_customer_key(headers(**customer_key()))
    plain = Version(1, "n", 0.0, Origin())
    sealed = Version(1, "n", 0.0, Origin(), encryption={"ssec_md5": digest})
    fields.check_customer_key(plain, "")
    fields.check_customer_key(sealed, digest)
    for version, sent, reason in (
        (sealed, "", "missing"),
        (sealed, "x" + digest[1:], "other"),
        (plain, digest, "unused"),
    ):
        with pytest.raises(EncryptionKeyInvalid) as caught:
            fields.check_customer_key(version, sent)
        assert caught.value.details["reason"] == reason


def test_kms_as_terraform_sends_it():
    found = fields.read_encryption(
        headers(x_amz_server_side_encryption="aws:kms", x_amz_server_side_encryption_aws_kms_key_id="arn:k")
    )
    assert found == {"sse": "aws:kms", "kms_key_id": "arn:k"}
    with pytest.raises(RequestInvalid):
        fields.read_encryption(headers(x_amz_server_side_encryption="rot13"))


SSE = "x_amz_server_side_encryption"


def test_what_was_asked_of_the_encryption_is_kept_and_said_again():
    def said(**named):
        found = fields.encryption_headers(fields.read_encryption(headers(**named)))
        return {name.decode().removeprefix("x-amz-server-side-encryption"): value.decode() for name, value in found}

    assert said() == said(**{SSE: "AES256"}) == {"": "AES256"}
    kms = {SSE: "aws:kms", f"{SSE}_aws_kms_key_id": "arn:k", f"{SSE}_bucket_key_enabled": "true"}
    assert said(**kms) == {"": "aws:kms", "-aws-kms-key-id": "arn:k", "-bucket-key-enabled": "true"}
    assert fields.read_encryption(headers(**kms, **{f"{SSE}_context": "e30="}))["kms_context"] == "e30="
    assert said(**{SSE: "aws:kms:dsse"}) == {"": "aws:kms:dsse"}
    digest = customer_key()["x_amz_server_side_encryption_customer_key_md5"]
    assert said(**customer_key()) == {"-customer-algorithm": "AES256", "-customer-key-md5": digest}


@pytest.mark.parametrize(
    "named",
    [
        {f"{SSE}_aws_kms_key_id": "arn:k"},
        {SSE: "AES256", f"{SSE}_aws_kms_key_id": "arn:k"},
        {SSE: "AES256", f"{SSE}_context": "e30="},
        {SSE: "AES256", f"{SSE}_bucket_key_enabled": "true"},
        customer_key() | {SSE: "AES256"},
    ],
)
def test_encryptions_that_cannot_be_meant_together_are_refused(named):
    with pytest.raises(RequestInvalid):
        fields.read_encryption(headers(**named))


def test_a_part_comes_with_the_customer_key_of_its_upload():
    digest = fields.read_customer_key(headers(**customer_key()))
    fields.check_same_key({"ssec_md5": digest}, digest)
    fields.check_same_key({}, "")
    for begun, sent in (({"ssec_md5": digest}, ""), ({}, digest), ({"ssec_md5": digest}, "x" + digest[1:])):
        with pytest.raises(EncryptionKeyInvalid):
            fields.check_same_key(begun, sent)


def test_a_tag_has_up_to_128_and_256_characters_and_an_object_up_to_ten_tags():
    longest = fields.read_tags("n" * 128 + "=" + "v" * 256)
    assert longest == {"n" * 128: "v" * 256}
    assert len(fields.read_tags("&".join(f"k{n}=v" for n in range(10)))) == 10
    for text in ("n" * 129 + "=v", "n=" + "v" * 257, "aws:x=1", "&".join(f"k{n}=v" for n in range(11))):
        with pytest.raises(RequestInvalid):
            fields.read_tags(text)


def test_system_headers_are_kept_as_they_came():
    kept = {name: f"value of {name}" for name in (*fields.STORED_HEADERS, "content-encoding")}
    assert fields.read_stored(headers(**{name.replace("-", "_"): value for name, value in kept.items()})) == kept
    for name, value in kept.items():
        assert fields.read_stored(headers(**{name.replace("-", "_"): value})) == {name: value}
    assert fields.read_stored(headers(content_encoding="aws-chunked", x="y")) == {}


@pytest.mark.parametrize(("text", "number"), [("1", 1), (" 7 ", 7), ("10000", 10000)])
def test_a_part_number_is_from_1_to_10000(text, number):
    assert fields.read_part_number(text) == number
    for other in ("0", "10001", "-1", "+1", "1.0", "", "٣", "000001"):
        with pytest.raises(RequestInvalid):
            fields.read_part_number(other)


@pytest.mark.parametrize(("text", "number"), [("", 50), ("1", 1), ("1000", 1000), ("9999999999", 1000)])
def test_a_number_has_a_default_and_is_capped(text, number):
    assert fields.read_number(request(query=b"max-keys=" + text.encode()), "max-keys", 50, 1, 1000) == number
    assert fields.read_number(request(), "max-keys", 50, 1, 1000) == 50
    with pytest.raises(RequestInvalid):
        fields.read_number(request(query=b"max-keys=0"), "max-keys", 50, 1, 1000)


def test_tags_are_url_encoded_and_bounded():
    assert fields.read_tags("a=b%20c&d=&e+f=g") == {"a": "b c", "d": "", "e f": "g"}
    for text in ("a=1&a=2", "=x", "&".join(f"k{n}=v" for n in range(11)), "k=" + "v" * 257):
        with pytest.raises(RequestInvalid):
            fields.read_tags(text)


def test_metadata_is_kept_without_its_prefix_and_bounded():
    assert fields.read_metadata(headers(x_amz_meta_a="1", x_amz_meta_b_c=" 2 ")) == {"a": "1", "b-c": "2"}
    assert len(fields.read_metadata(headers(x_amz_meta_a="x" * 2047))["a"]) == 2047
    with pytest.raises(RequestInvalid):
        fields.read_metadata(headers(x_amz_meta_a="x" * 2048))


def test_times_as_s3_writes_them():
    assert fields.iso_date(1795341600.5) == "2026-11-22T10:00:00.500Z"
    assert fields.http_date(1795341600.5) == b"Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "٣", "99999999999"])
def test_numbers_that_are_none_are_refused(text):
    with pytest.raises(RequestInvalid):
        fields.read_number(request(query=b"max-keys=" + text.encode()), "max-keys", 1000, 0, 1000)


def test_header_fields_cannot_be_split_by_a_parameter():
    with pytest.raises(RequestInvalid):
        fields.field_text("text/plain\r\nset-cookie: x", "response-content-type")
