"""Taking, showing, releasing and forcing the lock of an address.

`core.locks` decides; here the decision is applied with compare-and-set, written to the lock history and turned into the
problems that a caller understands. Nothing here waits: `runtime.waiting` holds a refused request and asks again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core import grace
from lockhouse.core import locks as rule
from lockhouse.core.addresses import Address, check_key, shell_word
from lockhouse.core.locks import FREE, Facet, Hold, Lock, LockRecord, Verdict
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Identity, Right, allows, require
from lockhouse.core.records import LockEvent, StateRecord
from lockhouse.core.times import moment
from lockhouse.errors import AccessDenied, LockHeld, LockMismatch, LockNotFound, StorageUnavailable
from lockhouse.service import audit, namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.lock_documents import LockDocument, document_of, maintenance_document, read_document
from lockhouse.service.maintenance import maintained, under_maintenance

PLANNING = frozenset({"", "OperationTypePlan", "OperationTypeInvalid", "migration source state"})
"""What a client may name as the operation of a lock that is taken with the right to plan. `OperationTypeInvalid` is
what Terraform calls `console`, `graph` and `import`; a workspace lock names none. All others write."""
_USES = 1000
_LOCK, _FORCE_UNLOCK = Right.LOCK, Right.FORCE_UNLOCK
_HELD, _GRANTED, _AGAIN = Verdict.HELD, Verdict.GRANTED, Verdict.AGAIN
"""Names of their own: to look a member up in its enumeration costs as much as a call (Python 3.11)."""
_VERBS = {Verdict.FORCED: "forced", Verdict.RELEASED: "released", Verdict.FACET_RELEASED: "facet-released"}
_ABOUT_HOLDER = frozenset({"forced", "stale", "seen-again"})
_CLIENT = re.compile(r"(?:Terraform|OpenTofu)/([0-9][0-9A-Za-z.+-]{0,30})")


class TakeLock(msgspec.Struct, frozen=True, gc=False):
    """Take the lock of an address through a facet."""

    address: Address
    facet: Facet
    info: bytes
    """The lock document as received."""
    id: str = ""
    """The lock id where it is not in the document."""
    rejoin: bool = True
    document: LockDocument | None = None
    """What `info` says, where that was read already."""


class Unlock(msgspec.Struct, frozen=True, gc=False):
    """Release through a facet."""

    address: Address
    facet: Facet
    id: str = ""
    last_read: str = ""
    force: bool = False
    reason: str = ""


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A lock that was granted (or granted again, or joined)."""

    verdict: Verdict
    lock: Lock
    fences: tuple[rule.Fence, ...] = ()
    """Those that stood before: a grant ends that of its own credential."""


class LockView(msgspec.Struct, frozen=True):
    """A held lock as an operator sees it."""

    address: Address
    lock: Lock
    last_seen: float
    """When its holder's credential was last used, as far as that is written down; 0: it is not."""


def take(
    tx: Transaction, caller: Caller, command: TakeLock, *, behind: bool | Callable[[], bool] = False
) -> Taken | None:
    """The lock, or LockHeld (`lock.held`) with the holder's whole document.

    `behind`: whether others wait in front of the caller. Then a free lock is left for them, and the answer is None.

    Needs `lock` there, or `plan` for what does not write. Errors: `lock.maintenance` for a free lock while maintenance
    stands there; `access.denied`, `namespace.not_found`, `request.invalid` (key, empty lock id).
    """
    address = command.address
    if caller.who.ended_at:
        raise grace.expired()
    namespaces.get(tx, caller, address.namespace)
    check_key(address.key)
    document = command.document or read_document(command.info)
    if not allows(caller.who.grants, _LOCK, address.namespace, address.key):
        _require_planning(caller, address, document.operation)
    lock_id = command.id or document.id
    found = tx.state_and_lock(address)
    if found is None or found[1].lock is None:
        closed = maintained(tx, address, caller.now)
        if closed is not None:
            raise under_maintenance(address, closed, "lock")
    if found is None:
        state = tx.ensure_state(address)
        record = tx.lock(state)  # another server may have made it, and locked it, in the same moment
    else:
        state, record = found
    if record.lock is None and (behind if isinstance(behind, bool) else behind()):
        return None
    outcome = rule.take(
        record,
        rule.Take(
            facet=command.facet,
            id=lock_id,
            info=command.info,
            principal=caller.who.principal,
            name=caller.who.name,
            credential=caller.who.credential,
            now=caller.now,
            operation=document.operation,
            who=document.who,
            invocation=caller.invocation,
            peer=caller.peer,
            agent=caller.agent[:200],
            kind=caller.who.kind,
            link=caller.who.link,
            rejoin=command.rejoin,
        ),
    )
    lock = outcome.lock
    assert lock is not None
    if outcome.verdict is _HELD:
        raise held(address, lock, last_seen=last_seen(tx, lock) if lock.stale is not None else 0.0)
    if not state.is_state:
        tx.save_state(msgspec.structs.replace(state, is_state=True))
    if outcome.verdict is _AGAIN:
        if outcome.record is not record and not tx.save_lock(state, outcome.record, record.epoch):
            raise _changed_meanwhile(state)
    else:
        verb = "taken" if outcome.verdict is _GRANTED else "joined"
        told = event(caller, lock, lock.holds[-1], verb, version=_version(document, caller))
        change(tx, caller, state, record, outcome.record, told, outcome.lock)
    return Taken(outcome.verdict, lock, record.fences)


