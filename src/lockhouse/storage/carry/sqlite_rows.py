"""Rows of a SQLite file. Specification: `storage.carry.rows`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import apsw

from lockhouse.errors import StorageUnavailable
from lockhouse.storage.carry.layout import Table
from lockhouse.storage.sql import migrations, sqlite_schema
from lockhouse.storage.sql.records import Row

_PORTION = 2000
_BUSY_MS = 10_000


class SqliteSnapshot:
    """A reading connection with one open transaction. A server may write the same file meanwhile."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(_BUSY_MS)
            self._connection.execute("BEGIN")
            self.schema = int(cast("int", self.fetch("SELECT version FROM schema_version")[0][0]))
        except (apsw.Error, IndexError) as error:
            raise StorageUnavailable(
                f"cannot read the database {path}: {error}",
                hint="is it a data directory of Lockhouse? use a backup of it: docs/guide/backup-and-restore.md",
            ) from error

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]:
        return cast("list[Row]", self._connection.execute(sql, parameters).fetchall())

    def change(self, sql: str, parameters: Row = ()) -> int:
        raise TypeError(f"a snapshot changes nothing: {sql[:40]} {len(parameters)}")

    def rows(self, table: Table, after: Row | None = None) -> Iterator[Row]:
        beyond, values = "", ()
        if after is not None:
            beyond, values = f" WHERE ({table.order}) > ({', '.join('?' * len(after))})", after
        return cast(
            "Iterator[Row]",
            self._connection.execute(f"SELECT {table.names} FROM {table.name}{beyond} ORDER BY {table.order}", values),  # noqa: S608
        )

    def numbers(self, tables: Sequence[Table]) -> dict[str, int]:
        known = dict(cast("list[tuple[str, int]]", self.fetch("SELECT name, seq FROM sqlite_sequence")))
        return {table.name: known.get(table.name, 0) for table in tables if table.numbered}

    def close(self) -> None:
        self._connection.close()


class SqliteLoader:
    """A connection of its own to a file that no server uses."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._connection = apsw.Connection(str(path))
            self._connection.set_busy_timeout(_BUSY_MS)
            for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", "cache_size = -65536"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
        except (OSError, apsw.Error) as error:
            raise StorageUnavailable(
                f"cannot open the database {path}: {error}",
                hint="is it a data directory of Lockhouse? use a backup of it: docs/guide/backup-and-restore.md",
            ) from error

    def tables(self, schema: int) -> None:
        if schema > len(migrations.SQLITE):
            raise StorageUnavailable(
                f"cannot take this data in: it has schema {schema} and this Lockhouse knows up to "
                f"{len(migrations.SQLITE)}",
                hint="it was written by a newer Lockhouse: run that version or a later one",
            )
        with self._connection:
            migrations.migrate(self._fetch, migrations.SQLITE[:schema])

    def last(self, table: Table) -> Row | None:
        backwards = ", ".join(f"{name} DESC" for name in table.key)
        rows = self._fetch(f"SELECT {table.order} FROM {table.name} ORDER BY {backwards} LIMIT 1", ())  # noqa: S608
        return rows[0] if rows else None

    def load(self, table: Table, rows: Iterable[Row], progress: Callable[[int], object] = bool) -> None:
        insert = f"INSERT INTO {table.name} ({table.names}) VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608
        left, done = iter(rows), 0
        while portion := list(itertools.islice(left, _PORTION)):
            with self._connection:
                self._connection.executemany(insert, portion)
            done += len(portion)
            progress(done)

    def clear(self, table: Table) -> None:
        with self._connection:
            self._connection.execute(f"DELETE FROM {table.name}")  # noqa: S608

    def notices(self) -> dict[str, bytes]:
        return {row[0]: row[1] for row in self._fetch("SELECT name, body FROM notices", ())}

    def note(self, name: str, body: bytes) -> None:
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO notices (name, body) VALUES (?, ?)", (name, body))

    def finish(self, numbers: dict[str, int]) -> None:
        with self._connection:
            for table, number in numbers.items():
                self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                if number:
                    self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))
            migrations.migrate(self._fetch, migrations.SQLITE)
            sqlite_schema.settle(self._fetch)
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        self._connection.close()

    def _fetch(self, sql: str, parameters: Row) -> list[Row]:
        return cast("list[Row]", self._connection.execute(sql, parameters).fetchall())
