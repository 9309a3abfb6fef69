"""The past of a state: its versions, going back, and accepting what was parked.

Going back never removes anything: a restored version becomes a new version with the highest serial plus one, so that
every client accepts it as newer. A parked write is accepted as it is (an explicit, logged override) or dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Lock
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Keys, Right, listable, require, require_below
from lockhouse.core.records import StateRecord
from lockhouse.core.versions import Body, Version
from lockhouse.errors import RequestInvalid, StateNotFound, VersionNotFound, WriteLocked
from lockhouse.service import audit, maintenance, namespaces, objects, parking, versions
from lockhouse.service.callers import Caller
from lockhouse.service.versions import Put, Refused, Written

_LOCKS = 100
"""Held locks that are read at once."""


def list_states(
    tx: Reader,
    caller: Caller,
    namespace: str,
    prefix: str = "",
    after: str = "",
    limit: int = 1000,
    *,
    deleted: bool = False,
) -> Sequence[tuple[StateRecord, Version]]:
    """Live states (no plain objects) in key order; with `deleted` those whose newest version is a delete marker. Only
    those that the caller may read. Errors: `access.denied` where its grants cover nothing with this prefix."""
    namespaces.get(tx, caller, namespace)
    parts = listable(caller.who.grants, Right.READ, namespace, prefix)
    if not parts:
        require_below(caller.who, Right.READ, namespace, prefix)
    found: list[tuple[StateRecord, Version]] = []
    for part in parts:
        found.extend(islice(_states(tx, namespace, part, after, limit, deleted=deleted), limit - len(found)))
        if len(found) == limit:
            break
    return found


def _states(
    tx: Reader, namespace: str, part: Keys, after: str, limit: int, *, deleted: bool
) -> Iterator[tuple[StateRecord, Version]]:
    wanted = 1 if part.exact else limit
    while True:
        page = tx.states(namespace, part.prefix, after, wanted, live_only=not deleted)
        for state, version in page:
            is_meant = state.is_state and (not part.exact or state.address.key == part.prefix)
            if is_meant and version is not None and version.is_delete_marker == deleted:
                yield state, version
        if part.exact or len(page) < limit:
            return
        after = page[-1][0].address.key


def locks_between(tx: Reader, namespace: str, prefix: str, after: str, last: str) -> dict[Address, Lock]:
    """The held locks of a page: those below the prefix with keys after `after` and up to `last`. There are few, so they
    are walked over instead of asking for the lock of each state."""
    found: dict[Address, Lock] = {}
    position = Address(namespace, after) if after else None
    while page := tx.held_locks(namespace, prefix, position, _LOCKS):
        for state, record in page:
            if state.address.key > last:
                return found
            if record.lock is not None:
                found[state.address] = record.lock
        if len(page) < _LOCKS:
            break
        position = page[-1][0].address
    return found


def list_everything(
    tx: Reader, caller: Caller, namespace: str, prefix: str = "", after: str = "", limit: int = 1000
) -> Sequence[tuple[StateRecord, Version | None]]:
    """Every address in key order with its newest version: states and plain objects, deleted ones too, and those that
    were only locked so far. Needs `read` on the prefix."""
    namespaces.get(tx, caller, namespace)
    require_below(caller.who, Right.READ, namespace, prefix)
    return tx.states(namespace, prefix, after, limit, live_only=False)


def show_state(tx: Reader, caller: Caller, address: Address) -> tuple[StateRecord, Version | None]:
    """An address and its newest version (a delete marker too). Needs `read`. Errors: `state.not_found`."""
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.READ, address.namespace, address.key)
    state = tx.state(address)
    if state is None:
        raise StateNotFound(f"cannot find {address.lock_id}", hint=f"lockhouse state list {address.namespace}")
    return state, tx.current(state)


def list_versions(
    tx: Reader, caller: Caller, address: Address, before: int = 0, limit: int = 100
) -> tuple[StateRecord, Sequence[Version]]:
    """Versions and delete markers, newest first. Needs `read`. Errors: `state.not_found`."""
    state, _ = show_state(tx, caller, address)
    return state, tx.versions(state, before, limit)


def find_version(tx: Reader, caller: Caller, address: Address, version_id: str) -> tuple[StateRecord, Version]:
    """The version with this id, without its bytes. Needs `read`. Errors: `state.not_found`, `version.not_found`."""
    state, _ = show_state(tx, caller, address)
    return state, versions.find_version(tx, state, version_id)


def find_serial(tx: Reader, caller: Caller, address: Address, serial: int) -> str:
    """The version id of the newest version with this serial. Needs `read`. Errors: `state.not_found`,
    `version.not_found`."""
    state, _ = show_state(tx, caller, address)
    for version in paged(lambda before: tx.versions(state, before), 0, lambda each: each.seq):
        if version.facts is not None and version.facts.serial == serial:
            return version.id
    raise VersionNotFound(
        f"cannot find serial {serial} of {address.lock_id}",
        hint=f"lockhouse state versions {address.words}",
    )


def set_require_lock(tx: Transaction, caller: Caller, address: Address, *, required: bool) -> StateRecord:
    """Whether this state may only be written under a lock. Needs `admin`."""
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.ADMIN, address.namespace, address.key)
    state = msgspec.structs.replace(tx.ensure_state(address), require_lock=required, is_state=True)
    tx.save_state(state)
    audit.note(tx, caller, "state.change", address, detail=f"require_lock={required}".lower())
    return state


def set_share_customer_key(tx: Transaction, caller: Caller, address: Address, *, shared: bool) -> StateRecord:
    """Whether versions with a customer's key may be read over other protocols than S3. Needs `admin`."""
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.ADMIN, address.namespace, address.key)
    state = msgspec.structs.replace(tx.ensure_state(address), share_ssec=shared, is_state=True)
    tx.save_state(state)
    audit.note(tx, caller, "state.change", address, detail=f"share_customer_key={shared}".lower())
    return state


