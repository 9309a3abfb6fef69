"""ListObjects (version 1) and ListObjectsV2: GET /BUCKET. Source: Amazon S3 API Reference; PROTOCOLS 2.1 and 2.6.

Held locks are listed as `.tflock` objects among the keys.
"""

from __future__ import annotations

from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import fields, listing
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.web import Response
from lockhouse.service import listings
from lockhouse.service.listings import Listing


async def list_objects_v1(call: Call) -> Response:
    encode, encoding = listing.key_encoding(call)
    marker = call.text("marker")
    limit = fields.read_number(call.request, "max-keys", listing.MAX_KEYS, 0, listing.MAX_KEYS)
    page = await _page(call, marker, limit)
    return listing.xml_response(
        "ListBucketResult",
        *_common(call, page, limit, encoding, encode),
        xml.field("Marker", encode(marker)),
        xml.field("NextMarker", encode(page.next)) if page.next else "",
        *_entries(page, encode, owner=True),
    )


async def list_objects_v2(call: Call) -> Response:
    encode, encoding = listing.key_encoding(call)
    token = call.request.parameter("continuation-token")
    start_after = call.text("start-after")
    limit = fields.read_number(call.request, "max-keys", listing.MAX_KEYS, 0, listing.MAX_KEYS)
    page = await _page(call, listing.read_token(token) if token is not None else start_after, limit)
    owner = call.request.parameter("fetch-owner") == "true"
    return listing.xml_response(
        "ListBucketResult",
        *_common(call, page, limit, encoding, encode),
        xml.field("KeyCount", len(page.entries)),
        xml.field("ContinuationToken", token) if token is not None else "",
        xml.field("StartAfter", encode(start_after)) if start_after else "",
        xml.field("NextContinuationToken", listing.write_token(page.next)) if page.next else "",
        *_entries(page, encode, owner=owner),
    )


async def _page(call: Call, after: str, limit: int) -> Listing:
    prefix, delimiter = call.text("prefix"), call.text("delimiter")
    return await call.house.read(
        lambda tx: listings.list_objects(
            tx, call.caller, call.bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit
        )
    )


def _common(call: Call, page: Listing, limit: int, encoding: str, encode: listing.Encode) -> tuple[str, ...]:
    delimiter = call.text("delimiter")
    return (
        xml.field("Name", call.bucket),
        xml.field("Prefix", encode(call.text("prefix"))),
        xml.field("Delimiter", encode(delimiter)) if delimiter else "",
        xml.field("MaxKeys", limit),
        encoding,
        xml.field("IsTruncated", bool(page.next)),
    )


def _entries(page: Listing, encode: listing.Encode, *, owner: bool) -> list[str]:
    objects = [listing.object_xml(each, encode, owner=owner) for each in page.entries if not isinstance(each, str)]
    return objects + [listing.prefix_xml(each, encode) for each in page.entries if isinstance(each, str)]
