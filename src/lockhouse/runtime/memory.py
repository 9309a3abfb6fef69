"""What this process remembers of recent requests: which lock a credential last saw or was refused by, which version
it last headed.

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
REFUSAL_SECONDS = 5.0


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


class Refusals(_Recent[tuple[str, bytes, float, int]]):
    """(credential and program, address) → the lock that it was refused for a moment ago: its id and document.

    S3 and DynamoDB clients read the holder in a second request, and give up instead of trying again when they find
    nothing. So whoever was just refused is still shown, once, who it was, when that lock was released in between. Runs
    may share a credential, and an unlock reads too: so every refusal and release counts one up, every reading one
    down, and the answer is owed while the balance is positive. Whatever else reads with that credential (a script with
    the AWS CLI, say) is another program and counts for itself.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)

    def refused(self, credential: str, address: Address, lock_id: str, document: bytes, now: float) -> None:
        balance = self._balance(credential, address, now)
        self.note(credential, address, (lock_id, document, now + REFUSAL_SECONDS, balance + 1))

    def read(self, credential: str, address: Address) -> None:
        """Count that a held lock was shown to the credential."""
        self._count(credential, address, -1)

    def released(self, credential: str, address: Address) -> None:
        """Count that the credential has released: one of its readings was that of the unlock."""
        self._count(credential, address, 1)

    def owed(self, credential: str, address: Address, now: float) -> tuple[str, bytes] | None:
        """(lock id, document) for a credential that finds no lock and was refused by one."""
        if self._balance(credential, address, now) <= 0:
            return None
        self._count(credential, address, -1)
        lock_id, document, _, _ = self._entries[credential, address]
        return lock_id, document

    def _count(self, credential: str, address: Address, change: int) -> None:
        entry = self._entries.get((credential, address))
        if entry is not None:
            lock_id, document, until, balance = entry
            self._entries[credential, address] = (lock_id, document, until, balance + change)

    def _balance(self, credential: str, address: Address, now: float) -> int:
        entry = self._entries.get((credential, address))
        return entry[3] if entry is not None and now < entry[2] else 0
