"""Header fields and parameters of S3 requests, decoded: ranges, conditions, metadata, encryption, tags, paging.

Pure: text in, values of `service` and `core` out, or a problem. Sources: Amazon S3 API Reference, "Common request
headers" and each operation; RFC 9110 sections 13 and 14 for conditions and ranges.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate, parsedate
from functools import lru_cache
from urllib.parse import unquote_plus

from lockhouse.core.addresses import Address
from lockhouse.core.versions import Version, parse_version_id
from lockhouse.errors import EncryptionKeyInvalid, OperationUnsupported, RangeUnsatisfiable, RequestInvalid
from lockhouse.protocols.aws.payload import content_coding
from lockhouse.protocols.web import Headers, Request, unescape
from lockhouse.service.uploads import MAX_PARTS
from lockhouse.service.versions import UNCONDITIONAL, Conditions

MAX_METADATA_BYTES = 2 * 1024
MAX_TAGS = 10
STORED_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
)
"""Kept with an object and given back as they came; Content-Type and Content-Encoding have rules of their own."""
RESPONSE_OVERRIDES = (
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
)
_RANGE = re.compile(r"bytes=(\d{0,30})-(\d{0,30})", re.ASCII)
_SSE = "x-amz-server-side-encryption"
_SSEC = "x-amz-server-side-encryption-customer-"
_OWN, _SOURCE = "", "x-amz-copy-source-"
_CONDITIONS = {
    prefix: tuple(
        f"{prefix}{name}".encode() for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    )
    for prefix in (_OWN, _SOURCE)
}
_CUSTOMER_KEY = {
    prefix: tuple(
        f"{prefix}server-side-encryption-customer-{name}".encode() for name in ("algorithm", "key", "key-md5")
    )
    for prefix in ("x-amz-", _SOURCE)
}
_ENCRYPTION = (_SSE.encode(), f"{_SSE}-aws-kms-key-id".encode(), *_CUSTOMER_KEY["x-amz-"])
_STORED = (*(name.encode() for name in STORED_HEADERS), b"content-encoding")
_ORDINARY = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"amz-sdk-invocation-id",
        b"amz-sdk-request",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-md5",
        b"content-type",
        b"date",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"user-agent",
        b"x-amz-checksum-algorithm",
        b"x-amz-checksum-crc32",
        b"x-amz-checksum-sha256",
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-decoded-content-length",
        b"x-amz-sdk-checksum-algorithm",
        b"x-amz-security-token",
        b"x-amz-trailer",
        b"x-amz-user-agent",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
    }
)
"""Fields of which nothing below reads any."""
# A request has few of these fields, mostly none: whether it has any is asked at once (`isdisjoint`).
_OUR_SEALING = ((_SSE.encode(), b"AES256"),)
_FIELD_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_ACLS = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    }
)


_STORAGE_CLASSES = frozenset(
    {
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "OUTPOSTS",
        "GLACIER_IR",
        "SNOW",
        "EXPRESS_ONEZONE",
        "FSX_OPENZFS",
        "FSX_ONTAP",
    }
)
_NO_VERSION = "null"
"""S3's name of what was written before versions were kept. Nothing has it here: they always are."""


def http_date(at: float) -> bytes:
    """As RFC 9110 writes times: whole seconds, GMT."""
    return _http_date(int(at))


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode("ascii")


def iso_date(at: float) -> str:
    """As S3 writes times in XML: milliseconds, `Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"


def quoted(etag: str) -> str:
    return f'"{etag}"'


def etag_field(etag: str) -> tuple[bytes, bytes]:
    """The ETag header of these digits (without quotes)."""
    return b"etag", b'"%b"' % etag.encode("ascii")


def read_conditions(headers: Headers, prefix: str = "") -> Conditions:
    """If-Match and its kin; with `prefix` those of a copy's source (`x-amz-copy-source-`)."""
    if headers.first.keys().isdisjoint(_CONDITIONS[prefix]):
        return UNCONDITIONAL
    return Conditions(
        if_match=_etags(headers.get(prefix + "if-match")),
        if_none_match=_etags(headers.get(prefix + "if-none-match")),
        if_modified_since=_date(headers.get(prefix + "if-modified-since")),
        if_unmodified_since=_date(headers.get(prefix + "if-unmodified-since")),
    )


