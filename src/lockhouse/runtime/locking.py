"""Locks as a protocol awaits them: taken at once or in turn, given back, released, shown.

`service.locks` decides, `core.queues` says whose turn it is; here a request is held until its turn has come, its client
has gone or its time is over. Whoever frees a lock here wakes who waits for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from lockhouse.core import queues
from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Lock, Verdict
from lockhouse.core.maintenance import Maintenance
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.queues import Queue
from lockhouse.errors import BodyIncomplete, LockHeld, StorageUnavailable, UnderMaintenance
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.recollections import Asker, Recollections
from lockhouse.runtime.shared_queue import SharedQueue
from lockhouse.runtime.waiting import Waiter, Waiting
from lockhouse.service import locks, staleness
from lockhouse.service.callers import Caller
from lockhouse.service.lock_documents import read_document
from lockhouse.service.locks import TakeLock, Taken, Unlock
from lockhouse.service.maintenance import maintained, under_maintenance
from lockhouse.service.staleness import Released

WITHDRAWN_AGAIN = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pauses in seconds between attempts to give back a lock that nobody knows of."""
_FREED = frozenset({Verdict.RELEASED, Verdict.FORCED})
Gone = Callable[[], Awaitable[None]]
"""Returns when the client has closed its connection."""


class Locking:
    """One server's locks. Make it on the event loop, after `engine.start()`."""

    def __init__(
        self,
        engine: Engine,
        recollections: Recollections,
        *,
        lock_wait: float,
        renewed: Callable[[Reader, Caller], Caller],
    ) -> None:
        """`lock_wait` in seconds. `renewed`: who asked, as it may act now (`service.renewal`)."""
        self.engine = engine
        self.recollections = recollections
        self._renewed = renewed
        self.waiting = Waiting()
        self._queue = None if engine.store.reads_are_local else SharedQueue(engine)
        """Where replicas stand in one queue."""
        self.lock_wait = lock_wait
        self.waiting_notice = math.inf
        """Seconds after which somebody who waits for a lock is told of."""
        self.on_waiting: Callable[[Caller, Address, float], None] = lambda _caller, _address, _waited: None

    async def take(
        self, caller: Caller, command: TakeLock, gone: Gone, kept: Callable[[Reader], bool] | None = None
    ) -> Taken | None:
        """The lock, at once or after waiting in order for up to `lock_wait` seconds.

        `kept` is asked first, in the same transaction, whether this is an address at all; None when it is not.
        Errors as `service.locks.take`; `body.incomplete` when the client left while it waited (it gets no lock)."""
        address = command.address
        refusal: LockHeld | None = None
        waited_for = queues.is_behind(self.waiting.queue(address))

        def take(tx: Transaction) -> Taken | Verdict | None:
            if kept is not None and not kept(tx):
                return Verdict.NOTHING
            return locks.take(tx, caller, command, behind=self._behind(tx, caller, address, waited_for))

        taken: Taken | None = None
        try:
            answer = await self.engine.write(take)
        except LockHeld as problem:
            refusal = problem
        else:
            if isinstance(answer, Verdict):
                return None
            taken = answer
        if taken is None and self.lock_wait > 0 and not self.waiting.ending:
            taken, refusal = await self._wait(caller, command, gone, refusal)
        if taken is None:
            waited = self.waiting.saw_refusal(address, caller, self.waiting_notice)
            if waited is not None:
                self.on_waiting(caller, address, waited)
            refusal = refusal or await self._holder(command)
            held = (read_document(refusal.info).id, refusal.info)
            now = self.engine.now()
            await self.recollections.refused(Asker.of(caller), address, command.facet, held, now)
            raise refusal
        self.recollections.took(caller.who.credential, address, taken.lock.holds[-1].id)
        self.waiting.saw_grant(address, caller)
        return taken

    async def _wait(
        self, caller: Caller, command: TakeLock, gone: Gone, refusal: LockHeld | None
    ) -> tuple[Taken | None, LockHeld | None]:
        address = command.address
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.lock_wait
        waiter = self.waiting.join(address, caller)
        leaving = asyncio.ensure_future(gone())
        try:
            if self._queue is not None:
                await self._queue.join(waiter)
            if self.waiting.is_head(waiter):
                waiter.woken.set()  # the lock may have been released between the refusal and joining
            while True:
                woken = asyncio.ensure_future(waiter.woken.wait())
                end = deadline
                if isinstance(refusal, UnderMaintenance) and refusal.until and self.waiting.is_head(waiter):
                    end = min(deadline, loop.time() + max(0.01, refusal.until - self.engine.now()))
                await asyncio.wait(
                    {woken, leaving}, timeout=max(0.0, end - loop.time()), return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
                if leaving.done():
                    raise BodyIncomplete("the client left while it waited for the lock")
                if self.waiting.ending:
                    return None, refusal
                if not waiter.woken.is_set() and end >= deadline:
                    first = self.waiting.is_head(waiter)  # all others have not asked since they came
                    return None, refusal if first else await self._holder(command, refusal)
                waiter.woken.clear()
                later = msgspec.structs.replace(caller, now=self.engine.now())
                try:
                    taken = await self._ask(later, command, waiter)
                except LockHeld as problem:
                    refusal = problem
                    continue
                if taken is None:
                    continue  # another replica's request came first
                if leaving.done():
                    await self._withdraw_surely(later, address, taken, "the client had gone")
                    raise BodyIncomplete("the client left while it waited for the lock")
                return taken, None
        finally:
            leaving.cancel()
            self.waiting.leave(waiter)
            if self._queue is not None:
                await self._queue.leave(waiter)

    def _behind(self, tx: Transaction, caller: Caller, address: Address, waited_for: bool) -> bool | Callable[[], bool]:
        """Whether somebody who comes now comes behind others, of this server or of all, who wait for the lock."""
        queue = self._queue
        return waited_for if queue is None else lambda: queues.is_behind(queue.queue(tx, address, caller.now))

    async def _ask(self, caller: Caller, command: TakeLock, waiter: Waiter) -> Taken | None:
        """For a request that is held, at its place in the queue of all servers; None: another one's came first."""
        queue = self._queue
        if queue is None:
            return await self.engine.write(lambda tx: locks.take(tx, self._renewed(tx, caller), command))

        def take(tx: Transaction) -> Taken | None:
            place = waiter.request.id
            standing = partial(queue.queue, tx, command.address, caller.now, place)  # asked if the lock is free
            renewed = self._renewed(tx, caller)
            return locks.take(tx, renewed, command, behind=lambda: queues.is_behind(standing(), place))

        return await self.engine.write(take)

    async def withdraw(self, caller: Caller, address: Address, taken: Taken, why: str) -> None:
        """Give back a lock that was granted, and the client will not be told so."""
        await self.engine.write(lambda tx: locks.withdraw(tx, caller, address, taken, why))
        self.waiting.wake(address)

    async def _withdraw_surely(self, caller: Caller, address: Address, taken: Taken, why: str) -> None:
        """As `withdraw`, where nobody waits for the answer: while the database is away it is tried again for a
        while. Else a lock would be held of which nobody knows."""
        for pause in WITHDRAWN_AGAIN:
            try:
                await self.withdraw(caller, address, taken, why)
            except StorageUnavailable:
                await asyncio.sleep(pause)
            else:
                return
        await self.withdraw(caller, address, taken, why)

    async def _holder(self, command: TakeLock, told: LockHeld | None = None) -> LockHeld:
        """The refusal for somebody who queued behind others: who is in the way now; else what it was told before."""

        def look(tx: Reader) -> LockHeld:
            state = tx.state(command.address)
            lock = tx.lock(state).lock if state is not None else None
            closed = maintained(tx, command.address, self.engine.now()) if lock is None else None
            if closed is not None:
                return under_maintenance(command.address, closed, "lock")
            if lock is None:
                return told or LockHeld(
                    f"cannot lock {command.address.lock_id}: others wait for it in front of you",
                    info=command.info,
                    hint="try again",
                    holder="",
                )
            return locks.held(command.address, lock)

        return await self.engine.read(look)

    async def held_requests(self, addresses: Sequence[Address]) -> list[Queue]:
        """Who waits for each lock, at this server or another, in the order in which they will be served."""
        queue = self._queue
        if queue is None:
            return [self.waiting.queue(address) for address in addresses]
        now = self.engine.now()
        return await self.engine.read(lambda tx: [queue.queue(tx, address, now) for address in addresses])

    async def release_stale(
        self, caller: Caller, address: Address, lock_id: str, seen: Callable[[Lock, float], float]
    ) -> Released:
        """Take a lock away by the evidence that is kept with it, then wake who waits. `seen`: when its holder was last
        seen, for the lock and what is written down. Errors as `service.staleness.release`."""

        def act(tx: Transaction) -> Released:
            found = tx.state_and_lock(address)
            lock = found[1].lock if found is not None else None
            now_seen = seen(lock, 0.0) if lock is not None else 0.0
            return staleness.release(tx, caller, address, seen=now_seen, lock_id=lock_id)

        released = await self.engine.write(act)
        self.waiting.wake(address)
        return released

    async def release(self, caller: Caller, command: Unlock) -> Verdict:
        """Release, then wake who waits. Errors as `service.locks.release`."""
        verdict = await self._release(caller, command, None)
        assert verdict is not None
        return verdict

    def release_held(
        self, caller: Caller, command: Unlock, kept: Callable[[Reader], bool]
    ) -> Awaitable[Verdict | None]:
        """As `release`; None, and nothing is done, when nobody holds the lock, or when it is none by `kept`."""
        return self._release(caller, command, kept)

    async def _release(self, caller: Caller, command: Unlock, kept: Callable[[Reader], bool] | None) -> Verdict | None:
        address, credential = command.address, caller.who.credential

        def act(tx: Transaction) -> Verdict | None:
            if kept is not None and not kept(tx):
                return None
            named = command
            if not (command.id or command.last_read):
                last_read = self.recollections.last_read(tx, credential, address)
                named = msgspec.structs.replace(command, last_read=last_read)
            verdict = (locks.release if kept is None else locks.release_held)(tx, caller, named)
            if verdict is not None:
                self.recollections.releases(tx, Asker.of(caller), address, command.facet, caller.now)
            return verdict

        verdict = await self.engine.write(act)
        if verdict is not None:
            self.recollections.released(Asker.of(caller), address, command.facet)
        if verdict in _FREED:
            self.waiting.wake(address)
        return verdict

    def maintenance_changed(self, *found: Maintenance) -> None:
        """Who waits there asks again: at this server now, at others within a moment by their own round."""
        self.waiting.wake_all(lambda at: any(each.namespace == at.namespace and each.covers(at.key) for each in found))

    async def show(self, caller: Caller, address: Address, facet: Facet) -> bytes | None:
        """The lock document as this facet shows it, or None; remembers that this credential has read it."""
        shown = await self.engine.read(lambda tx: locks.show(tx, caller, address, facet))
        return await self.saw(caller, address, shown)

    async def saw(self, caller: Caller, address: Address, shown: tuple[str, bytes] | None) -> bytes | None:
        """The document of what `locks.show` found, remembered as read; for whoever was refused a moment ago and finds
        nothing now, that of the lock that was in its way."""
        seen = await self.recollections.saw(Asker.of(caller), address, shown, caller.now)
        return None if seen is None else seen[1]
