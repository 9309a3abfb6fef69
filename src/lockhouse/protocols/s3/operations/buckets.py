"""CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation. Source: Amazon S3 API Reference; PROTOCOLS 2.9."""

from __future__ import annotations

from lockhouse.errors import OperationUnsupported
from lockhouse.protocols.aws import xml
from lockhouse.protocols.s3 import documents, listing
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.web import Response
from lockhouse.service import namespaces

_DEFAULT_REGION = "us-east-1"


async def create_bucket(call: Call) -> Response:
    """PUT /BUCKET, with the region in a CreateBucketConfiguration outside us-east-1."""
    documents.check_bucket_acl(call.request.headers, made=True)
    if (call.request.headers.get("x-amz-bucket-object-lock-enabled") or "").lower() == "true":
        raise OperationUnsupported(
            "cannot lock objects for a time: versions are kept by retention here",
            hint="lockhouse retention set NAMESPACE --keep-versions 50 --keep-days 90",
        )
    raw = await call.body.whole(documents.MAX_BYTES)
    region = ""
    if raw:
        region = documents.read_location(raw)
    region = region or call.signed_region
    required = call.house.require_lock
    await call.house.write(lambda tx: namespaces.create(tx, call.caller, call.bucket, region, require_lock=required))
    return Response(200, [(b"location", b"/" + call.bucket.encode("ascii"))])


async def head_bucket(call: Call) -> Response:
    namespace = await call.house.read(lambda tx: namespaces.get(tx, call.caller, call.bucket))
    return Response(200, [(b"x-amz-bucket-region", (namespace.region or call.region).encode("latin-1"))])


async def delete_bucket(call: Call) -> Response:
    """Refused while a version, a delete marker, a lock or an unfinished upload is left, as AWS does."""
    await call.house.write(lambda tx: namespaces.delete(tx, call.caller, call.bucket))
    return Response(204)


async def bucket_location(call: Call) -> Response:
    """The region, empty for us-east-1."""
    namespace = await call.house.read(lambda tx: namespaces.get(tx, call.caller, call.bucket))
    region = namespace.region or call.region
    return listing.xml_response("LocationConstraint", xml.escape("" if region == _DEFAULT_REGION else region))
