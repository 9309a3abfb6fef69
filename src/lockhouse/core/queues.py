"""The queue for a lock: who asks for it next. And what replicas must know of each other's requests.

Theory
------
A queue is a value: the requests that are held for one address, in the order in which they came. Six rules:

1. *Behind all.* Whoever comes while somebody waits stands behind them (`join`), though the lock be free at that moment.
2. *The head alone asks*, and stays the head until it has the lock, gives up or leaves. So nobody overtakes, and one
   release wakes one request, however many wait.
3. *The head asks at once* when it has come to an empty queue, when whoever stood before it has left, and whenever the
   lock may be free (a release, the end of maintenance). A wake-up can be meant for somebody who is just leaving: that
   is why leaving wakes the next (`leave` says whom).
4. *Anybody may leave from any place*: with the lock, at the end of its time, or because its client has gone.
5. *The dead stand in nobody's way.* With several replicas the queue is stored; the requests of a replica that has not
   said for `ALIVE_SECONDS` that it runs count no more (`living`).
6. *Who polls does not wait.* A client that was refused and will probably ask again is shown beside the queue, but a
   free lock is never kept back for it.

A queue decides who asks, never who gets the lock: that is `core.locks`, in the transaction that takes it. All functions
are pure. With one process the queues are in memory (`runtime.waiting` adds the events that wake). With several, a
client's next request may reach another replica; so what is waited for, and what a credential saw a moment ago, is
stored too, and every replica looks there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from lockhouse.core.addresses import Address

ALIVE_SECONDS = 5.0
"""A replica that has not said for so long that it runs is not waited for."""
POLLER_SECONDS = 30.0
"""Who was refused and has not asked again for so long is not expected any more."""


class Queued(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lock request that is held."""

    id: str
    address: Address
    replica: str
    """Which holds it; empty where there is one process."""
    since: float
    name: str = ""
    peer: str = ""
    agent: str = ""


Queue = tuple[Queued, ...]
"""Who waits at one address, in order of arrival."""
NOBODY: Queue = ()


def join(queue: Queue, request: Queued) -> Queue:
    """The queue with this request at its end."""
    return (*queue, request)


def leave(queue: Queue, request_id: str) -> tuple[Queue, Queued | None]:
    """The queue without this request, and who asks for the lock now: the head, whoever left."""
    rest = tuple(each for each in queue if each.id != request_id)
    return rest, head(rest)


def head(queue: Queue) -> Queued | None:
    """Who asks when the lock may be free."""
    return queue[0] if queue else None


def is_behind(queue: Queue, request_id: str = "") -> bool:
    """Whether somebody stands in front of this request; without an id: of whoever comes now."""
    return bool(queue) and queue[0].id != request_id


def living(found: Sequence[tuple[Queued, float]], alive_since: float, request_id: str = "") -> Queue:
    """The queue without what dead replicas have left in it. `found` has each request with the time at which its replica
    last said that it runs. The request that asks (`request_id`) is not dead, however long its replica was silent."""
    return tuple(each for each, said in found if said >= alive_since or each.id == request_id)


class Poller(msgspec.Struct, frozen=True):
    """A client that was refused and will probably ask again. Times in seconds since 1970."""

    name: str
    peer: str
    agent: str
    since: float
    """Its first refusal of those that follow each other within `POLLER_SECONDS`."""
    last: float
    told: bool = False
    """Whether somebody was told that it waits long."""

    def is_expected(self, now: float) -> bool:
        """Whether it may still ask again."""
        return now - self.last <= POLLER_SECONDS


def refused(before: Poller | None, poller: Poller, notice: float) -> tuple[Poller, bool]:
    """What is remembered of a client that was refused just now (`poller`), and whether somebody is to be told: once,
    when it has been asking for `notice` seconds or longer. `before`: what was remembered of it."""
    if before is None or not before.is_expected(poller.last):
        before = poller
    tell = not before.told and poller.last - before.since >= notice
    return msgspec.structs.replace(poller, since=before.since, told=before.told or tell), tell


class Recollection(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one credential last saw at one address. Times in seconds since 1970; 0: never."""

    read_id: str = ""
    """The lock that it last read."""
    read_at: float = 0.0
    pin_seq: int = 0
    """The version that it last headed, to serve the ranges that follow from; until `pin_until`."""
    pin_until: float = 0.0
    refused_id: str = ""
    """The lock that it was refused for, with its document, until `refused_until`."""
    refused_info: bytes = b""
    refused_until: float = 0.0
    owed_to: dict[str, int] = {}
    """By program: refusals and releases less readings (`runtime.memory.Refusals`)."""


class QueueReader(Protocol):
    """The part of `Reader` about replicas."""

    def queue(self, address: Address) -> Sequence[tuple[Queued, float]]:
        """Who waits there in order of arrival, each with the time at which its replica last said that it runs."""
        ...

    def next_to_ask(self, replica: str, alive_since: float) -> Sequence[str]:
        """Ids of what this replica holds at addresses that nobody has locked, and that no request of a living replica
        is in front of. Living: it said so at `alive_since` or later."""
        ...

    def recollection(self, credential: str, address: Address) -> Recollection | None: ...


class QueueWriter(Protocol):
    """The part of `Transaction` about replicas."""

    def say_alive(self, replica: str, now: float) -> None: ...
    def enqueue(self, queued: Queued) -> None: ...
    def dequeue(self, queued_id: str) -> None: ...
    def forget_replicas(self, before: float) -> None:
        """Those that last said before then that they run, with what they held."""
        ...

    def save_recollection(self, credential: str, address: Address, found: Recollection, now: float) -> None:
        """At an address that has a state."""
        ...

    def forget_recollections(self, before: float, limit: int = 1000) -> int:
        """Those saved before then; answers how many."""
        ...
