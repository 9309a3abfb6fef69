"""What replicas know of each other, in the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.addresses import Address
from lockhouse.core.locks import LockRecord
from lockhouse.core.queues import Queued, Recollection, is_behind, living
from lockhouse.core.records import StateRecord


@dataclass
class QueueMaps:
    """The maps that this needs; the first in a map of requests is the one that came first."""

    waiters: dict[str, Queued] = field(default_factory=dict)
    replicas: dict[str, float] = field(default_factory=dict)
    recollections: dict[tuple[str, Address], tuple[float, Recollection]] = field(default_factory=dict)
    states: dict[Address, StateRecord] = field(default_factory=dict)
    locks: dict[int, LockRecord] = field(default_factory=dict)


class QueueReads:
    """The part of `Reader` about replicas."""

    _maps: QueueMaps

    def queue(self, address: Address) -> Sequence[tuple[Queued, float]]:
        return [
            (each, self._maps.replicas.get(each.replica, 0.0))
            for each in self._maps.waiters.values()
            if each.address == address
        ]

    def next_to_ask(self, replica: str, alive_since: float) -> Sequence[str]:
        found: list[str] = []
        for each in self._maps.waiters.values():
            state = self._maps.states.get(each.address)
            record = self._maps.locks.get(state.id) if state is not None else None
            queue = living(self.queue(each.address), alive_since, each.id)
            if each.replica == replica and not is_behind(queue, each.id) and (record is None or record.lock is None):
                found.append(each.id)
        return found

    def recollection(self, credential: str, address: Address) -> Recollection | None:
        found = self._maps.recollections.get((credential, address))
        return found[1] if found is not None else None


class QueueWrites(QueueReads):
    """The part of `Transaction` about replicas."""

    def say_alive(self, replica: str, now: float) -> None:
        self._maps.replicas[replica] = now

    def enqueue(self, queued: Queued) -> None:
        if queued.id in self._maps.waiters:
            raise ValueError(f"request {queued.id} waits already")
        self._maps.waiters[queued.id] = queued

    def dequeue(self, queued_id: str) -> None:
        self._maps.waiters.pop(queued_id, None)

    def forget_replicas(self, before: float) -> None:
        for name, each in list(self._maps.waiters.items()):
            if self._maps.replicas.get(each.replica, 0.0) < before:
                del self._maps.waiters[name]
        for replica, at in list(self._maps.replicas.items()):
            if at < before:
                del self._maps.replicas[replica]

    def save_recollection(self, credential: str, address: Address, found: Recollection, now: float) -> None:
        self._maps.recollections[credential, address] = (now, found)

    def forget_recollections(self, before: float, limit: int = 1000) -> int:
        due = sorted(place for place, (at, _) in self._maps.recollections.items() if at < before)[:limit]
        for place in due:
            del self._maps.recollections[place]
        return len(due)