def read_write_conditions(headers: Headers) -> Conditions:
    """The conditions of a write, of which S3 has two: `If-Match` and `If-None-Match: *`, never both.

    Errors: OperationUnsupported for every other one, since a write that ignored it would overwrite what the client
    meant to keep."""
    conditions = read_conditions(headers)
    if conditions is UNCONDITIONAL:
        return conditions
    if conditions.if_none_match and (conditions.if_none_match != ("*",) or conditions.if_match):
        raise OperationUnsupported(
            "cannot write under this If-None-Match: it is *, and without If-Match",
            hint="send If-None-Match: * for what must be new, If-Match with the ETag for what must be unchanged",
        )
    for name in ("if-modified-since", "if-unmodified-since"):
        if name in headers:
            raise OperationUnsupported(
                f"cannot write under {name}: use If-Match with the ETag", hint="aws s3api head-object shows the ETag"
            )
    return conditions


def read_version_id(text: str) -> str:
    """A version id that a request names. Errors: RequestInvalid for none at all (a DELETE would then delete something
    else) and for what cannot be one."""
    if not text:
        raise RequestInvalid(
            "cannot use an empty version id: leave it out for the newest",
            hint="aws s3api list-object-versions shows them",
            argument="versionId",
        )
    if text != _NO_VERSION and parse_version_id(text) is None:
        raise RequestInvalid(
            f"cannot use version id {text[:40]!r}: it is none of this server",
            hint="aws s3api list-object-versions shows them",
            argument="versionId",
        )
    return text


def is_no_version(version_id: str) -> bool:
    """Whether a version id is one that nothing can have here."""
    return version_id == _NO_VERSION


def read_range(text: str | None, size: int) -> tuple[int, int] | None:
    """(first, end exclusive) of a body of `size` bytes, or None for the whole body.

    What is no range of one part is ignored, as S3 does. Errors: RangeUnsatisfiable (`range.unsatisfiable`) when no byte
    is in the range; that is so for every range of an empty body (PROTOCOLS 2.6: else Terraform asks for ever).
    """
    match = _RANGE.fullmatch(text) if text is not None else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        first, end = size - length, size
    else:
        first = int(match[1])
        end = min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < first:
            return None
    if first >= size or first >= end:
        raise RangeUnsatisfiable(
            f"the body has {size} bytes and {text} lies outside",
            hint=f"ask for bytes 0 to {max(size - 1, 0)}",
            size=size,
        )
    return first, end


def says_nothing_more(headers: Headers) -> bool:
    """Whether there is no field but those that every upload may have: then no function here finds anything in them."""
    return _ORDINARY.issuperset(headers.first)


def read_metadata(headers: Headers) -> dict[str, str]:
    """User metadata, without the prefix. Errors: RequestInvalid."""
    metadata: dict[str, str] = {}
    for name, value in headers.raw:
        if name.startswith(b"x-amz-meta-"):
            key = name[len(b"x-amz-meta-") :].decode("latin-1")
            text = value.decode("latin-1").strip()
            metadata[key] = f"{metadata[key]},{text}" if key in metadata else text
    if sum(len(key) + len(value) for key, value in metadata.items()) > MAX_METADATA_BYTES:
        raise RequestInvalid(
            f"cannot keep more than {MAX_METADATA_BYTES} bytes of metadata",
            hint="keep it in an object of its own",
            argument="metadata_size",
        )
    return metadata


def read_stored(headers: Headers) -> dict[str, str]:
    """System headers that are kept with the object."""
    if headers.first.keys().isdisjoint(_STORED):
        return {}
    stored = {name: value for name in STORED_HEADERS if (value := headers.get(name)) is not None}
    coding = content_coding(headers)
    if coding:
        stored["content-encoding"] = coding
    return stored


def read_encryption(headers: Headers) -> dict[str, str]:
    """Server-side encryption as asked for: `sse`, `kms_key_id`, `kms_context`, `bucket_key`, or `ssec_md5`.

    Errors: RequestInvalid, EncryptionKeyInvalid (`encryption.key`).
    """
    if headers.first.keys().isdisjoint(_ENCRYPTION):
        return {}
    customer = read_customer_key(headers)
    sse = headers.get(_SSE)
    if sse is None:
        if headers.get(_SSE + "-aws-kms-key-id") is not None:
            raise RequestInvalid(
                f"cannot use a KMS key without {_SSE}: aws:kms",
                hint=f"send {_SSE}: aws:kms, or leave the key out",
                argument=_SSE,
            )
        return {"ssec_md5": customer} if customer else {}
    if customer:
        raise RequestInvalid(
            "cannot use a customer key together with another server-side encryption",
            hint="leave one of the two out",
            argument=_SSE,
        )
    if sse not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise RequestInvalid(f"cannot use {_SSE}: {sse}", hint="use AES256 or aws:kms", argument=_SSE)
    found = {"sse": sse}
    for name, kept in (
        ("-aws-kms-key-id", "kms_key_id"),
        ("-context", "kms_context"),
        ("-bucket-key-enabled", "bucket_key"),
    ):
        value = headers.get(_SSE + name)
        if value is not None:
            if sse == "AES256":
                raise RequestInvalid(
                    f"cannot use {_SSE}{name} with AES256", hint="leave it out, or say aws:kms", argument=_SSE + name
                )
            found[kept] = value
    return found


