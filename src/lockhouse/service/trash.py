"""Having deleted things back, and ending them for good.

A deleted state is one whose newest version is a delete marker: taking the marker away brings it back as it was. A
version that was deleted by its id, or by retention, lies in the trash until the restore window is over; it comes back
under its own number and id. Only a purge, or the end of the window, removes bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require
from lockhouse.core.records import StateRecord
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Version, parse_version_id
from lockhouse.errors import RequestInvalid, StateNotFound, StorageUnavailable, VersionNotFound
from lockhouse.service import audit, history, namespaces
from lockhouse.service.callers import Caller


def list_trash(
    tx: Reader, caller: Caller, address: Address, before: int = 0, limit: int = 100
) -> tuple[StateRecord, Sequence[Discarded]]:
    """What lies in the trash of one address, the highest number first. Needs `read`. Errors: `state.not_found`."""
    state, _ = history.show_state(tx, caller, address)
    return state, tx.trash(state.id, before, limit)


def undelete(tx: Transaction, caller: Caller, address: Address, version_id: str = "") -> tuple[StateRecord, Version]:
    """Without an id: take the delete markers at the end of the history away. With one: bring that version back from
    the trash; where nothing newer was written, it is current again.

    Needs `write`. Errors: `write.locked` while anybody holds the lock, `state.not_found`, `version.not_found`,
    `request.invalid` where the state is not deleted."""
    state = _writable(tx, caller, address)
    done = _from_trash(tx, state, version_id) if version_id else _without_markers(tx, state)
    audit.note(tx, caller, "version.undelete", address, subject=done[1].id)
    return done


def purge(tx: Transaction, caller: Caller, address: Address, version_id: str) -> Discarded:
    """End a version in the trash for good. Needs `admin`: nobody can have it back.

    Errors: `version.not_found`, `state.not_found`, `access.denied`; `storage.unavailable` while another version is
    packed against it (`may_purge` says which history to pack first)."""
    state, found = may_purge(tx, caller, address, version_id)
    if tx.dependants(state.id, found.version.seq, limit=1):
        raise StorageUnavailable(
            f"cannot purge version {version_id} of {address.lock_id}: another one is packed against it",
            hint="try again in a minute",
        )
    tx.purge_version(state.id, found.version.seq)
    audit.note(tx, caller, "version.purge", address, subject=version_id)
    return found


def may_purge(tx: Reader, caller: Caller, address: Address, version_id: str) -> tuple[StateRecord, Discarded]:
    """What would be purged. Errors as `purge`."""
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.ADMIN, address.namespace, address.key)
    state, _ = history.show_state(tx, caller, address)
    return state, _find(tx, state, version_id)


def empty(tx: Transaction, *, now: float, window: float, limit: int) -> int:
    """Purge what has been in the trash for longer than `window` seconds, up to `limit` versions; how many."""
    due = tx.trash_due(now - window, limit)
    for state_id, seq in due:
        tx.purge_version(state_id, seq)
    if due:
        audit.note_own(tx, now, "trash.empty", count=len(due))
    return len(due)


def _writable(tx: Reader, caller: Caller, address: Address) -> StateRecord:
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.WRITE, address.namespace, address.key)
    state = tx.state(address)
    if state is None:
        raise StateNotFound(f"cannot find {address.lock_id}", hint=f"lockhouse state list {address.namespace}")
    history.refuse_while_locked(tx, state, caller.now)
    return state


def _without_markers(tx: Transaction, state: StateRecord) -> tuple[StateRecord, Version]:
    address = state.address
    current = tx.current(state, packed=False)
    if current is not None and not current.is_delete_marker:
        raise RequestInvalid(
            f"cannot undelete {address.lock_id}: it is not deleted",
            hint=f"to go back to an older version: lockhouse state versions {address.words}",
        )
    markers: list[Version] = []
    while current is not None and current.is_delete_marker:
        markers.append(current)
        rest = tx.versions(state, before=current.seq, limit=1)
        current = rest[0] if rest else None
    if current is None:
        raise StateNotFound(
            f"cannot undelete {address.lock_id}: it has no versions",
            hint=f"look into its trash: lockhouse state trash {address.words}",
        )
    for marker in markers:
        tx.delete_version(state, marker.seq)
    state = msgspec.structs.replace(state, current=current.seq, live=True, versions=state.versions - len(markers))
    tx.save_state(state)
    return state, current


def _from_trash(tx: Transaction, state: StateRecord, version_id: str) -> tuple[StateRecord, Version]:
    found = _find(tx, state, version_id).version
    tx.recover_version(state.id, found.seq)
    state = msgspec.structs.replace(state, versions=state.versions + 1)
    if found.seq > state.current:
        state = msgspec.structs.replace(state, current=found.seq, live=True)
    tx.save_state(state)
    return state, found


def _find(tx: Reader, state: StateRecord, version_id: str) -> Discarded:
    address = state.address
    parsed = parse_version_id(version_id)
    found = tx.discarded(state.id, parsed[0]) if parsed is not None else None
    if found is None or parsed is None or found.version.nonce != parsed[1]:
        raise VersionNotFound(
            f"cannot find version {version_id!r} in the trash of {address.lock_id}",
            hint=f"lockhouse state trash {address.words}",
        )
    return found
