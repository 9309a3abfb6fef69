"""What replicas must know of each other's requests: who waits for a lock, and what a credential saw a moment ago.

With one process all of this is in memory (`runtime.waiting`, `runtime.memory`). With several, a client's next request
may reach another replica; so it is stored, and every replica looks there. None of it decides who holds a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from lockhouse.core.addresses import Address

ALIVE_SECONDS = 5.0
"""A replica that has not said for so long that it runs is not waited for."""


class Queued(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lock request that a replica holds."""

    id: str
    address: Address
    replica: str
    since: float
    name: str = ""
    peer: str = ""
    agent: str = ""


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
    owed: int = 0
    """Refusals and releases less readings (`runtime.memory.Refusals`)."""


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
