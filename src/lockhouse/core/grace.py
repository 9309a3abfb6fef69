"""What a credential that has ended may still do: finish what it holds a lock for, and nothing else. Pure.

A run whose credential ends in the middle of an apply has changed resources that no state knows of yet. So for a while
after its end (the setting `expiry_grace`) a credential may read, write and unlock the one state whose lock it took
while it lived. It takes no new lock, sees no other state, makes no credential, and a credential that was revoked may do
nothing at all. A run whose lock was taken away may still send its state: that is never accepted, and parked as ever,
since it may be the only copy.

`may_finish` decides, twice: before a request is let in at all (`finishing`; whatever a protocol does not name as one of
`Act` is refused as ever), and in the transaction, against the lock as it is then (`require_lock`). In between the
caller has no grants but those on that one address. Source: RELIABILITY P8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from lockhouse.core import grants
from lockhouse.core.addresses import Address
from lockhouse.core.locks import TOMBSTONE_SECONDS, LockRecord
from lockhouse.core.ports import Reader
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.errors import CredentialExpired


class Act(StrEnum):
    """What may be finished."""

    READ = "read the state"
    WRITE = "write the state"
    SHOW = "show the lock"
    UNLOCK = "unlock"


_REPEATABLE = frozenset({Act.SHOW, Act.UNLOCK})
"""What may be asked again for a minute after the lock was released: answers get lost."""
_RIGHTS = (Right.READ, Right.WRITE, Right.LOCK)


class Finish(msgspec.Struct, frozen=True):
    """What a request would finish, as its protocol reads it."""

    act: Act
    where: Callable[[Reader], Sequence[Address]]
    """The addresses that it may be about."""


def may_finish(act: Act, record: LockRecord, credential: str, ended_at: float, until: float, now: float) -> bool:
    """Whether the holder may do this at the address of this lock. Times in seconds since 1970; `until`: the end of the
    grace."""
    if not ended_at <= now < until:
        return False
    if holds(record, credential, ended_at):
        return True
    if act is Act.WRITE:
        return any(fence.credential == credential for fence in record.fences)
    return act in _REPEATABLE and any(
        stone.credential == credential and 0 <= now - stone.at < TOMBSTONE_SECONDS for stone in record.tombstones
    )


def holds(record: LockRecord, credential: str, ended_at: float) -> bool:
    """Whether the lock is held by this credential, and was before its end: a later one is another session's."""
    lock = record.lock
    return lock is not None and lock.is_held_by(credential) and lock.at < ended_at


def finishing(tx: Reader, who: Identity, finish: Finish, *, ended_at: float, until: float, now: float) -> Identity:
    """The caller as it may finish this: with rights on the one address, of those that it had. Errors:
    `credential.expired`."""
    for address in finish.where(tx):
        found = tx.state_and_lock(address)
        if found is not None and may_finish(finish.act, found[1], who.credential, ended_at, until, now):
            alone = (Grant(address.namespace, address.key, _RIGHTS, exact=True),)
            return msgspec.structs.replace(
                who,
                grants=grants.narrowed(who.grants, alone),
                scope=alone,
                ended_at=ended_at,
                finish_until=until,
            )
    raise expired()


def require_lock(who: Identity, act: Act, record: LockRecord, now: float) -> None:
    """For who finishes: `credential.expired` unless it may do this as the lock is now. Everybody else passes."""
    if who.ended_at and not may_finish(act, record, who.credential, who.ended_at, who.finish_until, now):
        raise expired()


def may_become_current(who: Identity, record: LockRecord) -> bool:
    """Whether what this caller writes may be accepted at all, or only be parked."""
    return not who.ended_at or holds(record, who.credential, who.ended_at)


def expired() -> CredentialExpired:
    return CredentialExpired("cannot accept this credential: its time is over", hint="ask for a new one")
