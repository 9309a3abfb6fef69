"""One queue for all replicas: who came first is served first, whichever replica holds the request.

Each held request has a row in the store. Whoever asks for a free lock while a request of a living replica is in front
of it is not given it. A release on this replica wakes its own first request at once; what others release is found by
one query for the whole replica, every `POLL_SECONDS` while it holds anything. The same round says that the replica is
alive: the requests of one that died stand in nobody's way for longer than `ALIVE_SECONDS`. That a lock is free is
always decided by the command that takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.queues import ALIVE_SECONDS, Queued
from lockhouse.errors import Problem
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.waiting import Waiter
from lockhouse.service.maintenance import maintained

POLL_SECONDS = 0.2
SAY_SECONDS = 1.0
_log = logging.getLogger("lockhouse.queue")


class SharedQueue:
    """The part of the queue that this replica holds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._replica = secrets.token_hex(8)
        self._held: dict[str, tuple[Waiter, Address]] = {}
        self._rounds: asyncio.Task[None] | None = None

    async def join(self, address: Address, waiter: Waiter) -> str:
        """Stand in the queue; the id of the place. Errors: `storage.unavailable`."""
        caller, now = waiter.caller, self._engine.now()
        place = Queued(
            id=secrets.token_hex(12),
            address=address,
            replica=self._replica,
            since=waiter.since,
            name=caller.who.name,
            peer=caller.peer,
            agent=caller.agent[:200],
        )

        def command(tx: Transaction) -> None:
            tx.say_alive(self._replica, now)
            tx.enqueue(place)

        self._held[place.id] = waiter, address
        try:
            await self._engine.write(command)
        except BaseException:
            await self.leave(place.id)
            raise
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._poll())
        return place.id

    async def leave(self, place: str) -> None:
        """Out of the queue; what cannot be removed now goes when this replica has been silent, or is swept."""
        self._held.pop(place, None)
        with contextlib.suppress(Problem):
            await asyncio.shield(self._engine.write(lambda tx: tx.dequeue(place)))

    def living(self, tx: Reader, address: Address, now: float) -> list[Queued]:
        """The queue without what dead replicas have left in it."""
        return [each for each, alive in tx.queue(address) if alive >= now - ALIVE_SECONDS]

    def is_behind(self, tx: Reader, address: Address, now: float, place: str = "") -> bool:
        """Whether a request of a living replica is in front of this one (without a place: of somebody new)."""
        for each, alive in tx.queue(address):
            if each.id == place:
                return False
            if alive >= now - ALIVE_SECONDS:
                return True
        return False

    async def _poll(self) -> None:
        said = self._engine.now()
        while self._held:
            await asyncio.sleep(POLL_SECONDS)
            now = self._engine.now()
            try:
                if now - said >= SAY_SECONDS:
                    await self._engine.write(lambda tx, now=now: tx.say_alive(self._replica, now))  # type: ignore[misc]
                    said = now
                for waiter in await self._engine.read(lambda tx, now=now: self._to_ask(tx, now)):  # type: ignore[misc]
                    waiter.woken.set()
            except Problem as problem:
                _log.warning("Cannot look after held requests error=%s", problem.message)

    def _to_ask(self, tx: Reader, now: float) -> list[Waiter]:
        """Those whose lock may be theirs now: free, nobody in front, and no maintenance in the way."""
        found = (self._held.get(place) for place in tx.next_to_ask(self._replica, now - ALIVE_SECONDS))
        return [each[0] for each in found if each is not None and maintained(tx, each[1], now) is None]
