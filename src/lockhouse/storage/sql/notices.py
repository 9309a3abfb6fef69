"""Notices in SQL. Specification: `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockhouse.storage.sql.records import Row, after_prefix


class NoticeReads:
    """The part of `Reader` about notices."""

    _fetch: Callable[..., list[Row]]

    def notices(self, prefix: str = "") -> Sequence[tuple[str, bytes]]:
        end = after_prefix(prefix)
        above = "" if end is None else " AND name < ?"
        rows = self._fetch(
            f"SELECT name, body FROM notices WHERE name >= ?{above} ORDER BY name LIMIT 1000",  # noqa: S608
            (prefix,) if end is None else (prefix, end),
        )
        return [(row[0], row[1]) for row in rows]


class NoticeWrites(NoticeReads):
    """The part of `Transaction` about notices."""

    _change: Callable[[str, Row], int]

    def set_notice(self, name: str, body: bytes | None) -> None:
        if body is None:
            self._change("DELETE FROM notices WHERE name = ?", (name,))
            return
        self._change(
            "INSERT INTO notices (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            (name, body),
        )
