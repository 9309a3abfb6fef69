"""States and plain objects: put, read, list, delete.

`core.writes` decides whether a state body may become current. What it refuses is parked in the same transaction and
returned as `Refused`: the caller raises its problem after the commit. Plain objects (plans, tfvars, folder markers) are
versioned bytes without those rules. `.tflock` objects and DynamoDB items never come here.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lockhouse.core import grace, writes
from lockhouse.core.addresses import Address, check_key, is_state_key
from lockhouse.core.locks import FREE, lasting
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, allows, require, require_writing
from lockhouse.core.records import StateRecord
from lockhouse.core.times import moment
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Facts, Version
from lockhouse.core.writes import WriteVerdict
from lockhouse.errors import (
    BodyInvalid,
    ConditionFailed,
    DeleteLocked,
    EncryptionKeyInvalid,
    LineageConflict,
    MethodNotAllowed,
    Problem,
    SerialConflict,
    StateDeleted,
    StateNotFound,
    WriteFenced,
    WriteLocked,
    WriteMaintenance,
    WriteUnlocked,
)
from lockhouse.service import audit, namespaces, parking
from lockhouse.service.callers import Caller
from lockhouse.service.maintenance import describe, maintained, refuse_delete
from lockhouse.service.versions import (
    UNCONDITIONAL,
    Conditions,
    Put,
    Refused,
    Written,
    add_version,
    find_version,
    no_version,
    remove,
)

_READ = Right.READ
_MARKERS = 10
"""Delete markers on each other that are looked through."""
_ASKS_FOR_KEYS = "s3"
"""The protocol that has customers' keys in its requests."""


class Found(msgspec.Struct, frozen=True):
    """A version of an address, ready to be served."""

    state: StateRecord
    version: Version


class Deleted(msgspec.Struct, frozen=True):
    """What a delete did: the marker it wrote, or the version it removed (`was_marker`)."""

    version_id: str
    marker: bool


_OVERRIDABLE = frozenset({WriteVerdict.SERIAL, WriteVerdict.LINEAGE})


class Refusal(StrEnum):
    """How each verdict reads to a person; the address and the next command are added."""

    EMPTY = "the body is empty"
    NOT_A_STATE = "the body is not a whole Terraform state (JSON with a version, or an OpenTofu envelope)"


def put(tx: Transaction, caller: Caller, command: Put) -> Written | Refused:
    """Write a version.

    Needs `apply` or `write`; an override needs `write`. Raises: `condition.failed`, `access.denied`,
    `namespace.not_found`, `request.invalid` (key), `body.invalid` (an empty body: there is nothing to park). Returns
    Refused for what was parked.
    """
    address = command.address
    namespace = namespaces.address_in(tx, caller, address)
    check_key(address.key)
    require_writing(caller.who, *address, override=command.override)
    found = tx.state_and_lock(address)
    if found is None:
        state = tx.ensure_state(address)
        record = tx.lock(state)  # another server may have made it, and locked it, in the same moment
    else:
        state, record = found
    if caller.who.ended_at:
        grace.require_lock(caller.who, grace.Act.WRITE, record, caller.now)
        tx.save_use(lasting(caller.who.credential), caller.now)  # known to all servers at once: its lock is not stale
    current = tx.current(state, packed=False) if state.current else None
    live = current if current is not None and not current.is_delete_marker else None
    check_conditions(address, live, command.conditions)
    if not (state.is_state or is_state_key(address.key) or command.facts is not None or command.only_state):
        return Written(add_version(tx, caller, state, command, lock_id="", mark=command.mark), created=True)
    closed = maintained(tx, address, caller.now)
    may_override = allows(caller.who.grants, Right.WRITE, *address)
    outcome = writes.decide(
        _head(
            state,
            live,
            gone=_before_deletion(tx, state, current),
            require_lock=state.require_lock or namespace.require_lock,
            maintenance=closed is not None,
        ),
        record,
        writes.WriteRequest(
            credential=caller.who.credential,
            sha256=command.body.sha256,
            size=command.body.size,
            facts=command.facts,
            lock_id=command.lock_id,
            override=command.override,
            may_override=may_override,
            unconditional=command.unconditional,
        ),
    )
    verdict = outcome.verdict
    if verdict is WriteVerdict.ACCEPTED and not grace.may_become_current(caller.who, record):
        verdict = WriteVerdict.FENCED
    match verdict:
        case WriteVerdict.ACCEPTED:
            if not state.is_state:
                state = msgspec.structs.replace(state, is_state=True)
            mark = command.mark or outcome.mark
            command = _under_the_same_key(command, caller, live)
            version = add_version(tx, caller, state, command, lock_id=outcome.lock_id, mark=mark)
            _tell_shrinking(tx, caller, address, live, command.facts)
            return Written(version, created=True)
        case WriteVerdict.IDENTICAL:
            assert live is not None
            return Written(live, created=False)
        case WriteVerdict.EMPTY:
            raise BodyInvalid(
                f"cannot write {address.lock_id}: {Refusal.EMPTY}; the old state stays",
                hint="upload a whole state: terraform state push FILE",
            )
    if closed is not None and verdict is WriteVerdict.MAINTENANCE:
        problem: Problem = WriteMaintenance(
            f"cannot write {address.lock_id}: {describe(closed)}",
            hint=f"drop some: lockhouse state parked list; or wait: lockhouse maintenance list {address.namespace}",
        )
        return parking.park(tx, caller, state, command, problem)
    holder = record.lock
    problem = _refusal(address, verdict, live, command.facts, holder.holder if holder else "")
    if verdict in _OVERRIDABLE and not may_override:
        problem.message += "; to write it all the same needs the right 'write' there"
    kept = live.body if live is not None else None
    if verdict is WriteVerdict.FENCED and kept is not None and kept.sha256 == command.body.sha256:
        # On a first apply Terraform reads the state once more before it writes, and sends that.
        problem.message += "; it sends the current version, so what it made is in its errored.tfstate alone"
    return parking.park(tx, caller, state, command, problem)


