"""May these bytes become the current version? The rule for every protocol.

Identical bytes are a success, since answers get lost and clients send again; but not from a run whose lock was taken
away before those bytes were written: then another wrote them. (On a first apply Terraform reads the state once more
before it writes, and would report success with the other's state while its own resources are recorded nowhere.)
Otherwise a write must (1) be a whole state body, (2) not ignore a lock that somebody else holds, (3) not come from a
run whose lock was taken away, until its credential has taken the lock again, (4) under maintenance come from who holds
the lock, and (5) move the serial forward on the same lineage, unless its own lock names it as an override (`state
push`, the destination of a migration) or the caller overrides explicitly. Behind a deletion, which is explicit, any
serial may come, and one that goes back is marked as an override. What is refused is never thrown away: the caller parks
it.

Plain objects (plans, tfvars, folder markers) have none of these rules. Sources: PROMISES "Writes and versions",
PROTOCOLS 2.7 and 7, and for serial and lineage the checks of `terraform state push`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lockhouse.core.locks import LockRecord
from lockhouse.core.versions import Facts

OVERRIDING_OPERATIONS = frozenset({"state-push", "migration destination state"})


class WriteRequest(msgspec.Struct, frozen=True):
    """A body that wants to become the current version."""

    credential: str
    sha256: bytes
    size: int
    facts: Facts | None
    """None: the bytes are not a state body."""
    lock_id: str = ""
    """The lock id, where the protocol carries one with the write."""
    override: bool = False
    """An explicit override by somebody who may (command line, accepted parked write, forced push)."""
    may_override: bool = False
    """Whether the writer has the right that an overriding lock operation needs."""
    unconditional: bool = False
    """Set by an override that also ignores the lock (never by a protocol)."""


class Head(msgspec.Struct, frozen=True):
    """The current version of the address, as far as the rule needs it; seq 0: there is none."""

    seq: int = 0
    sha256: bytes = b""
    size: int = 0
    facts: Facts | None = None
    gone: Facts | None = None
    """Where the current version is a delete marker: what the one before it said of itself."""
    require_lock: bool = False
    maintenance: bool = False
    """Maintenance stands there: only who holds the lock may write."""


class WriteVerdict(StrEnum):
    ACCEPTED = "accepted"
    IDENTICAL = "identical"
    EMPTY = "empty"
    NOT_A_STATE = "not a state"
    LOCKED = "locked by another"
    FENCED = "fenced"
    LOCK_REQUIRED = "lock required"
    MAINTENANCE = "maintenance"
    SERIAL = "serial"
    LINEAGE = "lineage"


class WriteOutcome(msgspec.Struct, frozen=True):
    """The verdict, the mark for the history, and the lock under which the write happens."""

    verdict: WriteVerdict
    mark: str = ""
    lock_id: str = ""


def decide(head: Head, record: LockRecord, request: WriteRequest) -> WriteOutcome:
    """The rule above. Only for states; plain objects are not asked."""
    lock = record.lock
    lock_id = lock.id if lock is not None else ""
    identical = request.sha256 == head.sha256 and request.size == head.size
    if identical and not _is_overtaken(head, record, request):
        return WriteOutcome(WriteVerdict.IDENTICAL)
    if request.size == 0:
        return WriteOutcome(WriteVerdict.EMPTY)
    if request.facts is None:
        return WriteOutcome(WriteVerdict.NOT_A_STATE)
    mark = ""
    overriding = request.override
    named = request.lock_id
    holds = lock is not None and (lock.has_id(named) if named else lock.is_held_by(request.credential))
    if request.unconditional:
        if head.maintenance and not holds:
            return WriteOutcome(WriteVerdict.MAINTENANCE)
        mark = "override"
    elif lock is not None:
        if not holds:
            return WriteOutcome(_ignored_lock(record, request))
        overriding = overriding or (
            request.may_override and any(hold.operation in OVERRIDING_OPERATIONS for hold in lock.holds)
        )
    else:
        # Where the protocol names a lock, and it is gone, it was released or taken away by force.
        if named or any(fence.credential == request.credential for fence in record.fences):
            return WriteOutcome(WriteVerdict.FENCED)
        if head.maintenance:
            return WriteOutcome(WriteVerdict.MAINTENANCE)
        if head.require_lock:
            return WriteOutcome(WriteVerdict.LOCK_REQUIRED)
        mark = "unlocked"
    conflict = _conflict(head, request.facts)
    if conflict is None:
        # Behind a deletion everything may come; what goes back is told: the deletion was its override.
        told = "override" if _goes_back(head.gone, request.facts) else mark
        return WriteOutcome(WriteVerdict.ACCEPTED, told, lock_id)
    if overriding:
        return WriteOutcome(WriteVerdict.ACCEPTED, "override", lock_id)
    return WriteOutcome(conflict)


def _conflict(head: Head, facts: Facts) -> WriteVerdict | None:
    if head.facts is None:
        return None
    if facts.lineage != head.facts.lineage:
        return WriteVerdict.LINEAGE
    if facts.serial <= head.facts.serial:
        return WriteVerdict.SERIAL
    return None


def _goes_back(before: Facts | None, facts: Facts) -> bool:
    return before is not None and facts.lineage == before.lineage and facts.serial <= before.serial


def _ignored_lock(record: LockRecord, request: WriteRequest) -> WriteVerdict:
    for fence in record.fences:
        if fence.credential == request.credential or request.lock_id in fence.ids:
            return WriteVerdict.FENCED
    return WriteVerdict.LOCKED


def _is_overtaken(head: Head, record: LockRecord, request: WriteRequest) -> bool:
    """Whether the current version was written after this run's lock was taken away."""
    return not request.unconditional and any(
        head.seq > fence.seq and (fence.credential == request.credential or request.lock_id in fence.ids)
        for fence in record.fences
    )
