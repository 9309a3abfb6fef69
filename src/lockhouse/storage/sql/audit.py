"""The audit log in SQL. Specification: `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.audit import Segment
from lockhouse.storage.sql.records import Row, encode

_decode = msgspec.msgpack.Decoder(Segment).decode
_FOREVER = 2**62


class AuditReads:
    """The part of `Reader` about the audit log."""

    _fetch: Callable[..., list[Row]]

    def unsealed(self, limit: int = 1000, *, newest_first: bool = False) -> Sequence[tuple[int, bytes]]:
        order = "DESC" if newest_first else "ASC"
        rows = self._fetch(f"SELECT id, entry FROM audit_entries ORDER BY id {order} LIMIT ?", (limit,))  # noqa: S608
        return [(row[0], bytes(row[1])) for row in rows]

    def last_segment(self) -> Segment | None:
        found = self.segments_before(0, 1)
        return found[0] if found else None

    def segments(self, after: int = 0, limit: int = 100) -> Sequence[Segment]:
        rows = self._fetch(
            "SELECT record FROM audit_segments WHERE first_entry > ? ORDER BY first_entry LIMIT ?", (after, limit)
        )
        return [_decode(row[0]) for row in rows]

    def segments_before(self, before: int = 0, limit: int = 100) -> Sequence[Segment]:
        rows = self._fetch(
            "SELECT record FROM audit_segments WHERE first_entry < ? ORDER BY first_entry DESC LIMIT ?",
            (before if before > 0 else _FOREVER, limit),
        )
        return [_decode(row[0]) for row in rows]


class AuditWrites(AuditReads):
    """The part of `Transaction` about the audit log."""

    _grow: Callable[[str, Row], int]
    _change: Callable[[str, Row], int]
    _append: Callable[[str, Row], None]

    def add_entry(self, raw: bytes) -> None:
        self._append("INSERT INTO audit_entries (entry) VALUES (?)", (raw,))

    def seal(self, segment: Segment, ids: Sequence[int]) -> None:
        self._change("INSERT INTO audit_segments (first_entry, record) VALUES (?, ?)", (segment.first, encode(segment)))
        if list(ids) == list(range(ids[0], ids[0] + len(ids))):
            removed = self._change("DELETE FROM audit_entries WHERE id BETWEEN ? AND ?", (ids[0], ids[-1]))
        else:
            marks = ", ".join("?" * len(ids))
            removed = self._change(f"DELETE FROM audit_entries WHERE id IN ({marks})", tuple(ids))  # noqa: S608
        if removed != len(ids):
            raise ValueError("an entry was sealed twice")

    def delete_segments(self, before: int) -> None:
        self._change(
            "DELETE FROM audit_segments WHERE first_entry < ? "
            "AND first_entry < (SELECT MAX(first_entry) FROM audit_segments)",
            (before,),
        )
