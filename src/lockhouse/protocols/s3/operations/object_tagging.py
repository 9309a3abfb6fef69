"""GetObjectTagging, PutObjectTagging, DeleteObjectTagging. Source: Amazon S3 API Reference."""

from __future__ import annotations

from lockhouse.core.versions import Version
from lockhouse.protocols.s3 import documents, fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.operations.lock_objects import refuse_lock_key
from lockhouse.protocols.s3.representation import marker_refused
from lockhouse.protocols.web import Response
from lockhouse.service import objects


async def get_object_tagging(call: Call) -> Response:
    refuse_lock_key(call.key)
    version = await _read(call)
    headers = [(b"content-type", b"application/xml"), *_version(version)]
    return Response(200, headers, documents.write_tag_set(version.tags))


async def put_object_tagging(call: Call) -> Response:
    refuse_lock_key(call.key)
    tags = documents.read_tag_set(await call.body.whole(documents.MAX_BYTES), fields.MAX_TAGS)
    return Response(200, _version(await _set(call, tags)))


async def delete_object_tagging(call: Call) -> Response:
    refuse_lock_key(call.key)
    return Response(204, _version(await _set(call, {})))


async def _read(call: Call) -> Version:
    version_id = call.version_id
    found = await call.house.read(lambda tx: objects.read(tx, call.caller, call.address, version_id, packed=False))
    if found.version.is_delete_marker:
        raise marker_refused(f"cannot read version {found.version.id} of {call.address.lock_id}", found.version)
    return found.version


async def _set(call: Call, tags: dict[str, str]) -> Version:
    version_id = call.version_id
    return await call.house.write(lambda tx: objects.set_tags(tx, call.caller, call.address, version_id, tags))


def _version(version: Version) -> list[tuple[bytes, bytes]]:
    return [(b"x-amz-version-id", version.id.encode("ascii"))]
