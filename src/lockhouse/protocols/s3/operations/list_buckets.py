"""ListBuckets: GET /. Source: Amazon S3 API Reference, ListBuckets."""

from __future__ import annotations

from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.listing import OWNER, xml_response
from lockhouse.protocols.web import Response
from lockhouse.service import namespaces


async def list_buckets(call: Call) -> Response:
    prefix = call.text("prefix")
    limit = fields.read_number(call.request, "max-buckets", 10_000, 1, 10_000)
    after = call.text("continuation-token")
    found = await call.house.read(lambda tx: namespaces.list_all(tx, call.caller, after, limit + 1))
    more = len(found) > limit
    page = [each for each in found[:limit] if each.name.startswith(prefix)]
    return xml_response(
        "ListAllMyBucketsResult",
        OWNER,
        xml.element(
            "Buckets",
            *(
                xml.element(
                    "Bucket",
                    xml.field("Name", each.name),
                    xml.field("CreationDate", fields.iso_date(each.at)),
                    xml.field("BucketRegion", each.region or call.region),
                )
                for each in page
            ),
        ),
        xml.field("ContinuationToken", found[limit - 1].name) if more else "",
        xml.field("Prefix", prefix) if prefix else "",
    )
