"""Pieces of blobs in SQL. Specification: `core.ports`, `storage.blobs.rows`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockhouse.storage.sql.records import Row


class BlobReads:
    """The part of `Reader` about blobs in rows."""

    _fetch: Callable[..., list[Row]]

    def blob_size(self, name: str) -> int | None:
        rows = self._fetch("SELECT size FROM blobs WHERE name = ? AND pieces >= 0", (name,))
        return rows[0][0] if rows else None

    def blob_piece(self, name: str, number: int) -> bytes | None:
        rows = self._fetch("SELECT bytes FROM blob_pieces WHERE name = ? AND number = ?", (name, number))
        return rows[0][0] if rows else None

    def blobs(self, after: str = "", limit: int = 1000) -> Sequence[tuple[str, float, bool]]:
        rows = self._fetch("SELECT name, at, pieces FROM blobs WHERE name > ? ORDER BY name LIMIT ?", (after, limit))
        return [(row[0], row[1], row[2] >= 0) for row in rows]


class BlobWrites(BlobReads):
    """The part of `Transaction` about blobs in rows. Nobody but its writer, and later the sweep, changes a blob."""

    _grow: Callable[[str, Row], int]
    _with_owner: Callable[[str, Row], None]

    def add_blob_piece(self, name: str, at: float, number: int, piece: bytes) -> None:
        if number == 0:
            self._add_blob_row("INSERT INTO blobs (name, at, size, pieces) VALUES (?, ?, 0, -1)", (name, at))
        self._add_blob_row("INSERT INTO blob_pieces (name, number, bytes) VALUES (?, ?, ?)", (name, number, piece))

    def finish_blob(self, name: str, at: float, size: int, pieces: int) -> None:
        self._add_blob_row(
            "INSERT INTO blobs (name, at, size, pieces) VALUES (?, ?, ?, ?) ON CONFLICT (name) "
            "DO UPDATE SET at = excluded.at, size = excluded.size, pieces = excluded.pieces",
            (name, at, size, pieces),
        )

    def delete_blob(self, name: str) -> None:
        self._with_owner("DELETE FROM blobs WHERE name = ?", (name,))
        self._with_owner("DELETE FROM blob_pieces WHERE name = ?", (name,))

    def _add_blob_row(self, sql: str, parameters: Row) -> None:
        self._grow(sql, parameters)
