"""Reviews in SQL. Specification: `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.reviews import ReviewRecord
from lockhouse.storage.sql.records import Row, encode

_record = msgspec.msgpack.Decoder(ReviewRecord).decode
_FOREVER = 2**62


class ReviewReads:
    """The part of `Reader` about reviews."""

    _fetch: Callable[..., list[Row]]

    def review(self, review_id: str) -> ReviewRecord | None:
        rows = self._fetch("SELECT seq, record FROM reviews WHERE id = ?", (review_id,))
        return _numbered(rows[0]) if rows else None

    def review_body(self, review_id: str) -> bytes | None:
        rows = self._fetch("SELECT body FROM review_bodies WHERE id = ?", (review_id,))
        return rows[0][0] if rows else None

    def reviews(
        self, root: str = "", principal: str = "", before: int = 0, limit: int = 100, *, newest_only: bool = False
    ) -> Sequence[ReviewRecord]:
        clauses = ["r.seq < ?"]
        values: list[object] = [before if before > 0 else _FOREVER]
        for column, value in (("root", root), ("principal", principal)):
            if value:
                clauses.append(f"r.{column} = ?")
                values.append(value)
        if newest_only:
            same = " AND n.principal = r.principal" if principal else ""
            clauses.append(f"NOT EXISTS (SELECT 1 FROM reviews n WHERE n.root = r.root AND n.seq > r.seq{same})")  # noqa: S608
        rows = self._fetch(
            f"SELECT r.seq, r.record FROM reviews r WHERE {' AND '.join(clauses)} ORDER BY r.seq DESC LIMIT ?",  # noqa: S608
            (*values, limit),
        )
        return [_numbered(row) for row in rows]


class ReviewWrites(ReviewReads):
    """The part of `Transaction` about reviews."""

    _grow: Callable[[str, Row], int]
    _change: Callable[[str, Row], int]

    def add_review(self, record: ReviewRecord, body: bytes) -> ReviewRecord:
        self._grow(
            "INSERT INTO reviews (id, root, principal, record) VALUES (?, ?, ?, ?)",
            (record.id, record.root, record.principal, encode(record)),
        )
        self._grow("INSERT INTO review_bodies (id, body) VALUES (?, ?)", (record.id, body))
        kept = self.review(record.id)
        assert kept is not None
        return kept

    def delete_review(self, review_id: str) -> None:
        self._change("DELETE FROM reviews WHERE id = ?", (review_id,))
        self._change("DELETE FROM review_bodies WHERE id = ?", (review_id,))


def _numbered(row: Row) -> ReviewRecord:
    return msgspec.structs.replace(_record(row[1]), seq=row[0])
