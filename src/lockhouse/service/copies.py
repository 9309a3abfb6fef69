"""Copies: a version, or a part of one, that shares the body of another version.

The bytes of a body go once nothing refers to them any more (`storage.blobs.sweep`), so a copy is made only if the
version that it shares them with is still there, in the transaction that makes it: until that commits, nobody can remove
the other one. Source: Amazon S3 API Reference, CopyObject and UploadPartCopy.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Transaction
from lockhouse.core.records import Part
from lockhouse.core.versions import Body, Version
from lockhouse.errors import StorageUnavailable
from lockhouse.service import objects, uploads
from lockhouse.service.callers import Caller
from lockhouse.service.versions import Put, Refused, Written


class Source(msgspec.Struct, frozen=True):
    """What is copied, as it was read before."""

    address: Address
    version: Version


def put(tx: Transaction, caller: Caller, command: Put, source: Source) -> Written | Refused:
    """Write a version with the body of another. Errors as `objects.put`; `storage.unavailable` where the other one is
    not there any more."""
    _require_kept(tx, source, command.body, command.address)
    return objects.put(tx, caller, command)


def put_part(tx: Transaction, caller: Caller, address: Address, upload_id: str, part: Part, source: Source) -> None:
    """Keep a part with the body of a version. Errors as `uploads.put_part`; `storage.unavailable` where that version is
    not there any more."""
    _require_kept(tx, source, part.body, address)
    uploads.put_part(tx, caller, address, upload_id, part)


def _require_kept(tx: Transaction, source: Source, body: Body, target: Address) -> None:
    kept = source.version.body
    assert kept is not None
    if not body.blob or body.blob != kept.blob:
        return  # bytes of its own
    for address in sorted({source.address, target}):  # in one order: two copies never wait for each other
        tx.state(address)
    state = tx.state(source.address)
    found = tx.version(state, source.version.seq, packed=False) if state is not None else None
    if found is None or found.id != source.version.id or found.body is None or found.body.blob != body.blob:
        raise StorageUnavailable(
            f"cannot copy version {source.version.id} of {source.address.lock_id}: it was removed or kept otherwise in "
            "the same moment",
            hint="send the same request again",
        )
