"""The tables as they are carried: their columns, kinds, keys and order, read from the numbered steps that make them.

Every store makes the same tables from the same steps, so the layout of a schema number is the same everywhere; it is
what a backup's rows are read by. `LOCAL` are tables about one place, which stay behind.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import cast

import apsw
import msgspec

from lockhouse.storage.sql import migrations
from lockhouse.storage.sql.records import Row

LOCAL = frozenset({"schema_version", "notices", "blobs", "blob_pieces", "waiters", "replicas", "recollections"})
"""Two of these are a store of blobs, whose blobs are carried as such; the last three are about running servers."""


class Kind(StrEnum):
    """What a column holds, or NULL."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    BYTES = "bytes"


class Column(msgspec.Struct, frozen=True):
    name: str
    kind: Kind


class Table(msgspec.Struct, frozen=True):
    """One table. Rows are tuples in the order of `columns`, sorted by `key` as bytes and numbers compare."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    numbered: bool = False
    """The store gives the numbers of its key and never the same again: the last one given is carried too."""

    @property
    def names(self) -> str:
        """The columns, for a statement."""
        return ", ".join(column.name for column in self.columns)

    @property
    def order(self) -> str:
        return ", ".join(self.key)

    def key_of(self, row: Row) -> Row:
        return tuple(row[place] for place in self._places)

    @property
    def _places(self) -> tuple[int, ...]:
        names = [column.name for column in self.columns]
        return tuple(names.index(name) for name in self.key)


def newest_schema() -> int:
    """The number of the last step that this program knows."""
    return len(migrations.SQLITE)


@cache
def layout(schema: int) -> tuple[Table, ...]:
    """The carried tables after step `schema`, by name."""
    connection = apsw.Connection(":memory:")
    try:
        for statement in (statement for step in migrations.SQLITE[:schema] for statement in step):
            connection.execute(statement)
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        ).fetchall()
        return tuple(_table(connection, str(name), str(sql)) for name, sql in found if name not in LOCAL)
    finally:
        connection.close()


_KINDS = {"INTEGER": Kind.INTEGER, "REAL": Kind.REAL, "TEXT": Kind.TEXT, "BLOB": Kind.BYTES}


def _table(connection: apsw.Connection, name: str, sql: str) -> Table:
    described = cast("list[Row]", connection.execute(f"PRAGMA table_info({name})").fetchall())
    key = sorted((row for row in described if row[5]), key=lambda row: cast("int", row[5]))
    if not key:
        raise ValueError(f"table {name} has no primary key: its rows have no order")
    return Table(
        name,
        tuple(Column(row[1], _KINDS[row[2].upper()]) for row in described),
        tuple(row[1] for row in key),
        "AUTOINCREMENT" in sql.upper(),
    )
