"""ListObjectVersions: GET /BUCKET?versions. Source: Amazon S3 API Reference, ListObjectVersions."""

from __future__ import annotations

from lockhouse.core.versions import parse_version_id
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import fields, listing
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.web import Response
from lockhouse.service import listings


async def list_versions(call: Call) -> Response:
    encode, encoding = listing.key_encoding(call)
    prefix, delimiter = call.text("prefix"), call.text("delimiter")
    key_marker, version_marker = call.text("key-marker"), call.text("version-id-marker")
    limit = fields.read_number(call.request, "max-keys", listing.MAX_KEYS, 0, listing.MAX_KEYS)
    after_seq = _seq(key_marker, version_marker)
    page = await call.house.read(
        lambda tx: listings.list_versions(
            tx,
            call.caller,
            call.bucket,
            prefix=prefix,
            delimiter=delimiter,
            after_key=key_marker,
            after_seq=after_seq,
            limit=limit,
        )
    )
    more = bool(page.next_key)
    return listing.xml_response(
        "ListVersionsResult",
        xml.field("Name", call.bucket),
        xml.field("Prefix", encode(prefix)),
        xml.field("Delimiter", encode(delimiter)) if delimiter else "",
        xml.field("KeyMarker", encode(key_marker)),
        xml.field("VersionIdMarker", version_marker),
        xml.field("MaxKeys", limit),
        encoding,
        xml.field("IsTruncated", more),
        xml.field("NextKeyMarker", encode(page.next_key)) if more else "",
        xml.field("NextVersionIdMarker", page.next_version) if page.next_version else "",
        *(
            listing.version_xml(each[0], each[1], encode, is_latest=each[2])
            for each in page.entries
            if not isinstance(each, str)
        ),
        *(listing.prefix_xml(each, encode) for each in page.entries if isinstance(each, str)),
    )


def _seq(key_marker: str, version_marker: str) -> int:
    if not version_marker:
        return 0
    parsed = parse_version_id(version_marker)
    if parsed is None or not key_marker:
        raise RequestInvalid(
            "cannot go on from this version: name its key too",
            hint="send key-marker with it",
            argument="version-id-marker",
        )
    return parsed[0]
