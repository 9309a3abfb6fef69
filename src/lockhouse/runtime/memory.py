"""What this process remembers of recent reads: which lock a credential last saw, which version it last headed.

Losing it (a restart) is safe: an unlock then falls back to "the holder's own credential", and a ranged read is served
from the newest version. Both memories are bounded; the oldest entries go first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from lockhouse.core.addresses import Address

V = TypeVar("V")
CAPACITY = 100_000
PIN_SECONDS = 120.0


class _Recent(Generic[V]):
    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[tuple[str, Address], V] = OrderedDict()

    def note(self, credential: str, address: Address, value: V) -> None:
        key = (credential, address)
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def get(self, credential: str, address: Address) -> V | None:
        return self._entries.get((credential, address))


class LastReads(_Recent[str]):
    """(credential, address) → id of the lock that it last read or took there."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)


class Pins(_Recent[tuple[int, float]]):
    """(credential, address) → seq of the version that it last headed, for the ranged reads that follow."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)

    def pin(self, credential: str, address: Address, seq: int, now: float) -> None:
        self.note(credential, address, (seq, now + PIN_SECONDS))

    def pinned(self, credential: str, address: Address, now: float) -> int:
        """The seq to serve a range from; 0: the newest."""
        entry = self.get(credential, address)
        return entry[0] if entry is not None and now < entry[1] else 0