def _under_the_same_key(command: Put, caller: Caller, live: Version | None) -> Put:
    """What is written over a protocol that knows no customer's key keeps that of the version before it: whoever reads
    with it goes on to, and whoever does not have it does not begin to."""
    if live is None or "ssec_md5" not in live.encryption or caller.protocol == _ASKS_FOR_KEYS or command.encryption:
        return command
    return msgspec.structs.replace(command, encryption=live.encryption)


def may_write(tx: Reader, caller: Caller, address: Address) -> None:
    """Whether a body for this address is worth taking in. Needs `apply` or `write`. Errors: `access.denied`,
    `namespace.not_found`, `request.invalid` (key)."""
    namespaces.address_in(tx, caller, address)
    check_key(address.key)
    require_writing(caller.who, *address)


def read(
    tx: Reader,
    caller: Caller,
    address: Address,
    version_id: str = "",
    seq: int = 0,
    conditions: Conditions | None = None,
    *,
    packed: bool = True,
    right: Right = _READ,
) -> Found:
    """The version to serve: the newest, the one with this id, or (for a burst of ranged reads) the one numbered `seq`.

    Needs `read` (with `right` another one: whoever passes `read-outputs` hands out nothing but outputs).
    Without `packed` the version comes without bytes (HEAD). Errors: `access.denied` (whether or not it
    exists), `namespace.not_found`, `state.not_found`, `state.deleted`, `version.not_found`, `condition.failed`.
    """
    namespaces.get(tx, caller, address[0])
    require(caller.who, right, address[0], address[1])
    newest: Version | None = None
    if version_id or seq:
        state = tx.state(address)
    else:
        found = tx.state_and_version(address, packed=packed)
        state, newest = found if found is not None else (None, None)
    if caller.who.ended_at:
        grace.require_lock(caller.who, grace.Act.READ, tx.lock(state) if state is not None else FREE, caller.now)
    if state is None or not state.current:
        if version_id:
            raise no_version(address, version_id)
        raise _no_state(address)
    if version_id:
        version = find_version(tx, state, version_id, packed=packed)
    else:
        if seq:
            newest = tx.version(state, seq, packed=packed) or tx.current(state, packed=packed)
        assert newest is not None
        version = newest
        if version.is_delete_marker:
            raise StateDeleted(
                f"cannot find {address.lock_id}: it was deleted",
                hint=f"lockhouse state versions {address.words}",
                version_id=version.id,
            )
    if conditions is not None and not version.is_delete_marker:
        check_conditions(address, version, conditions)
    return Found(state, version)


