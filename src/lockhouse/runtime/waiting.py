"""The queues of clients whose lock request is being held: first come, first served.

A queue lives on the event loop, one for each address that somebody waits for. Only its head is woken when the lock
may be free, and it stays the head until it has the lock, gives up or leaves; a request that comes later queues up
behind it. What decides is always the store: a queue only chooses who asks next. Clients that poll are remembered for
display, and a free lock is never kept back for them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from lockhouse.core.addresses import Address
from lockhouse.service.callers import Caller

POLLER_SECONDS = 30.0
MAX_POLLERS = 1000


@dataclass(eq=False)
class Waiter:
    """One held request."""

    caller: Caller
    since: float
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Poller:
    """Somebody who was refused and will probably ask again."""

    caller: Caller
    since: float
    last: float
    told: bool = False
    """Whether somebody was told that it waits long."""


class Waiting:
    """All queues of this process."""

    def __init__(self) -> None:
        self.ending = False
        self._queues: dict[Address, deque[Waiter]] = {}
        self._pollers: OrderedDict[tuple[Address, str], Poller] = OrderedDict()

    @property
    def count(self) -> int:
        """Held requests in all queues."""
        return sum(len(queue) for queue in self._queues.values())

    def is_empty(self, address: Address) -> bool:
        return address not in self._queues

    def join(self, address: Address, caller: Caller) -> Waiter:
        waiter = Waiter(caller, caller.now)
        self._queues.setdefault(address, deque()).append(waiter)
        return waiter

    def is_head(self, address: Address, waiter: Waiter) -> bool:
        queue = self._queues.get(address)
        return bool(queue) and queue is not None and queue[0] is waiter

    def leave(self, address: Address, waiter: Waiter) -> None:
        """Out of the queue; whoever is the head now asks once, since a wake-up may have been meant for the leaver."""
        queue = self._queues[address]
        queue.remove(waiter)
        if not queue:
            del self._queues[address]
        else:
            queue[0].woken.set()

    def wake(self, address: Address) -> None:
        """The lock may be free: the head asks."""
        queue = self._queues.get(address)
        if queue:
            queue[0].woken.set()

    def wake_all(self, at: Callable[[Address], bool]) -> None:
        """As `wake`, at all these addresses."""
        for address, queue in self._queues.items():
            if at(address):
                queue[0].woken.set()

    def end_all(self) -> None:
        """The server is stopping: every held request is answered now."""
        self.ending = True
        for queue in self._queues.values():
            for waiter in queue:
                waiter.woken.set()

    def saw_refusal(self, address: Address, caller: Caller) -> Poller:
        key = (address, caller.who.credential)
        poller = self._pollers.pop(key, None)
        if poller is None or caller.now - poller.last > POLLER_SECONDS:
            poller = Poller(caller, caller.now, caller.now)
        poller.last = caller.now
        self._pollers[key] = poller
        if len(self._pollers) > MAX_POLLERS:
            self._pollers.popitem(last=False)
        return poller

    def saw_grant(self, address: Address, caller: Caller) -> None:
        self._pollers.pop((address, caller.who.credential), None)

    def waiters(self, address: Address) -> list[Waiter]:
        """In the order in which they will be served."""
        return list(self._queues.get(address, ()))

    def pollers(self, address: Address, now: float) -> list[Poller]:
        return [
            poller
            for (where, _), poller in self._pollers.items()
            if where == address and now - poller.last <= POLLER_SECONDS
        ]
