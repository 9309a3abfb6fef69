"""`.tflock` objects: the lock of a state as S3's lockfile clients see it. They are never stored.

PUT (with If-None-Match: *) takes the lock, GET and HEAD show its document, DELETE releases it. Source: Terraform's S3
backend, `use_lockfile`; PROTOCOLS 2.3 and 2.7; DESIGN "The lock: theory".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lockhouse.core.addresses import Address, lockfile_target
from lockhouse.core.locks import Facet
from lockhouse.core.ports import Reader
from lockhouse.errors import ConditionFailed, OperationUnsupported, StateNotFound, VersionNotFound
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.call import Call
from lockhouse.protocols.web import Response
from lockhouse.service import locks
from lockhouse.service.lock_documents import read_document
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.versions import Conditions

MAX_DOCUMENT_BYTES = 64 * 1024


async def put_lock_object(call: Call) -> Response:
    """Take the lock; held by another it answers PreconditionFailed, after waiting as the house is told to."""
    if fields.read_write_conditions(call.request.headers).if_match:
        raise OperationUnsupported(
            "cannot change a lock: a PUT takes it, with If-None-Match: * or without condition",
            hint="terraform force-unlock ID, or lockhouse lock list",
        )
    encryption = fields.read_encryption(call.request.headers)
    info = await call.body.whole(MAX_DOCUMENT_BYTES)
    etag = _etag(info)
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
    await call.house.locking.take(call.caller, command, call.request.disconnected)
    return Response(200, [fields.etag_field(etag), *fields.encryption_headers(encryption)])


async def get_lock_object(call: Call) -> Response:
    """The lock document. No customer key is asked for: whoever is refused must be able to read who holds the lock."""
    target = _target(call)
    shown = None if call.version_id else await call.house.locking.show(call.caller, target, Facet.LOCKFILE)
    if shown is None:
        if call.version_id:
            raise VersionNotFound(
                f"cannot find a version of {call.address.lock_id}: locks have none",
                hint=f"leave the version out; lockhouse lock show {call.address.words}",
            )
        raise StateNotFound(
            f"cannot find {call.address.lock_id}: nobody holds the lock",
            hint=f"lockhouse lock show {call.address.words}",
        )
    etag = _etag(shown)
    conditions = fields.read_conditions(call.request.headers)
    if conditions.if_match and not _named(conditions.if_match, etag):
        raise _changed(call.address)
    if conditions.if_none_match and _named(conditions.if_none_match, etag):
        return Response(304, [fields.etag_field(etag)])
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


async def release_lock_object(call: Call, key: str, version_id: str, conditions: Conditions) -> None:
    """Release the lock behind `key`; under If-Match only the lock whose document has this ETag. Nothing happens for a
    version: a lock has none."""
    target = lockfile_target(key)
    if target is None or version_id:
        return
    place, expected = Address(call.bucket, target), conditions.if_match
    command = Unlock(place, Facet.LOCKFILE)
    if not expected:
        await call.house.locking.release(call.caller, command)
        return
    found = False

    def kept(tx: Reader) -> bool:
        nonlocal found
        shown = locks.show(tx, call.caller, place, Facet.LOCKFILE)
        found = shown is not None
        return shown is not None and _named(expected, _etag(shown[1]))

    if await call.house.locking.release_held(call.caller, command, kept) is None:
        address = Address(call.bucket, key)
        raise (
            _changed(address)
            if found
            else StateNotFound(
                f"cannot find {address.lock_id}: nobody holds the lock", hint=f"lockhouse lock show {address.words}"
            )
        )


def refuse_lock_key(key: str) -> None:
    """Errors: OperationUnsupported for an operation that would store something under a lock's name."""
    if lockfile_target(key) is not None:
        raise OperationUnsupported(
            f"cannot do this with {key}: it is the lock of a state, which is not stored",
            hint="aws s3api get-object shows the lock; lockhouse lock list",
        )


def _etag(document: bytes) -> str:
    return hashlib.md5(document, usedforsecurity=False).hexdigest()


def _named(etags: Sequence[str], etag: str) -> bool:
    return "*" in etags or etag in etags


def _changed(address: Address) -> ConditionFailed:
    return ConditionFailed(f"cannot use {address.lock_id}: If-Match does not hold", when="match", condition="If-Match")


def _target(call: Call) -> Address:
    target = lockfile_target(call.key)
    assert target is not None, "the caller has looked"
    return Address(call.bucket, target)