def restore(tx: Transaction, caller: Caller, command: Put, highest: int) -> Written | Refused | None:
    """Write an old version's bytes (with the new serial already in them) as the current version. `highest`: the highest
    serial that the new one was made for; None when it is no longer that, and nothing is done: somebody wrote meanwhile.

    Needs `write`. Errors: `write.locked` while anybody holds the lock (but by `command.lock_id`); `state.not_found`."""
    address = command.address
    state, _ = show_state(tx, caller, address)
    lock = tx.lock(state).lock
    if lock is None or not command.lock_id or not lock.has_id(command.lock_id):
        refuse_while_locked(tx, state, caller.now)
    if state.highest_serial != highest:
        return None
    return objects.put(tx, caller, msgspec.structs.replace(command, override=True, unconditional=True, mark="rollback"))


def accept_parked(tx: Transaction, caller: Caller, parked_id: str, nonce: str, body: Body) -> Written | Refused:
    """Make a parked write the current version, byte for byte, and end its being parked. `body` is that of the parked
    write, bound to the version that it becomes.

    Needs `write`. Errors: `write.locked` while anybody holds the lock, `parked.not_found`, `request.invalid` for bytes
    that are not a state."""
    parked = parking.get_parked(tx, caller, parked_id)
    state = tx.ensure_state(parked.address)
    refuse_while_locked(tx, state, caller.now)
    if parked.facts is None:
        raise RequestInvalid(
            f"cannot accept parked write {parked_id}: its bytes are not a Terraform state",
            hint=f"lockhouse state parked download {parked_id}",
        )
    current = tx.current(state, packed=False) if state.current else None
    put = Put(
        address=parked.address,
        body=body,
        nonce=nonce,
        facts=parked.facts,
        content_type=parked.content_type,
        # As the version before it: whoever reads with a customer's key goes on to.
        encryption=current.encryption if current is not None else {},
        override=True,
        unconditional=True,
        mark="accepted",
    )
    result = objects.put(tx, caller, put)
    parking.forget(tx, parked)
    audit.note(tx, caller, "parked.accept", parked.address, subject=parked_id)
    return result


def refuse_while_locked(tx: Reader, state: StateRecord, now: float) -> None:
    """WriteLocked (`write.locked`) while anybody holds the lock, WriteMaintenance (`write.maintenance`) while
    maintenance stands there."""
    lock = tx.lock(state).lock
    if lock is not None:
        address = state.address
        raise WriteLocked(
            f"cannot write {address.lock_id}: {lock.holder} holds its lock",
            hint=f"lockhouse lock show {address.words}",
        )
    maintenance.refuse_write(tx, state.address, now)
