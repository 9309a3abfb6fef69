"""Versions as they are made, found and removed, below every rule: whoever calls has asked `core.writes` or deletes.

Also the values of a write: what was taken in (`Put`), and what became of it (`Written`, `Refused`).
"""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import StateRecord
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body, Facts, Version, parse_version_id
from lockhouse.errors import Problem, VersionNotFound
from lockhouse.service import audit
from lockhouse.service.callers import Caller


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Preconditions on the current version (RFC 9110 section 13). ETags without quotes; `*` is any."""

    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()
    if_modified_since: float = 0.0
    if_unmodified_since: float = 0.0


UNCONDITIONAL = Conditions()


class Put(msgspec.Struct, frozen=True, omit_defaults=True):
    """A body that was taken in, durable and verified, and what came with it."""

    address: Address
    body: Body
    nonce: str
    """Random, for the version id."""
    facts: Facts | None = None
    etag: str = ""
    """Empty: the MD5 in hex."""
    content_type: str = ""
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    encryption: dict[str, str] = {}
    checksums: dict[str, str] = {}
    parts: int = 0
    tags: dict[str, str] = {}
    conditions: Conditions = UNCONDITIONAL
    lock_id: str = ""
    """The lock id that the request names (`?ID=`), where its protocol has one."""
    override: bool = False
    unconditional: bool = False
    mark: str = ""
    """Replaces the decision's mark in the history (`rollback`, `accepted`)."""
    only_state: bool = False
    """Its protocol carries states only: whatever the key is, anything else is refused."""


class Written(msgspec.Struct, frozen=True):
    """The version that is current now: a new one, or the one that had these bytes already."""

    version: Version
    created: bool


class Refused(msgspec.Struct, frozen=True):
    """The write was refused; its bytes are parked as `parked` (None: nothing to keep, or the quota is full)."""

    problem: Problem
    parked: str | None


def add_version(
    tx: Transaction,
    caller: Caller,
    state: StateRecord,
    command: Put,
    *,
    lock_id: str,
    mark: str,
    then: Caller | None = None,
) -> Version:
    """Make it the newest version, without asking any rule: the caller has. `then`: who wrote it and when, where that
    is not the caller now."""
    written = then or caller
    body = command.body
    version = Version(
        seq=state.next_seq,
        nonce=command.nonce,
        at=written.now,
        origin=written.origin(lock_id=lock_id, mark=mark),
        body=body,
        etag=command.etag or body.md5.hex(),
        facts=command.facts,
        content_type=command.content_type,
        headers=command.headers,
        metadata=command.metadata,
        encryption=command.encryption,
        checksums=command.checksums,
        parts=command.parts,
        tags=command.tags,
    )
    tx.add_version(state, version)
    serial = command.facts.serial if command.facts is not None else 0
    audit.note(tx, caller, "version.write", state.address, subject=version.id, detail=_told(command, serial, mark))
    tx.save_state(
        msgspec.structs.replace(
            state,
            current=version.seq,
            live=True,
            next_seq=version.seq + 1,
            versions=state.versions + 1,
            highest_serial=max(state.highest_serial, min(serial, 2**63 - 1)),
        )
    )
    return version


def remove(tx: Transaction, state: StateRecord, version: Version, discarded: Discarded) -> StateRecord:
    """Take a version out of the history, into the trash if it has bytes; the state's counters follow."""
    if version.is_delete_marker:
        tx.delete_version(state, version.seq)
    else:
        tx.discard_version(state.id, discarded)
    if version.seq != state.current:
        state = msgspec.structs.replace(state, versions=state.versions - 1)
    else:
        rest = tx.versions(state, before=version.seq, limit=1)
        newest = rest[0] if rest else None
        state = msgspec.structs.replace(
            state,
            current=newest.seq if newest else 0,
            live=newest is not None and not newest.is_delete_marker,
            versions=state.versions - 1,
        )
    tx.save_state(state)
    return state


def find_version(tx: Reader, state: StateRecord, version_id: str, *, packed: bool = False) -> Version:
    """The version with this id, or VersionNotFound (`version.not_found`)."""
    parsed = parse_version_id(version_id)
    version = tx.version(state, parsed[0], packed=packed) if parsed is not None else None
    if version is None or parsed is None or version.nonce != parsed[1]:
        raise no_version(state.address, version_id)
    return version


def no_version(address: Address, version_id: str) -> VersionNotFound:
    return VersionNotFound(
        f"cannot find version {version_id!r} of {address.lock_id}",
        hint=f"lockhouse state versions {address.words}",
    )


def _told(command: Put, serial: int, mark: str) -> str:
    told = f"serial {serial}, {command.body.size} bytes" if command.facts is not None else f"{command.body.size} bytes"
    return f"{told}, {mark}" if mark else told