def release_held(tx: Transaction, caller: Caller, command: Unlock) -> Verdict | None:
    """As `release`; None, and nothing is done, when nobody holds the lock."""
    found = tx.state_and_lock(command.address)
    return None if found is None or found[1].lock is None else release(tx, caller, command, found)


def release(
    tx: Transaction, caller: Caller, command: Unlock, found: tuple[StateRecord, LockRecord] | None = None
) -> Verdict:
    """Release a facet or the lock; releasing what is released already is a success.

    `found`: the state and its lock as this transaction has read them.

    Errors: `lock.mismatch` when another lock is held than the one named or last read; `access.denied` when it would be
    a force-unlock and the caller may not; `lock.maintenance` when what it means is no lock but the maintenance that
    stands there; `namespace.not_found`.
    """
    address = command.address
    namespaces.get(tx, caller, address.namespace)
    who = caller.who
    may_force = allows(who.grants, _FORCE_UNLOCK, address.namespace, address.key)
    if not may_force:
        require_locking(who, address)
    found = found or tx.state_and_lock(address)
    if found is None or found[1].lock is None:
        closed = maintained(tx, address, caller.now)
        if closed is not None and (command.force or closed.id in (command.id, command.last_read)):
            raise under_maintenance(address, closed, "unlock")
    if found is None:
        return Verdict.NOTHING
    state, record = found
    if who.ended_at:
        grace.require_lock(who, grace.Act.UNLOCK, record, caller.now)
    outcome = rule.release(
        record,
        rule.Release(
            facet=command.facet,
            credential=who.credential,
            now=caller.now,
            seq=state.current,
            id=command.id,
            last_read=command.last_read,
            invocation=caller.invocation,
            may_force=may_force,
            force=command.force,
            reason=command.reason,
            by=who.name,
        ),
    )
    lock = outcome.lock
    verb = _VERBS.get(outcome.verdict)
    if verb is not None:
        assert lock is not None
        reason = command.reason
        if verb == "forced" and not reason:
            reason = f"unlocked through {command.facet} by {who.name}"
        told = event(caller, lock, lock.holds[0], verb, reason, command.facet)
        change(tx, caller, state, record, outcome.record, told, lock)
        return outcome.verdict
    match outcome.verdict:
        case Verdict.MISMATCH:
            assert lock is not None
            raise LockMismatch(
                f"cannot unlock {address.lock_id}: it is held with lock id {lock.id!r}, not the one you name",
                info=document_of(address, lock, lock.holds[0]),
                hint=f"lockhouse lock show {address.words}",
            )
        case Verdict.FORBIDDEN:
            assert lock is not None
            raise AccessDenied(
                f"cannot force-unlock {address.lock_id}: {lock.holder} holds it and {who.name} has no grant of "
                "'force-unlock' there",
                hint=f"ask {lock.name}, or an administrator: lockhouse lock force-unlock {address.words} --reason TEXT",
                right=str(Right.FORCE_UNLOCK),
            )
        case Verdict.NOTHING:
            if outcome.record is not record and not tx.save_lock(state, outcome.record, record.epoch):
                raise _changed_meanwhile(state)
        case _:
            raise AssertionError(outcome.verdict)
    return outcome.verdict


