"""`.tflock` objects: the lock of a state as S3's lockfile clients see it. They are never stored.

PUT (with If-None-Match: *) takes the lock, GET and HEAD show its document, DELETE releases it. Source: Terraform's S3
backend, `use_lockfile`; PROTOCOLS 2.3 and 2.7; DESIGN "The lock: theory".
"""

from __future__ import annotations

import hashlib

from lockhouse.core.addresses import Address, lockfile_target
from lockhouse.core.locks import Facet
from lockhouse.errors import OperationUnsupported, StateNotFound, VersionNotFound
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.web import Response
from lockhouse.service.lock_documents import read_document
from lockhouse.service.locks import TakeLock, Unlock

MAX_DOCUMENT_BYTES = 64 * 1024


async def put_lock_object(call: Call) -> Response:
    """Take the lock; held by another it answers PreconditionFailed, after waiting as the house is told to."""
    encryption = fields.read_encryption(call.request.headers)
    info = await call.body.whole(MAX_DOCUMENT_BYTES)
    etag = hashlib.md5(info, usedforsecurity=False).hexdigest()
    document = read_document(info)
    command = TakeLock(
        address=_target(call),
        facet=Facet.LOCKFILE,
        info=info,
        # People lock with texts of their own: then the text itself is what tells one lock from another.
        id=document.id or etag,
        # Nothing at all tells nobody from nobody else: then only the same request again is the same lock.
        rejoin=bool(info),
        document=document,
    )
    await call.house.take_lock(call.caller, command, call.request.disconnected)
    return Response(200, [fields.etag_field(etag), *fields.encryption_headers(encryption)])


async def get_lock_object(call: Call) -> Response:
    """The lock document. No customer key is asked for: whoever is refused must be able to read who holds the lock."""
    target = _target(call)
    shown = None if call.version_id else await call.house.show_lock(call.caller, target, Facet.LOCKFILE)
    if shown is None:
        if call.version_id:
            raise VersionNotFound(f"cannot find a version of {call.address.lock_id}: locks have none")
        raise StateNotFound(f"cannot find {call.address.lock_id}: nobody holds the lock")
    etag = hashlib.md5(shown, usedforsecurity=False).hexdigest()
    headers = [
        fields.etag_field(etag),
        (b"last-modified", fields.http_date(call.caller.now)),
        (b"content-type", b"application/json"),
        (b"accept-ranges", b"bytes"),
    ]
    part = fields.read_range(call.request.headers.get("range"), len(shown))
    status = 200
    if part is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (part[0], part[1] - 1, len(shown))))
        shown, status = shown[part[0] : part[1]], 206
    if call.request.method == "HEAD":
        return Response(status, headers, head_length=len(shown))
    return Response(status, headers, shown)


async def release_lock_object(call: Call, key: str, version_id: str) -> None:
    """Release the lock behind `key`. Nothing happens for a version: a lock has none."""
    target = lockfile_target(key)
    if target is not None and not version_id:
        await call.house.release_lock(call.caller, Unlock(Address(call.bucket, target), Facet.LOCKFILE))


def refuse_lock_key(key: str) -> None:
    """Errors: OperationUnsupported for an operation that would store something under a lock's name."""
    if lockfile_target(key) is not None:
        raise OperationUnsupported(f"cannot do this with {key}: it is the lock of a state, which is not stored")


def _target(call: Call) -> Address:
    target = lockfile_target(call.key)
    assert target is not None, "the caller has looked"
    return Address(call.bucket, target)
