"""What S3's listings have in common: the XML of an object, a version, a common prefix; url encoding; paging tokens."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from urllib.parse import quote

from lockhouse.core.versions import Version
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.web import Response
from lockhouse.service.listings import Entry

OWNER_ID = "6c6f636b686f7573656c6f636b686f7573656c6f636b686f7573656c6f636b68"
OWNER = xml.element("Owner", xml.field("ID", OWNER_ID), xml.field("DisplayName", "lockhouse"))
"""Everything belongs to the house: who wrote a version is in the history, not in S3's idea of an owner."""
MAX_KEYS = 1000

Encode = Callable[[str], str]


def xml_response(root: str, *inner: str) -> Response:
    return Response(200, [(b"content-type", b"application/xml")], xml.document(root, *inner))


def key_encoding(call: Call) -> tuple[Encode, str]:
    """(how keys are written, the EncodingType element). Errors: RequestInvalid."""
    kind = call.request.parameter("encoding-type")
    if kind is None or kind == "":
        return _as_is, ""
    if kind != "url":
        raise RequestInvalid(
            f"cannot use the encoding-type {kind[:20]!r}: it is url",
            hint="encoding-type=url, or leave it out",
            argument="encoding-type",
        )
    return _url, xml.field("EncodingType", "url")


def object_xml(entry: Entry, encode: Encode, *, owner: bool) -> str:
    """Contents: an object, or a held lock shown as one."""
    version = entry.version
    at, etag, size = (
        (entry.lock_at, entry.lock_md5, entry.lock_size)
        if version is None
        else (version.at, version.etag, version.size)
    )
    return xml.element(
        "Contents",
        xml.field("Key", encode(entry.key)),
        xml.field("LastModified", fields.iso_date(at)),
        xml.field("ETag", fields.quoted(etag)),
        _checksum_kinds(version),
        xml.field("Size", size),
        OWNER if owner else "",
        xml.field("StorageClass", "STANDARD"),
    )


def version_xml(key: str, version: Version, encode: Encode, *, is_latest: bool) -> str:
    """Version or DeleteMarker."""
    common = (
        xml.field("Key", encode(key)),
        xml.field("VersionId", version.id),
        xml.field("IsLatest", is_latest),
        xml.field("LastModified", fields.iso_date(version.at)),
    )
    if version.is_delete_marker:
        return xml.element("DeleteMarker", *common, OWNER)
    return xml.element(
        "Version",
        *common,
        xml.field("ETag", fields.quoted(version.etag)),
        _checksum_kinds(version),
        xml.field("Size", version.size),
        OWNER,
        xml.field("StorageClass", "STANDARD"),
    )


def prefix_xml(prefix: str, encode: Encode) -> str:
    return xml.element("CommonPrefixes", xml.field("Prefix", encode(prefix)))


def write_token(position: str) -> str:
    """An opaque continuation token."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def read_token(token: str) -> str:
    """Errors: RequestInvalid for a token that we did not make."""
    if not token:
        raise RequestInvalid(
            "cannot use an empty continuation token",
            hint="leave it out to begin at the start",
            argument="continuation-token",
        )
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise RequestInvalid(
            "cannot use this continuation token",
            hint="list again from the start, and send back the NextContinuationToken that comes",
            argument="continuation-token",
        ) from None


def _checksum_kinds(version: Version | None) -> str:
    if version is None:
        return ""
    return "".join(xml.field("ChecksumAlgorithm", name.upper()) for name in version.checksums if name != "type")


def _as_is(text: str) -> str:
    return text


def _url(text: str) -> str:
    return quote(text, safe="/")
