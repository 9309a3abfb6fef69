"""Reads that PostgreSQL answers in one question where SQLite, which is at hand, is asked several times."""

from __future__ import annotations

from collections.abc import Sequence

from lockhouse.core.addresses import LAST
from lockhouse.storage.sql.dialect import kept
from lockhouse.storage.sql.reader import FROM_COPIES, SqlReader, bounds_of
from lockhouse.storage.sql.records import after_prefix

_BEHIND = (
    "CASE strpos(substr(w.key, ?), ?) WHEN 0 THEN w.key ELSE left(w.key, ? + strpos(substr(w.key, ?), ?)) || ? END"
)
"""`core.addresses.behind` of the key that was found last."""


class PostgresReader(SqlReader):
    """`core.ports.Reader` over one session of PostgreSQL."""

    _with_current = FROM_COPIES

    def leading_keys(
        self, namespace: str, prefix: str, delimiter: str, after: str = "", limit: int = 1000
    ) -> Sequence[str]:
        if kept(delimiter) != delimiter:
            return super().leading_keys(namespace, prefix, delimiter, after, limit)
        bounds, values = bounds_of("s.key", prefix, after)
        end = after_prefix(prefix)
        upper, last = ("", ()) if end is None else (" AND s.key < ?", (end,))
        size = len(kept(prefix))
        rows = self._fetch(
            "WITH RECURSIVE w (key, number) AS ("  # noqa: S608
            f"(SELECT s.key, 1 FROM states s WHERE s.namespace = ?{bounds} AND s.live = 1 ORDER BY s.key LIMIT 1) "
            "UNION ALL SELECT ("
            f"SELECT s.key FROM states s WHERE s.namespace = ? AND s.live = 1 AND s.key > {_BEHIND}{upper} "
            "ORDER BY s.key LIMIT 1), w.number + 1 FROM w WHERE w.key IS NOT NULL AND w.number < ?) "
            "SELECT key FROM w WHERE key IS NOT NULL ORDER BY number",
            (
                *(namespace, *values),
                *(namespace, size + 1, delimiter, size + len(delimiter) - 1, size + 1, delimiter, LAST, *last),
                limit,
            ),
        )
        return [row[0] for row in rows]