def read_customer_key(headers: Headers, prefix: str = "x-amz-") -> str:
    """The MD5 (base64) of the customer key that came, checked against the key; empty when none came.

    The key itself is not kept: the body stays under our own sealing, and the digest decides who may read it.
    Errors: EncryptionKeyInvalid (`encryption.key`, reason `malformed`).
    """
    names = _CUSTOMER_KEY[prefix]
    if headers.first.keys().isdisjoint(names):
        return ""
    algorithm, key, digest = (headers.get(name.decode()) for name in names)
    if algorithm != "AES256" or key is None or digest is None:
        raise EncryptionKeyInvalid(
            "cannot use a customer key without its algorithm (AES256), key and MD5",
            hint="give all three, as an AWS SDK does: sse_customer_key in the backend block",
            reason="malformed",
        )
    try:
        raw = base64.b64decode(key, validate=True)
        stated = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        raw = stated = b""
    if len(raw) != 32 or not hmac.compare_digest(hashlib.md5(raw, usedforsecurity=False).digest(), stated):
        raise EncryptionKeyInvalid(
            "cannot use this customer key: it is 32 bytes in base64, with the MD5 of these bytes",
            hint="make one: openssl rand -base64 32",
            reason="malformed",
        )
    return digest


def check_customer_key(version: Version, sent: str) -> None:
    """Whether a reader has the key of a version. Errors: `encryption.key` (`missing`, `other`, `unused`)."""
    kept = version.encryption.get("ssec_md5", "")
    if kept and not sent:
        raise EncryptionKeyInvalid(
            "cannot read this object without its customer key: it was stored with one (SSE-C)",
            hint="give it: sse_customer_key in the backend block, or AWS_SSE_CUSTOMER_KEY",
            reason="missing",
        )
    if sent and not kept:
        raise EncryptionKeyInvalid(
            "cannot use a customer key here: the object was stored without",
            hint="leave sse_customer_key out",
            reason="unused",
        )
    if kept and not hmac.compare_digest(kept, sent):
        raise EncryptionKeyInvalid(
            "cannot read this object: it was stored with another customer key",
            hint="give the key with which it was written",
            reason="other",
        )


def check_same_key(encryption: Mapping[str, str], sent: str) -> None:
    """Whether a part comes with the customer key of its upload. Errors: EncryptionKeyInvalid."""
    if not hmac.compare_digest(encryption.get("ssec_md5", ""), sent):
        raise EncryptionKeyInvalid(
            "cannot take this part: the upload was begun with another customer key, or without",
            hint="give each part the key of create-multipart-upload",
            reason="missing",
        )


def encryption_headers(encryption: Mapping[str, str]) -> Sequence[tuple[bytes, bytes]]:
    """What an answer says of an object's encryption; an object without any is under our own sealing: AES256."""
    if not encryption:
        return _OUR_SEALING
    if "ssec_md5" in encryption:
        return [
            (f"{_SSEC}algorithm".encode(), b"AES256"),
            (f"{_SSEC}key-md5".encode(), encryption["ssec_md5"].encode("latin-1")),
        ]
    found = [(_SSE.encode(), encryption.get("sse", "AES256").encode("latin-1"))]
    if "kms_key_id" in encryption:
        found.append((f"{_SSE}-aws-kms-key-id".encode(), encryption["kms_key_id"].encode("latin-1")))
    if "bucket_key" in encryption:
        found.append((f"{_SSE}-bucket-key-enabled".encode(), encryption["bucket_key"].encode("latin-1")))
    return found


def check_acl(headers: Headers) -> None:
    """Any canned ACL is taken on an object and none has an effect: access is a matter of grants here."""
    acl = headers.get("x-amz-acl")
    if acl is not None and acl not in _ACLS:
        raise RequestInvalid(
            f"cannot use the ACL {acl!r}",
            hint="leave it out: who may do what is a matter of grants (lockhouse key grant)",
            argument="x-amz-acl",
        )
    for name in headers.first:
        if name.startswith(b"x-amz-object-lock-"):
            raise OperationUnsupported(
                "cannot lock an object for a time: versions are kept by retention here",
                hint="lockhouse retention set NAMESPACE --keep-versions 50 --keep-days 90",
            )