def require_shared(caller: Caller, found: Found) -> None:
    """Whether this protocol may hand the version out: one with a customer's key (S3's SSE-C) goes out over S3 alone,
    where the key is asked for, unless its owner lets the others read it. Errors: `encryption.key` (`missing`)."""
    if "ssec_md5" in found.version.encryption and caller.protocol != _ASKS_FOR_KEYS and not found.state.share_ssec:
        address = found.state.address
        raise EncryptionKeyInvalid(
            f"cannot read {address.lock_id} here: it was stored with a customer key (SSE-C), which only S3 asks for",
            hint=f"read it over S3, or let others read it: lockhouse state share-customer-key {address.words}",
            reason="missing",
        )


def sees_outputs_only(caller: Caller, address: Address) -> bool:
    """Whether the caller may read the outputs of this state and nothing else of it."""
    grants, namespace, key = caller.who.grants, address[0], address[1]
    return not allows(grants, _READ, namespace, key) and allows(grants, Right.READ_OUTPUTS, namespace, key)


def delete(
    tx: Transaction,
    caller: Caller,
    address: Address,
    nonce: str,
    version_id: str = "",
    conditions: Conditions | None = None,
) -> Deleted | None:
    """Write a delete marker, or with a version id put that version into the trash. None: there was nothing at all.

    Needs `write` (a version: `admin` or `write`). Errors: `delete.locked` while any lock is held, the caller's own
    included (PROMISES, "Locks"), and under maintenance; `version.not_found`, `access.denied`, `namespace.not_found`,
    `condition.failed`.
    """
    namespaces.address_in(tx, caller, address)
    check_key(address.key)
    require(caller.who, Right.WRITE, *address)
    state = tx.state(address)
    if state is None or not state.current:
        if conditions is not None and conditions.if_match:
            raise _no_state(address)
        return None
    record = tx.lock(state) if state.is_state else FREE
    if record.lock is not None:
        raise DeleteLocked(
            f"cannot delete {address.lock_id}: {record.lock.holder} holds its lock since {moment(record.lock.at)}",
            hint=f"unlock first: lockhouse lock show {address.words}",
        )
    if state.is_state:
        refuse_delete(tx, address, caller.now)
    current = tx.current(state, packed=False)
    assert current is not None
    if conditions is not None:
        check_conditions(address, None if current.is_delete_marker else current, conditions)
    if version_id:
        version = find_version(tx, state, version_id)
        remove(tx, state, version, Discarded(version, caller.now, reason="deleted", by=caller.who.name))
        audit.note(tx, caller, "version.delete", address, subject=version.id)
        return Deleted(version.id, version.is_delete_marker)
    marker = Version(seq=state.next_seq, nonce=nonce, at=caller.now, origin=caller.origin())
    tx.add_version(state, marker)
    tx.save_state(
        msgspec.structs.replace(
            state, current=marker.seq, live=False, next_seq=marker.seq + 1, versions=state.versions + 1
        )
    )
    audit.note(tx, caller, "state.delete", address, subject=marker.id)
    return Deleted(marker.id, marker=True)


def set_tags(tx: Transaction, caller: Caller, address: Address, version_id: str, tags: dict[str, str]) -> Version:
    """Replace the tags of the newest version, or of this one. Needs `write`.

    Errors: `access.denied`, `namespace.not_found`, `state.not_found`, `state.deleted`, `version.not_found`,
    `request.method` (a delete marker)."""
    state, version = find_to_change(tx, caller, address, version_id, "tag")
    tx.set_tags(state, version.seq, tags)
    audit.note(tx, caller, "version.tag", address, subject=version.id)
    return msgspec.structs.replace(version, tags=dict(tags))


def find_to_change(
    tx: Reader, caller: Caller, address: Address, version_id: str, doing: str
) -> tuple[StateRecord, Version]:
    """The newest version, or this one, for who writes something about it (`doing`, in words). Needs `write`.

    Errors: as `set_tags`."""
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.WRITE, *address)
    state = tx.state(address)
    if state is None or not state.current:
        raise no_version(address, version_id) if version_id else _no_state(address)
    version = find_version(tx, state, version_id) if version_id else tx.current(state, packed=False)
    if version is not None and version.is_delete_marker and version_id:
        raise MethodNotAllowed(
            f"cannot {doing} version {version.id} of {address.lock_id}: it is a delete marker", allow="DELETE"
        )
    if version is None or version.is_delete_marker:
        raise StateDeleted(
            f"cannot {doing} {address.lock_id}: it was deleted",
            hint=f"lockhouse state undelete {address.words}",
            version_id=version.id if version else "",
        )
    return state, version