def withdraw(tx: Transaction, caller: Caller, address: Address, taken: Taken, why: str) -> None:
    """Give back a lock that the client does not know to be granted: only that very grant, without a tombstone, and with
    the fence that it had ended. A client that has asked again meanwhile, and was told, knows of it."""
    state = tx.state(address)
    if state is None:
        return
    record = tx.lock(state)
    lock = record.lock
    if lock is None or lock.epoch != taken.lock.epoch or len(lock.holds) != 1 or lock.retold:
        return
    if taken.verdict is not _GRANTED or lock.credential != caller.who.credential:
        return
    free = msgspec.structs.replace(record, lock=None, fences=taken.fences)
    if tx.save_lock(state, free, record.epoch):
        _tell(tx, caller, state, event(caller, lock, lock.holds[0], "withdrawn", why))


def show(tx: Reader, caller: Caller, address: Address, facet: Facet) -> tuple[str, bytes] | None:
    """(lock id, document) as this facet shows it to this caller, or None when there is none. Needs `lock` or `read`.

    While nobody holds it under maintenance, that of the maintenance."""
    namespaces.address_in(tx, caller, address)
    _require_sight(caller, address)
    state = tx.state(address)
    record = FREE if state is None else tx.lock(state)
    grace.require_lock(caller.who, grace.Act.SHOW, record, caller.now)
    hold = rule.view(record, facet, caller.who.credential, caller.now)
    if hold is None:
        closed = maintained(tx, address, caller.now)
        return None if closed is None else (closed.id, maintenance_document(address, closed))
    lock = record.lock
    if lock is None:
        return hold.id, hold.info
    return hold.id, document_of(address, lock, hold)


def inspect(tx: Reader, caller: Caller, address: Address) -> tuple[LockRecord, Sequence[LockEvent]]:
    """The lock record of an address and its newest history. Needs `lock` or `read`. Errors: `lock.not_found` when
    the address was never locked and no maintenance stands there."""
    namespaces.address_in(tx, caller, address)
    _require_sight(caller, address)
    state = tx.state(address)
    if state is None:
        if maintained(tx, address, caller.now) is not None:
            return FREE, ()
        raise LockNotFound(f"cannot find a lock on {address.lock_id}: it was never locked", hint="lockhouse lock list")
    return tx.lock(state), tx.lock_events(state)


def list_held(
    tx: Reader, caller: Caller, namespace: str = "", prefix: str = "", after: Address | None = None, limit: int = 1000
) -> tuple[Sequence[LockView], Address | None]:
    """Held locks that the caller may see, in address order, and where to go on (None: that was all)."""
    found: list[tuple[Address, Lock]] = []
    while True:
        page = tx.held_locks(namespace, prefix, after, limit)
        for state, record in page:
            address = state.address
            if record.lock is not None and sees(caller, address):
                found.append((address, record.lock))
                if len(found) == limit:
                    return _views(tx, found), address
        if len(page) < limit:
            return _views(tx, found), None
        after = page[-1][0].address


def _views(tx: Reader, found: list[tuple[Address, Lock]]) -> list[LockView]:
    asked = list(dict.fromkeys(credential for _, lock in found for credential in lock.credentials))
    uses: dict[str, float] = {}
    for start in range(0, len(asked), _USES):
        uses |= tx.last_uses(asked[start : start + _USES])
    return [LockView(address, lock, _newest(lock, uses)) for address, lock in found]


def last_seen(tx: Reader, lock: Lock) -> float:
    """When the holder's credential was last used, as far as that is written down; 0: it is not."""
    return _newest(lock, tx.last_uses(lock.credentials))


def _newest(lock: Lock, uses: dict[str, float]) -> float:
    return max(uses.get(each, 0.0) for each in lock.credentials)


def is_stale(lock: Lock, seen: float) -> bool:
    """Whether there is evidence that nobody has refuted by being seen (seconds since 1970) after it was found."""
    return lock.stale is not None and seen <= lock.stale.at


def holder_words(lock: Lock) -> str:
    """Who holds a lock since when, and in which CI job."""
    words = f"{lock.name} holds it since {moment(lock.at)}"
    return f"{words} (job: {lock.link})" if lock.link else words


