"""How an object is described in the headers of GET, HEAD and PUT answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lockhouse.core.versions import Version
from lockhouse.errors import MethodNotAllowed
from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import fields

_RANGES = (b"accept-ranges", b"bytes")
CHECKSUM_TYPE = "type"
"""Beside the checksums of a version: `COMPOSITE` after a multipart upload, else absent."""


def object_headers(version: Version, *, checksums: bool = False) -> list[tuple[bytes, bytes]]:
    """Every header that describes a version."""
    headers = [
        fields.etag_field(version.etag),
        (b"last-modified", fields.http_date(version.at)),
        (b"content-type", (version.content_type or "binary/octet-stream").encode("latin-1")),
        _RANGES,
        (b"x-amz-version-id", version.id.encode("ascii")),
    ]
    for name, value in version.headers.items():
        headers.append((name.encode("ascii"), value.encode("latin-1")))
    for name, value in version.metadata.items():
        headers.append((b"x-amz-meta-" + name.encode("latin-1"), value.encode("latin-1")))
    headers += fields.encryption_headers(version.encryption)
    if version.tags:
        headers.append((b"x-amz-tagging-count", b"%d" % len(version.tags)))
    if checksums:
        headers += checksum_headers(version)
    return headers


def marker_refused(what: str, marker: Version) -> MethodNotAllowed:
    """The refusal of a request that names a delete marker by its version id: it can only be deleted."""
    return MethodNotAllowed(f"{what}: it is a delete marker", allow="DELETE", version_id=marker.id, at=int(marker.at))


def written_headers(version: Version) -> list[tuple[bytes, bytes]]:
    """The headers of an answer to a write."""
    return [
        fields.etag_field(version.etag),
        (b"x-amz-version-id", version.id.encode("ascii")),
        *fields.encryption_headers(version.encryption),
        *checksum_headers(version),
    ]


def checksum_xml(checksums: Mapping[str, str]) -> str:
    """The same as elements of a result document."""
    found = "".join(
        xml.field(checksum_element(algorithm), value)
        for algorithm, value in checksums.items()
        if algorithm != CHECKSUM_TYPE
    )
    return found + xml.field("ChecksumType", checksums.get(CHECKSUM_TYPE, "FULL_OBJECT")) if found else ""


def checksum_element(algorithm: str) -> str:
    return f"Checksum{algorithm.upper()}"


def checksum_headers(version: Version) -> list[tuple[bytes, bytes]]:
    """The checksums that came with the body and were verified, and their type."""
    found = [
        (f"x-amz-checksum-{algorithm}".encode("ascii"), value.encode("ascii"))
        for algorithm, value in version.checksums.items()
        if algorithm != CHECKSUM_TYPE
    ]
    if found:
        found.append((b"x-amz-checksum-type", version.checksums.get(CHECKSUM_TYPE, "FULL_OBJECT").encode("ascii")))
    return found