def check_conditions(address: Address, current: Version | None, conditions: Conditions) -> None:
    """ConditionFailed (`condition.failed`) unless the preconditions hold; details `when`: `match` or `none_match`
    (a reader that already has the bytes). Precedence as RFC 9110 section 13.2.2."""
    if conditions is UNCONDITIONAL:
        return
    etag = current.etag if current is not None else None
    if conditions.if_match:
        if etag is None:
            raise _no_state(address)
        if "*" not in conditions.if_match and etag not in conditions.if_match:
            raise _unmet(address, "match", "If-Match", current)
    elif conditions.if_unmodified_since and current and int(current.at) > conditions.if_unmodified_since:
        raise _unmet(address, "match", "If-Unmodified-Since", current)
    if conditions.if_none_match:
        if etag is not None and ("*" in conditions.if_none_match or etag in conditions.if_none_match):
            raise _unmet(address, "none_match", "If-None-Match", current)
    elif conditions.if_modified_since and current and int(current.at) <= conditions.if_modified_since:
        raise _unmet(address, "none_match", "If-Modified-Since", current)


def _tell_shrinking(
    tx: Transaction, caller: Caller, address: Address, live: Version | None, facts: Facts | None
) -> None:
    before = live.facts.resources if live is not None and live.facts is not None else -1
    after = facts.resources if facts is not None else -1
    if 0 <= after < before:
        audit.note(
            tx,
            caller,
            "state.shrunk",
            address,
            detail=f"from {before} to {after} resources",
            count=100 * (before - after) // before,
        )


def _before_deletion(tx: Reader, state: StateRecord, current: Version | None) -> Facts | None:
    """What the newest version said that a delete marker stands on."""
    if current is None or not current.is_delete_marker:
        return None
    before = tx.versions(state, before=current.seq, limit=_MARKERS)
    return next((each.facts for each in before if not each.is_delete_marker), None)


def _head(
    state: StateRecord, live: Version | None, *, gone: Facts | None, require_lock: bool, maintenance: bool
) -> writes.Head:
    if live is None or live.body is None:
        return writes.Head(gone=gone, require_lock=require_lock, maintenance=maintenance)
    return writes.Head(
        seq=state.current,
        sha256=live.body.sha256,
        size=live.body.size,
        facts=live.facts,
        require_lock=require_lock,
        maintenance=maintenance,
    )


def _refusal(
    address: Address, verdict: WriteVerdict, live: Version | None, facts: Facts | None, holder: str
) -> Problem:
    what = f"cannot write {address.lock_id}: "
    match verdict:
        case WriteVerdict.LOCKED:
            return WriteLocked(
                f"{what}{holder} holds its lock", hint=f"wait for it: lockhouse lock show {address.words}"
            )
        case WriteVerdict.FENCED:
            return WriteFenced(
                f"{what}the lock of this run was taken away (force-unlock), and its credential has not taken it again",
                hint=f"plan again from the state as it is: lockhouse state versions {address.words}",
            )
        case WriteVerdict.LOCK_REQUIRED:
            return WriteUnlocked(
                f"{what}it may only be written under a lock",
                hint="set dynamodb_table or use_lockfile in the backend block, and do not use -lock=false",
            )
        case WriteVerdict.SERIAL | WriteVerdict.LINEAGE:
            assert live is not None
            assert live.facts is not None
            assert facts is not None
            if verdict is WriteVerdict.SERIAL:
                return SerialConflict(
                    f"{what}the current state has serial {live.facts.serial} and other content, yours has serial "
                    f"{facts.serial}",
                    hint=f"plan again from the state as it is: lockhouse state versions {address.words}",
                    current=live.facts.serial,
                    serial=facts.serial,
                )
            return LineageConflict(
                f"{what}it has lineage {live.facts.lineage!r}, yours has {facts.lineage!r}",
                hint=f"is it the right key? lockhouse state versions {address.words}; to replace it: "
                "terraform state push -force FILE",
            )
        case _:
            return BodyInvalid(
                f"{what}{Refusal.NOT_A_STATE}; the old state stays",
                hint="upload a whole state: terraform state push FILE",
            )


def _unmet(address: Address, when: str, header: str, current: Version | None) -> ConditionFailed:
    problem = ConditionFailed(f"cannot use {address.lock_id}: {header} does not hold", when=when, condition=header)
    if current is not None:
        problem.details |= {"etag": current.etag, "version_id": current.id, "at": int(current.at)}
    return problem


def _no_state(address: Address) -> StateNotFound:
    return StateNotFound(f"cannot find {address.lock_id}", hint=f"lockhouse state list {address.namespace}")
