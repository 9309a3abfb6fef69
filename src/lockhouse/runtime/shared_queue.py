"""One queue for all replicas: who came first is served first, whichever replica holds the request.

Each held request has a row in the store. Whoever asks for a free lock while a request of a living replica is in front
of it is not given it. A release on this replica wakes its own first request at once; what others release is found by
one query for the whole replica, every `POLL_SECONDS` while it holds anything. The same round says that the replica is
alive: the requests of one that died stand in nobody's way for longer than `ALIVE_SECONDS`. It also removes what stands
in the way and is held no more: a row that could not be removed when its request ended. That a lock is free is always
decided by the command that takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.queues import ALIVE_SECONDS, Queue, living
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
        self._held: dict[str, Waiter] = {}
        self._rounds: asyncio.Task[None] | None = None

    async def join(self, waiter: Waiter) -> None:
        """Stand in the queue. Errors: `storage.unavailable`."""
        now = self._engine.now()
        place = msgspec.structs.replace(waiter.request, replica=self._replica)

        def command(tx: Transaction) -> None:
            tx.say_alive(self._replica, now)
            tx.enqueue(place)

        self._held[place.id] = waiter
        await self._engine.write(command)
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._poll())

    async def leave(self, waiter: Waiter) -> None:
        """Out of the queue, joined or not; what cannot be removed now is when it stands in somebody's way."""
        place = waiter.request.id
        self._held.pop(place, None)
        with contextlib.suppress(Problem):
            await asyncio.shield(self._engine.write(lambda tx: tx.dequeue(place)))

    def queue(self, tx: Reader, address: Address, now: float, request_id: str = "") -> Queue:
        """Who waits there, at whichever living replica. `request_id`: who asks."""
        return living(tx.queue(address), now - ALIVE_SECONDS, request_id)

    async def _poll(self) -> None:
        steady = asyncio.get_running_loop().time  # the clock may be set back, and the replica lives on
        said = steady()
        while self._held:
            await asyncio.sleep(POLL_SECONDS)
            now = self._engine.now()
            try:
                if steady() - said >= SAY_SECONDS:
                    await self._engine.write(lambda tx, now=now: tx.say_alive(self._replica, now))  # type: ignore[misc]
                    said = steady()
                asking, left = await self._engine.read(lambda tx, now=now: self._to_ask(tx, now))  # type: ignore[misc]
                for waiter in asking:
                    waiter.woken.set()
                if left:
                    await self._engine.write(lambda tx, left=left: _dequeue(tx, left))  # type: ignore[misc]
            except Problem as problem:
                _log.warning("Cannot look after held requests error=%s", problem.message)
            except Exception:  # noqa: BLE001 - those that wait rely on the next round
                _log.exception("Cannot look after held requests")

    def _to_ask(self, tx: Reader, now: float) -> tuple[list[Waiter], list[str]]:
        """Those whose lock may be theirs now: free, nobody in front, and no maintenance in the way. And the places of
        requests that ended, and stand in front of others all the same."""
        places = tx.next_to_ask(self._replica, now - ALIVE_SECONDS)
        found = [(place, self._held.get(place)) for place in places]
        held = [each for _, each in found if each is not None]
        return (
            [each for each in held if maintained(tx, each.request.address, now) is None],
            [place for place, each in found if each is None],
        )


def _dequeue(tx: Transaction, places: list[str]) -> None:
    for place in places:
        tx.dequeue(place)
