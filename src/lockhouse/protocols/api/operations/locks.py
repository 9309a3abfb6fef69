"""Locks: who holds what, who waits, what happened, and taking a lock away."""

from __future__ import annotations

from collections.abc import Sequence

from lockhouse.core.addresses import Address
from lockhouse.core.locks import LockRecord
from lockhouse.core.maintenance import Maintenance
from lockhouse.core.policies import Policy
from lockhouse.core.ports import Reader
from lockhouse.core.records import LockEvent
from lockhouse.core.staleness import Rule
from lockhouse.errors import LockNotFound
from lockhouse.protocols.api import views, wire, wire_locks
from lockhouse.protocols.api.call import Call
from lockhouse.service import locks, namespaces
from lockhouse.service.locks import LockView, Unlock
from lockhouse.service.maintenance import maintained
from lockhouse.service.staleness import POLICIES


async def list_held(call: Call) -> wire.Locks:
    """With `stale` only those whose holder is gone by evidence: the questions that wait for somebody."""
    limit, stale = call.limit(), call.switch("stale")
    namespace, prefix = call.query.get("namespace", ""), call.query.get("prefix", "")
    after_namespace, after_key = call.query.get("after_namespace", ""), call.query.get("after_key", "")
    after = Address(after_namespace, after_key) if after_namespace else None

    def look(tx: Reader) -> tuple[Sequence[LockView], Address | None]:
        if namespace:
            namespaces.get(tx, call.caller, namespace)
        return locks.list_held(tx, call.caller, namespace, prefix, after, limit)

    found, following = await call.house.read(look)
    waiting = await call.house.locking.held_requests([each.address for each in found])
    polling = [call.house.locking.waiting.pollers(each.address, call.caller.now) for each in found]
    documents = (
        views.holder(each.address, each.lock, len(held) + len(polls), call.seen(each.lock, each.last_seen))
        for each, held, polls in zip(found, waiting, polling, strict=True)
    )
    return wire.Locks(
        locks=tuple(each for each in documents if each.stale is not None or not stale),
        next_namespace=following.namespace if following else "",
        next_key=following.key if following else "",
    )


async def show(call: Call) -> wire.LockDocumentView:
    address = call.address()

    def look(tx: Reader) -> tuple[LockRecord, Sequence[LockEvent], float, Maintenance | None]:
        record, events = locks.inspect(tx, call.caller, address)
        written = locks.last_seen(tx, record.lock) if record.lock is not None else 0.0
        return record, events, written, maintained(tx, address, call.caller.now)

    record, events, written, closed = await call.house.read(look)
    seen = call.seen(record.lock, written) if record.lock is not None else 0.0
    return views.lock(address, record, events, await _waiters(call, address), seen, closed)


async def force_unlock(call: Call) -> wire.ForceUnlocked:
    """Exactly the lock that was held when the request came is taken away, never one that was granted since."""
    asked = call.document(wire.ForceUnlockAsk)
    address = Address(call.path["namespace"], asked.key)
    record, _ = await call.house.read(lambda tx: locks.inspect(tx, call.caller, address))
    lock = record.lock
    if lock is None:
        raise LockNotFound(
            f"cannot force-unlock {address.lock_id}: it is not locked",
            hint=f"lockhouse lock show {address.words}",
        )
    unlock = Unlock(address=address, facet=lock.holds[0].facet, id=asked.id or lock.id, force=True, reason=asked.reason)
    await call.house.locking.release(call.caller, unlock)
    return wire.ForceUnlocked(namespace=address.namespace, key=address.key, id=lock.id, holder=lock.name)


async def release_stale(call: Call) -> wire_locks.ReleasedStale:
    """The evidence is compared once more with what was seen of the holder since, in the transaction."""
    asked = call.document(wire_locks.ReleaseStaleAsk)
    address = Address(call.path["namespace"], asked.key)
    released = await call.house.locking.release_stale(call.caller, address, asked.id, call.seen)
    return wire_locks.ReleasedStale(
        namespace=address.namespace,
        key=address.key,
        id=released.lock.id,
        holder=released.lock.name,
        why=released.evidence.why,
    )


async def show_policy(call: Call) -> wire_locks.StalePolicyDocument:
    return _policy(call, await call.house.read(lambda tx: POLICIES.show(tx, call.caller, call.path["namespace"])))


async def set_rule(call: Call) -> wire_locks.StalePolicyDocument:
    asked = call.document(wire_locks.StaleRuleAsk)
    rule, name = Rule(asked.prefix, asked.act), call.path["namespace"]
    return _policy(call, await call.house.write(lambda tx: POLICIES.set_rule(tx, call.caller, name, rule)))


async def remove_rule(call: Call) -> wire_locks.StalePolicyDocument:
    name, prefix = call.path["namespace"], call.query.get("prefix", "")
    return _policy(call, await call.house.write(lambda tx: POLICIES.remove_rule(tx, call.caller, name, prefix)))


def _policy(call: Call, policy: Policy[Rule]) -> wire_locks.StalePolicyDocument:
    rules = tuple(wire_locks.StaleRuleDocument(prefix=each.prefix, act=each.act) for each in policy.rules)
    return wire_locks.StalePolicyDocument(namespace=call.path["namespace"], rules=rules)


async def _waiters(call: Call, address: Address) -> tuple[wire.WaiterDocument, ...]:
    (held,) = await call.house.locking.held_requests([address])
    polls = call.house.locking.waiting.pollers(address, call.caller.now)
    return tuple(
        wire.WaiterDocument(name=each.name, since=wire.when(each.since), peer=each.peer, agent=each.agent, polls=False)
        for each in held
    ) + tuple(
        wire.WaiterDocument(name=each.name, since=wire.when(each.since), peer=each.peer, agent=each.agent, polls=True)
        for each in polls
    )
