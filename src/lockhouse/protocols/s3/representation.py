"""How an object is described in the headers of GET, HEAD and PUT answers. Pure."""

from __future__ import annotations

from lockhouse.core.versions import Version
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


def written_headers(version: Version) -> list[tuple[bytes, bytes]]:
    """The headers of an answer to a write."""
    return [
        fields.etag_field(version.etag),
        (b"x-amz-version-id", version.id.encode("ascii")),
        *fields.encryption_headers(version.encryption),
        *checksum_headers(version),
    ]


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
