"""The queues of this process, and the events that wake who is next.

The rule is `core.queues`; this adds to each held request the event that wakes it on the event loop. What decides is
always the store: a queue only chooses who asks next. Clients that poll are remembered for display.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from lockhouse.core import queues
from lockhouse.core.addresses import Address
from lockhouse.core.queues import NOBODY, Poller, Queue, Queued
from lockhouse.service.callers import Caller

MAX_POLLERS = 1000
_AGENT_CHARACTERS = 200


@dataclass(eq=False)
class Waiter:
    """One held request."""

    request: Queued
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Waiting:
    """All queues of this process."""

    def __init__(self) -> None:
        self.ending = False
        self._queues: dict[Address, Queue] = {}
        self._waiters: dict[str, Waiter] = {}
        self._pollers: OrderedDict[tuple[Address, str], Poller] = OrderedDict()

    @property
    def count(self) -> int:
        """Held requests in all queues."""
        return len(self._waiters)

    def queue(self, address: Address) -> Queue:
        """Who waits there, in the order in which they will be served."""
        return self._queues.get(address, NOBODY)

    def join(self, address: Address, caller: Caller) -> Waiter:
        """A request that is held from now on. It asks at once if it is the first."""
        request = Queued(
            id=secrets.token_hex(12),
            address=address,
            replica="",
            since=caller.now,
            name=caller.who.name,
            peer=caller.peer,
            agent=caller.agent[:_AGENT_CHARACTERS],
        )
        waiter = self._waiters[request.id] = Waiter(request)
        self._queues[address] = queues.join(self.queue(address), request)
        return waiter

    def is_head(self, waiter: Waiter) -> bool:
        return not queues.is_behind(self.queue(waiter.request.address), waiter.request.id)

    def leave(self, waiter: Waiter) -> None:
        """Out of the queue, from whatever place; who is next asks."""
        address = waiter.request.address
        del self._waiters[waiter.request.id]
        rest, following = queues.leave(self._queues[address], waiter.request.id)
        if rest:
            self._queues[address] = rest
        else:
            del self._queues[address]
        self._wake(following)

    def wake(self, address: Address) -> None:
        """The lock may be free: the head asks."""
        self._wake(queues.head(self.queue(address)))

    def wake_all(self, at: Callable[[Address], bool]) -> None:
        """As `wake`, at all these addresses."""
        for address in self._queues:
            if at(address):
                self.wake(address)

    def end_all(self) -> None:
        """The server is stopping: every held request is answered now."""
        self.ending = True
        for waiter in self._waiters.values():
            waiter.woken.set()

    def saw_refusal(self, address: Address, caller: Caller, notice: float) -> float | None:
        """Somebody was refused. Answers for how long it has been asking, where that is to be told now: once, when it
        is `notice` seconds or longer."""
        key = (address, caller.who.credential)
        new = Poller(caller.who.name, caller.peer, caller.agent[:_AGENT_CHARACTERS], caller.now, caller.now)
        poller, tell = queues.refused(self._pollers.pop(key, None), new, notice)
        self._pollers[key] = poller
        if len(self._pollers) > MAX_POLLERS:
            self._pollers.popitem(last=False)
        return poller.last - poller.since if tell else None

    def saw_grant(self, address: Address, caller: Caller) -> None:
        self._pollers.pop((address, caller.who.credential), None)

    def pollers(self, address: Address, now: float) -> list[Poller]:
        """Who was refused there and may ask again."""
        return [each for (where, _), each in self._pollers.items() if where == address and each.is_expected(now)]

    def _wake(self, request: Queued | None) -> None:
        if request is not None:
            self._waiters[request.id].woken.set()
