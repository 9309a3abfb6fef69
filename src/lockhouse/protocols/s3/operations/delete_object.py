"""DeleteObject: a delete marker, or the end of one version. Source: Amazon S3 API Reference, DeleteObject.

A version that is not there any more is deleted, as S3 has it: a repetition after a lost answer is a success.
"""

from __future__ import annotations

from lockhouse.core.addresses import Address, lockfile_target
from lockhouse.core.versions import parse_version_id
from lockhouse.errors import VersionNotFound
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.operations.lock_objects import release_lock_object
from lockhouse.protocols.web import Response
from lockhouse.service import objects
from lockhouse.service.objects import Deleted
from lockhouse.service.versions import Conditions


async def delete_object(call: Call) -> Response:
    """204 whether or not there was anything."""
    conditions = fields.read_conditions(call.request.headers)
    deleted = await delete_key(call, call.key, call.version_id, conditions)
    headers = []
    if deleted is not None:
        headers.append((b"x-amz-version-id", deleted.version_id.encode("ascii")))
        if deleted.marker:
            headers.append((b"x-amz-delete-marker", b"true"))
    return Response(204, headers)


async def delete_key(call: Call, key: str, version_id: str, conditions: Conditions) -> Deleted | None:
    """Delete one key, or release the lock that it names."""
    if lockfile_target(key) is not None:
        await release_lock_object(call, key, version_id, conditions)
        return None
    address, nonce = Address(call.bucket, key), call.house.engine.nonce()
    try:
        return await call.house.write(
            lambda tx: objects.delete(tx, call.caller, address, nonce, version_id, conditions)
        )
    except VersionNotFound:
        if parse_version_id(version_id) is None and not fields.is_no_version(version_id):
            raise
        return Deleted(version_id, marker=False)
