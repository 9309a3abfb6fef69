"""What replicas know of each other, in SQL. Specification: `core.queues`.

A queued request and a replica's row are written by that replica alone, and no decision relies on them: so they are
appended and removed beside everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.queues import Queued, Recollection
from lockhouse.storage.sql.records import Row, encode

_queued = msgspec.msgpack.Decoder(Queued).decode
decode_recollection = msgspec.msgpack.Decoder(Recollection).decode
SAVE_RECOLLECTION = (
    "INSERT INTO recollections (credential, namespace, key, at, record) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (credential, namespace, key) DO UPDATE SET at = excluded.at, record = excluded.record"
)


class QueueReads:
    """The part of `Reader` about replicas."""

    _fetch: Callable[..., list[Row]]

    def queue(self, address: Address) -> Sequence[tuple[Queued, float]]:
        rows = self._fetch(
            "SELECT w.record, r.at FROM waiters w LEFT JOIN replicas r ON r.id = w.replica "
            "WHERE w.namespace = ? AND w.key = ? ORDER BY w.seq LIMIT 1000",
            (address[0], address[1]),
        )
        return [(_queued(row[0]), row[1] or 0.0) for row in rows]

    def next_to_ask(self, replica: str, alive_since: float) -> Sequence[str]:
        rows = self._fetch(
            "SELECT w.id FROM waiters w LEFT JOIN states s ON s.namespace = w.namespace AND s.key = w.key "
            "LEFT JOIN locks l ON l.state_id = s.id AND l.held = 1 WHERE w.replica = ? AND l.state_id IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM waiters e JOIN replicas r ON r.id = e.replica WHERE "
            "e.namespace = w.namespace AND e.key = w.key AND e.seq < w.seq AND r.at >= ?) ORDER BY w.seq LIMIT 1000",
            (replica, alive_since),
        )
        return [row[0] for row in rows]

    def recollection(self, credential: str, address: Address) -> Recollection | None:
        rows = self._fetch(
            "SELECT record FROM recollections WHERE credential = ? AND namespace = ? AND key = ?",
            (credential, address[0], address[1]),
        )
        return decode_recollection(rows[0][0]) if rows else None


class QueueWrites(QueueReads):
    """The part of `Transaction` about replicas."""

    _change: Callable[[str, Row], int]
    _append: Callable[[str, Row], None]
    _write_at: Callable[[Address, str, Row], None]

    def say_alive(self, replica: str, now: float) -> None:
        self._append(
            "INSERT INTO replicas (id, at) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
            (replica, now),
        )

    def enqueue(self, queued: Queued) -> None:
        self._append(
            "INSERT INTO waiters (id, namespace, key, replica, record) VALUES (?, ?, ?, ?, ?)",
            (queued.id, *queued.address, queued.replica, encode(queued)),
        )

    def dequeue(self, queued_id: str) -> None:
        self._append("DELETE FROM waiters WHERE id = ?", (queued_id,))

    def forget_replicas(self, before: float) -> None:
        self._change(
            "DELETE FROM waiters WHERE NOT EXISTS "
            "(SELECT 1 FROM replicas r WHERE r.id = waiters.replica AND r.at >= ?)",
            (before,),
        )
        self._change("DELETE FROM replicas WHERE at < ?", (before,))

    def save_recollection(self, credential: str, address: Address, found: Recollection, now: float) -> None:
        self._write_at(
            address,
            SAVE_RECOLLECTION,
            (credential, *address, now, encode(found)),
        )

    def forget_recollections(self, before: float, limit: int = 1000) -> int:
        due = self._fetch(
            "SELECT credential, namespace, key FROM recollections WHERE at < ? ORDER BY at LIMIT ?", (before, limit)
        )
        for row in due:
            self._change("DELETE FROM recollections WHERE credential = ? AND namespace = ? AND key = ?", row)
        return len(due)
