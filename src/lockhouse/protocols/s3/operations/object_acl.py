"""GetObjectAcl and PutObjectAcl: of a bucket whose owner owns everything. Source: Amazon S3 API Reference."""

from __future__ import annotations

from lockhouse.protocols.s3 import documents
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.operations.lock_objects import refuse_lock_key
from lockhouse.protocols.s3.representation import marker_refused
from lockhouse.protocols.web import Response
from lockhouse.service import objects


async def get_object_acl(call: Call) -> Response:
    """The same for every object that there is: access is a matter of grants."""
    refuse_lock_key(call.key)
    version_id = call.version_id
    found = await call.house.read(lambda tx: objects.read(tx, call.caller, call.address, version_id, packed=False))
    version = found.version
    if version.is_delete_marker:
        raise marker_refused(f"cannot read version {version.id} of {call.address.lock_id}", version)
    headers = [(b"content-type", b"application/xml"), (b"x-amz-version-id", version.id.encode("ascii"))]
    return Response(200, headers, documents.private_acl())


async def put_object_acl(call: Call) -> Response:
    """What says that the owner has full control is taken, and changes nothing; everything else would be a lie."""
    refuse_lock_key(call.key)
    version_id = call.version_id
    version = await call.house.read(
        lambda tx: objects.find_to_change(tx, call.caller, call.address, version_id, "set the ACL of")[1]
    )
    documents.check_acl(call.request.headers, await call.body.whole(documents.MAX_BYTES))
    return Response(200, [(b"x-amz-version-id", version.id.encode("ascii"))])
