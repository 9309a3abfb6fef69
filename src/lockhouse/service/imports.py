"""Imports: versions that were written elsewhere, one after the other, with the times at which they were written there.

An import only ever adds behind what it has added before: an address that has a version of its own is refused. Each
version names its source, and says which version it follows; so a request that is sent again, and an import that is run
again, add nothing twice. The rules for writes (`core.writes`) are not asked: this is the past, kept as it was.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import Address, check_key, is_state_key, lockfile_target
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require
from lockhouse.core.versions import Version
from lockhouse.errors import ConditionFailed, RequestInvalid
from lockhouse.service import audit, history, namespaces, versions
from lockhouse.service.callers import Caller
from lockhouse.service.versions import Put, Written

MARK = "imported"


class Import(msgspec.Struct, frozen=True):
    """One version of the source. `put` has its address and body (of a delete marker: nothing but address and nonce)."""

    put: Put
    at: float
    """When it was written at the source; seconds since 1970."""
    source: str
    """Its own id, kept in the history; the same again is the same version."""
    place: str
    """Where it comes from, for people: `s3://bucket/key`."""
    after: str
    """The id of the version here that it follows; empty: it is the first."""
    deleted: bool = False


def may_add(tx: Reader, caller: Caller, address: Address) -> None:
    """Whether a body for this address is worth taking in. Needs `admin`. Errors: `access.denied`, `request.invalid`
    (key), `namespace.not_found`."""
    namespaces.address_in(tx, caller, address)
    check_key(address.key)
    if lockfile_target(address.key) is not None:
        raise RequestInvalid(
            f"cannot import {address.lock_id}: it is a lock, and locks have no versions",
            hint="import the state itself, without .tflock",
            argument="key",
        )
    require(caller.who, Right.ADMIN, address.namespace, address.key)


def add(tx: Transaction, caller: Caller, command: Import) -> Written:
    """Add a version behind those that were imported before; the one that is there already when it was sent again.

    Needs `admin`. Errors: `condition.failed` (there are other versions than those imported before), `write.locked`
    while anybody holds the lock, `request.invalid` (a time to come, a key), `access.denied`, `namespace.not_found`.
    """
    address = command.put.address
    may_add(tx, caller, address)
    if not 0 <= command.at <= caller.now:
        raise RequestInvalid(
            f"cannot import a version of {address.lock_id}: the time at which it was written is to come",
            hint="set the clock of the server, or of the source",
            argument="at",
        )
    state = tx.ensure_state(address)
    history.refuse_while_locked(tx, state, caller.now)
    newest = tx.current(state, packed=False) if state.current else None
    if newest is not None and newest.origin.mark == MARK and newest.origin.request == command.source:
        return Written(newest, created=False)
    if (newest.id if newest is not None else "") != command.after:
        raise ConditionFailed(
            f"cannot import into {address.lock_id}: somebody has written to it since",
            hint=f"lockhouse state versions {address.words}",
            when="match",
            condition="after",
            etag=newest.etag if newest is not None else "",
        )
    if newest is not None and newest.origin.mark != MARK:
        raise ConditionFailed(
            f"cannot import into {address.lock_id}: it has versions of its own",
            hint="import into another namespace",
            when="match",
            condition="after",
            etag=newest.etag,
        )
    then = msgspec.structs.replace(caller, now=command.at, agent=command.place, request=command.source)
    if command.deleted:
        marker = Version(seq=state.next_seq, nonce=command.put.nonce, at=command.at, origin=then.origin(mark=MARK))
        tx.add_version(state, marker)
        audit.note(tx, caller, "state.delete", address, subject=marker.id, detail=MARK)
        tx.save_state(
            msgspec.structs.replace(
                state, current=marker.seq, live=False, next_seq=marker.seq + 1, versions=state.versions + 1
            )
        )
        return Written(marker, created=True)
    is_state = state.is_state or is_state_key(address.key) or command.put.facts is not None
    state = msgspec.structs.replace(state, is_state=is_state)
    return Written(versions.add_version(tx, caller, state, command.put, lock_id="", mark=MARK, then=then), created=True)
