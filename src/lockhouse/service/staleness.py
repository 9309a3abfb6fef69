"""Stale locks: looking at holders, keeping evidence with a lock, and releasing by it.

`core.staleness` judges. Evidence is a field of the lock, so it is shown, carried and gone with it. Whether it still
stands is decided again in the transaction that releases: by the lock, its epoch, the newest version, and when the
holder was last seen, as it is written down and as this server knows it (`seen`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockhouse.core import staleness as rule
from lockhouse.core.addresses import Address
from lockhouse.core.locks import Evidence, Lock
from lockhouse.core.policies import Policy
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require
from lockhouse.core.records import StateRecord
from lockhouse.core.staleness import Act, Holder, Rule
from lockhouse.errors import LockMismatch, LockNotFound
from lockhouse.service import locks, namespaces
from lockhouse.service.callers import Caller
from lockhouse.service.lock_documents import document_of
from lockhouse.service.locks import Unlock
from lockhouse.service.policies import Policies

POLICIES = Policies("stale-locks", Rule, "lockhouse lock policy show", told=lambda rule: str(rule.act))


class Held(msgspec.Struct, frozen=True):
    """A held lock and all that it is judged by."""

    state: StateRecord
    lock: Lock
    holders: tuple[Holder, ...]
    seen: float
    """As it is written down; 0: it is not."""
    act: Act


class Released(msgspec.Struct, frozen=True):
    """A lock that was released by evidence."""

    lock: Lock
    evidence: Evidence


def look(tx: Reader, after: Address | None, limit: int) -> Sequence[Held]:
    """A page of held locks in address order, with what their holders are judged by."""
    page = tx.held_locks("", "", after, limit)
    policies: dict[str, Policy[Rule]] = {}
    found: list[Held] = []
    for state, record in page:
        lock, namespace = record.lock, state.address.namespace
        if lock is None:
            continue
        if namespace not in policies:
            policies[namespace] = POLICIES.of(tx, namespace)
        holders = tuple(_holder(tx, each) for each in lock.credentials)
        act = rule.act_for(policies[namespace], state.address.key)
        found.append(Held(state, lock, holders, locks.last_seen(tx, lock), act))
    return found


def mark(
    tx: Transaction, caller: Caller, address: Address, epoch: int, evidence: Evidence | None, seen: float = 0.0
) -> bool:
    """Keep evidence with the lock of this epoch, or (None) take back what was refuted; whether the lock was there. What
    the holder has refuted since by writing or being seen is not kept: a provider may have taken long to answer."""
    found = tx.state_and_lock(address)
    if found is None or found[1].lock is None or found[1].lock.epoch != epoch:
        return False
    state, record = found
    seen = max(seen, locks.last_seen(tx, found[1].lock)) if evidence is not None else 0.0
    if evidence is not None and not rule.stands(evidence, seq=state.current, seen=seen):
        return False
    lock = msgspec.structs.replace(found[1].lock, stale=evidence)
    verb = "seen-again" if evidence is None else "stale"
    reason = "" if evidence is None else evidence.why
    if evidence is not None and evidence.asks:
        reason = f"{reason}; if that is so: lockhouse lock release --stale {address.words}"
    told = locks.event(caller, lock, lock.holds[0], verb, reason)
    locks.change(tx, caller, state, record, msgspec.structs.replace(record, lock=lock), told, lock)
    return True


def release(
    tx: Transaction, caller: Caller, address: Address, *, seen: float, lock_id: str = "", expected: Lock | None = None
) -> Released:
    """Force the lock by the evidence that is kept with it. `expected`: this very lock and no other.

    Needs `force-unlock`. Errors: `lock.not_found`; `lock.mismatch` for another lock, and when nothing stands against
    its holder; `access.denied`, `namespace.not_found`."""
    namespaces.address_in(tx, caller, address)
    require(caller.who, Right.FORCE_UNLOCK, *address)
    found = tx.state_and_lock(address)
    lock = found[1].lock if found is not None else None
    if found is None or lock is None:
        raise LockNotFound(
            f"cannot release {address.lock_id}: it is not locked",
            hint=f"lockhouse lock show {address.words}",
        )
    seen = max(seen, locks.last_seen(tx, lock))
    other = (lock_id and not lock.has_id(lock_id)) or (expected is not None and lock != expected)
    evidence = lock.stale
    if other or evidence is None or not rule.stands(evidence, seq=found[0].current, seen=seen):
        why = "another lock is held there" if other else "nothing says that its holder is gone"
        raise LockMismatch(
            f"cannot release {address.lock_id} as stale: {why}",
            info=document_of(address, lock, lock.holds[0]),
            hint=f"lockhouse lock show {address.words}; to take it away nevertheless: lockhouse lock "
            f"force-unlock {address.words} --reason TEXT",
        )
    unlock = Unlock(address, lock.holds[0].facet, id=lock.id, force=True, reason=f"stale: {evidence.why}")
    locks.release(tx, caller, unlock, found)
    return Released(lock, evidence)


def _holder(tx: Reader, credential_id: str) -> Holder:
    credential = tx.credential(credential_id)
    if credential is None:
        return Holder(credential_id, None, 0.0)
    principal = tx.principal(credential.principal)
    revoked = credential.revoked_at or (principal.revoked_at if principal is not None else 0.0)
    trust = principal.trust if principal is not None else None
    return Holder(credential_id, credential, revoked, trust.issuer if trust is not None and credential.run else "")
