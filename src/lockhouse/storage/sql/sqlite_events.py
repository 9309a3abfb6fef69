"""The lock history of one state in SQLite, found without an index that every event would have to be entered in.

Events stand in the order of their numbers, in which they come. Those up to the number in `lock_events_placed` have
their places in `lock_event_places`, by state; the writer sees to that when there are `BLOCK` more. The newer ones are
looked through. So a number that is placed is never given again. Specification: `core.ports`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.records import LockEvent, StateRecord
from lockhouse.storage.sql import records
from lockhouse.storage.sql.records import Row, encode

BLOCK = 1024
_FOREVER = 2**62
_PLACED = "(SELECT number FROM lock_events_placed)"
PLACE = (
    f"INSERT OR IGNORE INTO lock_event_places SELECT state_id, seq FROM lock_events WHERE seq > {_PLACED}",  # noqa: S608
    "UPDATE lock_events_placed SET number = max(number, coalesce((SELECT max(seq) FROM lock_events), 0))",
)
ADD_EVENT = "INSERT INTO lock_events (seq, state_id, record) VALUES (?, ?, ?)"
_LAST = f"SELECT max({_PLACED}, coalesce(max(seq), 0)) FROM lock_events"  # noqa: S608
_NEWER = (
    f"SELECT seq, record FROM lock_events WHERE seq > {_PLACED} AND seq < ? AND state_id = ? "  # noqa: S608
    "ORDER BY seq DESC LIMIT ?"
)
_OLDER = (
    "SELECT e.seq, e.record FROM lock_event_places p CROSS JOIN lock_events e "
    "ON e.seq = p.seq AND e.state_id = p.state_id WHERE p.state_id = ? AND p.seq < ? ORDER BY p.seq DESC LIMIT ?"
)
_FORGET = (
    f"DELETE FROM lock_events WHERE seq > {_PLACED} AND state_id = ?",  # noqa: S608
    "DELETE FROM lock_events WHERE seq IN (SELECT seq FROM lock_event_places WHERE state_id = ?1) AND state_id = ?1",
    "DELETE FROM lock_event_places WHERE state_id = ?",
)


class SqliteEventReads:
    """The part of `Reader` about the lock history of one state."""

    _fetch: Callable[..., list[Row]]

    def lock_events(self, state: StateRecord, before: int = 0, limit: int = 100) -> Sequence[LockEvent]:
        end = before if before > 0 else _FOREVER
        rows = self._fetch(_NEWER, (end, state.id, limit))
        if len(rows) < limit:
            rows += self._fetch(_OLDER, (state.id, end, limit - len(rows)))
        return [msgspec.structs.replace(records.decode_lock_event(row[1]), seq=row[0]) for row in rows]


class SqliteEventWrites(SqliteEventReads):
    """The part of `Transaction` about it."""

    _change: Callable[[str, Row], int]
    _last_event = 0
    """The number of the newest event; 0: it has to be asked for."""

    def add_lock_event(self, state: StateRecord, event: LockEvent) -> None:
        number = (self._last_event or self._fetch(_LAST, ())[0][0]) + 1
        self._change(ADD_EVENT, (number, state.id, encode(event)))
        self._last_event = number
        if number % BLOCK == 0:
            for statement in PLACE:
                self._change(statement, ())

    def _forget_events(self, state_id: int) -> None:
        for statement in _FORGET:
            self._change(statement, (state_id,))