def check_storage_class(headers: Headers) -> None:
    """Any class of S3 is taken and none has an effect: every body is at hand at once. Errors: RequestInvalid."""
    name = headers.get("x-amz-storage-class")
    if name is not None and name not in _STORAGE_CLASSES:
        raise RequestInvalid(
            f"cannot use the storage class {name!r}",
            hint="leave it out: there is one kind of storage here",
            argument="storage_class",
        )


def read_tags(text: str | None) -> dict[str, str]:
    """The tags of x-amz-tagging (`a=b&c=d`, URL-encoded). Errors: RequestInvalid."""
    tags: dict[str, str] = {}
    for piece in (text or "").split("&"):
        if piece:
            name, _, value = (unquote_plus(word) for word in piece.partition("="))
            if not name or name in tags:
                raise RequestInvalid(
                    "cannot take these tags: each has a name of its own",
                    hint="write them as NAME=VALUE&NAME=VALUE",
                    argument="x-amz-tagging",
                )
            add_tag(tags, name, value, MAX_TAGS)
    return tags


def add_tag(tags: dict[str, str], name: str, value: str, limit: int) -> None:
    """Errors: RequestInvalid for a tag that S3 does not take."""
    if len(tags) >= limit:
        raise RequestInvalid(f"cannot take more than {limit} tags", hint="leave some out", argument="tag_count")
    if name in tags:
        raise RequestInvalid(f"cannot take the tag {name!r} twice", hint="leave one of the two out", argument="tag")
    if not 0 < len(name) <= 128 or len(value) > 256 or name.startswith("aws:"):
        raise RequestInvalid(
            "cannot take this tag: its key has 1 to 128 characters and does not start with aws:, its value up to 256",
            hint="shorten or rename it",
            argument="tag",
        )
    tags[name] = value


def read_copy_source(text: str) -> tuple[Address, str]:
    """(address, version id or empty) of x-amz-copy-source. Errors: RequestInvalid."""
    path, _, query = text.partition("?")
    source = unescape(path.encode("latin-1")).removeprefix("/")
    bucket, slash, key = source.partition("/")
    if not slash or not bucket or not key:
        raise RequestInvalid(
            "cannot read x-amz-copy-source: it is BUCKET/KEY",
            hint="encode it in percents: BUCKET/KEY?versionId=ID",
            argument="x-amz-copy-source",
        )
    name, _, version = query.partition("=")
    if query and name != "versionId":
        raise RequestInvalid(
            "cannot read x-amz-copy-source: it is BUCKET/KEY",
            hint="encode it in percents: BUCKET/KEY?versionId=ID",
            argument="x-amz-copy-source",
        )
    return Address(bucket, key), read_version_id(unescape(version.encode("latin-1"))) if query else ""


def read_number(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number from the query, capped at `high`. Errors: RequestInvalid."""
    text = request.parameter(name)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) < low:
        raise RequestInvalid(f"cannot use {name}={text}: a number from {low} on", hint=f"{name}={low}", argument=name)
    return min(int(text), high)


def read_part_number(text: str) -> int:
    """Errors: RequestInvalid."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5) or not 1 <= int(text) <= MAX_PARTS:
        raise RequestInvalid(
            f"cannot use part number {text[:10]!r}: 1 to {MAX_PARTS}",
            hint="cut the body into fewer, larger parts",
            argument="partNumber",
        )
    return int(text)


def field_text(text: str, argument: str) -> bytes:
    """A text that may stand in a header field. Errors: RequestInvalid."""
    if not _FIELD_TEXT.fullmatch(text):
        raise RequestInvalid(
            f"cannot send {argument}: it holds control characters", hint="leave them out", argument=argument
        )
    return text.encode("latin-1")


def _etags(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    found = (piece.strip().removeprefix("W/").strip('"') for piece in text.split(","))
    # A condition that names nothing is one that nothing meets, and never none: else it would overwrite or delete.
    return tuple(etag for etag in found if etag) or ("",)


def _date(text: str | None) -> float:
    """Seconds of an HTTP date; 0 for none and for what is no date (RFC 9110: then the condition is ignored)."""
    if text is None:
        return 0.0
    try:
        parsed = parsedate(text)
        return float(timegm(parsed)) if parsed is not None else 0.0
    except (ValueError, IndexError, OverflowError):
        return 0.0
