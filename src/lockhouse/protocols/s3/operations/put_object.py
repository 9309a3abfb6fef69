"""PutObject: PUT /BUCKET/KEY. A `.tflock` key takes the lock instead. Source: Amazon S3 API Reference, PutObject."""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import is_state_key, lockfile_target
from lockhouse.core.versions import Body
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.s3.operations.lock_objects import put_lock_object
from lockhouse.protocols.s3.representation import written_headers
from lockhouse.protocols.web import Response
from lockhouse.service.versions import Put

NO_BODY = Body(0, b"", b"")
"""Stands in a command until the body was taken in."""


async def put_object(call: Call) -> Response:
    if lockfile_target(call.key) is not None:
        return await put_lock_object(call)
    command = _read_command(call)
    chunks = call.body.chunks(limit=call.house.max_body)
    await call.house.admit_body(call.caller, call.address, call.request.body)
    intake = await call.house.take_in(chunks, call.body.announced, expect_state=is_state_key(call.key))
    body = intake.body
    checksums = call.body.prove(body.size, body.md5, body.sha256)
    written = await call.house.put_intake(call.caller, _with(command, checksums), intake)
    return Response(200, written_headers(written.version))


def _read_command(call: Call) -> Put:
    """What the head says of the object; its body is yet to come."""
    headers = call.request.headers
    kind = headers.get("content-type") or ""
    command = Put(address=call.address, body=NO_BODY, nonce=call.house.engine.nonce(), content_type=kind)
    if fields.says_nothing_more(headers):
        return command
    fields.check_acl(headers)
    fields.check_storage_class(headers)
    return msgspec.structs.replace(
        command,
        headers=fields.read_stored(headers),
        metadata=fields.read_metadata(headers),
        encryption=fields.read_encryption(headers),
        tags=fields.read_tags(headers.get("x-amz-tagging")),
        conditions=fields.read_write_conditions(headers),
    )


def _with(command: Put, checksums: dict[str, str]) -> Put:
    return msgspec.structs.replace(command, checksums=checksums) if checksums else command
