"""Rows of a place: read from one consistent snapshot, and loaded in order so that loading can go on where it ended.

Specification of what every store offers to whoever carries; `sqlite_rows` and `postgres_rows` are the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from lockhouse.storage.carry.layout import Kind, Table
from lockhouse.storage.sql.reader import SqlReader
from lockhouse.storage.sql.records import Row
from lockhouse.storage.sql.settled import UNSETTLED, Settled

_encode = msgspec.json.Encoder().encode


class Snapshot(Protocol):
    """All rows as they were at one moment, while others write."""

    schema: int

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]: ...
    def change(self, sql: str, parameters: Row = ()) -> int:
        """Raises TypeError: a snapshot changes nothing."""
        ...

    def rows(self, table: Table, after: Row | None = None) -> Iterator[Row]:
        """In the order of the key; only those beyond the key `after`. Memory does not grow with their number."""
        ...

    def numbers(self, tables: Sequence[Table]) -> dict[str, int]:
        """The last number given in each table that is `numbered`."""
        ...

    def close(self) -> None: ...


class Loader(Protocol):
    """Rows into the tables of a place that nobody serves."""

    def tables(self, schema: int) -> None:
        """Make the tables of this schema where there are none. Errors: `storage.unavailable` for a newer one."""
        ...

    def last(self, table: Table) -> Row | None:
        """The key of the last row that is durable there."""
        ...

    def load(self, table: Table, rows: Iterable[Row], progress: Callable[[int], object] = bool) -> None:
        """Add rows in the order of the key. Each portion is durable or not there; `progress` is told how many are."""
        ...

    def clear(self, table: Table) -> None: ...
    def notices(self) -> dict[str, bytes]: ...
    def note(self, name: str, body: bytes) -> None: ...
    def finish(self, numbers: dict[str, int]) -> None:
        """Set the last numbers given, and bring the tables up to this program's schema."""
        ...

    def close(self) -> None: ...


class TableFacts(msgspec.Struct, frozen=True):
    """What is in a table. Equal facts are equal rows, in whatever store they are."""

    rows: int
    sha256: str
    """Of all rows as lines of JSON (`encode_row`), in order, in hex."""


class Digester:
    """The facts of the rows that pass."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rows = 0

    def add(self, line: bytes) -> None:
        self._digest.update(line)
        self._rows += 1

    @property
    def facts(self) -> TableFacts:
        return TableFacts(self._rows, self._digest.hexdigest())


def encode_row(row: Row) -> bytes:
    """One line: a JSON array of the columns, bytes in base64 (RFC 4648 section 4)."""
    return _encode(row) + b"\n"


def decoder(table: Table) -> Callable[[bytes], Row]:
    """The inverse of `encode_row` for rows of this table."""
    kinds = {Kind.INTEGER: int | None, Kind.REAL: float | None, Kind.TEXT: str | None, Kind.BYTES: bytes | None}
    shape: Any = tuple.__class_getitem__(tuple(kinds[column.kind] for column in table.columns))
    decode: Callable[[bytes], Row] = msgspec.json.Decoder(shape).decode
    return decode


def facts_of(snapshot: Snapshot, table: Table, progress: Callable[[int], object] = bool) -> TableFacts:
    """Read a whole table."""
    digester = Digester()
    for number, row in enumerate(snapshot.rows(table)):
        digester.add(encode_row(row))
        if number % 1000 == 0:
            progress(number)
    return digester.facts


def reader(snapshot: Snapshot) -> SqlReader:
    """The snapshot as the domain reads it."""
    return SqlReader(snapshot, Settled(), UNSETTLED)


def blob_names(snapshot: Snapshot) -> list[str]:
    """Every blob that the snapshot refers to, in order."""
    found: list[str] = []
    after = ""
    while page := reader(snapshot).blob_names(after, 1000):
        found += page
        after = page[-1]
    return found