def held(address: Address, lock: Lock, *, last_seen: float = 0.0) -> LockHeld:
    """The refusal that names the holder, its CI job, and what speaks for its being gone."""
    stale = lock.stale if is_stale(lock, last_seen) else None
    evidence = f"; stale: {stale.why}" if stale is not None else ""
    way = "release --stale" if stale is not None else "force-unlock"
    end = "" if stale is not None else " --reason TEXT"
    return LockHeld(
        f"cannot lock {address.lock_id}: {holder_words(lock)}{evidence}",
        info=document_of(address, lock, lock.holds[0]),
        hint=f"wait, or: lockhouse lock {way} {address.words}{end}",
        holder=lock.name,
        job=lock.link,
        stale=stale.why if stale is not None else "",
    )


def may_lock(who: Identity, address: Address) -> bool:
    """Whether the caller may take and release a lock of its own there, be it only to plan."""
    return any(allows(who.grants, right, *address) for right in (Right.LOCK, Right.PLAN))


def require_locking(who: Identity, address: Address) -> None:
    """AccessDenied (`access.denied`) unless `may_lock`."""
    if not may_lock(who, address):
        require(who, Right.LOCK, *address)


def _require_planning(caller: Caller, address: Address, operation: str) -> None:
    """For who has no right to `lock`. A lock for something that writes is refused to who may only plan: else Terraform
    would change resources first and learn only afterwards that it cannot save what it did."""
    if not allows(caller.who.grants, Right.PLAN, *address):
        require(caller.who, Right.LOCK, *address)
    if operation not in PLANNING:
        raise AccessDenied(
            f"cannot lock {address.lock_id} for {operation[:80]}: {caller.who.name} may plan there and not write",
            hint=f"an administrator can grant it: lockhouse access grant {caller.who.grantee} --role applier "
            f"--on {shell_word(address.lock_id)}",
            right=str(Right.LOCK),
        )


def _require_sight(caller: Caller, address: Address) -> None:
    if not sees(caller, address):
        require(caller.who, Right.READ, address.namespace, address.key)


def sees(caller: Caller, address: Address) -> bool:
    """Whether the caller may see the lock of this address and its history."""
    grants = caller.who.grants
    return any(
        allows(grants, right, address.namespace, address.key) for right in (Right.READ, Right.LOCK, Right.FORCE_UNLOCK)
    )


def _version(document: LockDocument, caller: Caller) -> str:
    """The client's version, so that one can tell later who still locks with which."""
    if document.version:
        return document.version[:32]
    named = _CLIENT.search(caller.agent[:200])
    return named.group(1) if named else ""


def event(
    caller: Caller,
    lock: Lock,
    hold: Hold,
    verb: str,
    reason: str = "",
    facet: Facet | None = None,
    version: str = "",
) -> LockEvent:
    return LockEvent(
        seq=0,
        at=caller.now,
        verb=verb,
        lock_id=hold.id,
        epoch=lock.epoch,
        facet=str(facet or hold.facet),
        principal=caller.who.principal,
        name=caller.who.name,
        who=hold.who,
        operation=hold.operation,
        reason=reason,
        version=version,
        link=caller.who.link if verb in ("taken", "joined") else "",
    )


def change(
    tx: Transaction,
    caller: Caller,
    state: StateRecord,
    record: LockRecord,
    changed: LockRecord,
    told: LockEvent,
    lock: Lock | None,
) -> None:
    """Keep what became of the lock's record, and tell of it. `lock`: which it is about."""
    if not tx.save_lock(state, changed, record.epoch):
        raise _changed_meanwhile(state)
    _tell(tx, caller, state, told, lock)


def _tell(tx: Transaction, caller: Caller, state: StateRecord, told: LockEvent, lock: Lock | None = None) -> None:
    tx.add_lock_event(state, told)
    detail = told.reason or told.link
    if lock is not None and told.verb in _ABOUT_HOLDER:
        detail = f"{detail}; {holder_words(lock)}" if detail else holder_words(lock)
    audit.note(tx, caller, f"lock.{told.verb}", state.address, subject=told.lock_id, detail=detail)


def _changed_meanwhile(state: StateRecord) -> StorageUnavailable:
    return StorageUnavailable(
        f"cannot lock {state.address.lock_id}: its lock changed in the same moment", hint="try again"
    )
