"""Rows of a PostgreSQL database, also behind a transaction pooler: everything belongs to one transaction.

Specification: `storage.carry.rows`.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import psycopg

from lockhouse.errors import StorageUnavailable
from lockhouse.storage.carry.layout import Kind, Table, layout, newest_schema
from lockhouse.storage.sql import dialect, postgres_schema
from lockhouse.storage.sql.postgres_session import Connection, Lost, open_connection, unreachable
from lockhouse.storage.sql.records import Row

_PAGE = 1000
_PORTION = 2000
_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NO_LIMITS = (
    b"SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true), "
    b"set_config('idle_in_transaction_session_timeout', '0', true)"
)
_TYPES = {Kind.INTEGER: "int8", Kind.REAL: "float8", Kind.TEXT: "text", Kind.BYTES: "bytea"}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, Lost) as error:
        raise unreachable(error) from None


class PostgresSnapshot:
    """A connection with one open transaction, which sees the database as it was when it began."""

    def __init__(self, options: dict[str, object]) -> None:
        self._cursors = itertools.count(1)
        with _told():
            self._connection = open_connection(options)
            self._connection.execute(_BEGIN)
            self._connection.execute(_NO_LIMITS)
        self.schema = int(self.fetch("SELECT version FROM schema_steps WHERE list = 'shared'")[0][0])

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]:
        with _told():
            cursor = self._connection.cursor(binary=True)
            cursor.execute(dialect.statement(sql), _kept(parameters) or None)
            return [_given(row) for row in cursor.fetchall()]

    def change(self, sql: str, parameters: Row = ()) -> int:
        raise TypeError(f"a snapshot changes nothing: {sql[:40]} {len(parameters)}")

    def rows(self, table: Table, after: Row | None = None) -> Iterator[Row]:
        name = f"carry_{next(self._cursors)}"
        beyond = "" if after is None else f" WHERE ({table.order}) > ({', '.join('?' * len(after))})"
        select = f"SELECT {table.names} FROM {table.name}{beyond} ORDER BY {table.order}"  # noqa: S608 - known names
        with _told():
            # Bound here and not by the server: a cursor that is declared takes no parameters of the protocol.
            bound = psycopg.ClientCursor(self._connection).mogrify(
                dialect.statement(select), _kept(after or ()) or None
            )
            self._connection.execute(f"DECLARE {name} CURSOR FOR {bound}".encode())
        try:
            while page := self._page(name):
                yield from page
        finally:
            with contextlib.suppress(psycopg.Error):
                self._connection.execute(f"CLOSE {name}".encode())

    def numbers(self, tables: Sequence[Table]) -> dict[str, int]:
        found = {}
        for table in tables:
            if table.numbered:
                sequence = _sequence(self._connection, table)
                row = self._connection.execute(f"SELECT last_value, is_called FROM {sequence}".encode()).fetchone()  # noqa: S608
                assert row is not None
                found[table.name] = int(cast("int", row[0])) if row[1] else 0
        return found

    def close(self) -> None:
        self._connection.close()

    def _page(self, name: str) -> list[Row]:
        with _told():
            cursor = self._connection.cursor(binary=True)
            cursor.execute(f"FETCH {_PAGE} FROM {name}".encode())
            return [_given(row) for row in cursor.fetchall()]


class PostgresLoader:
    """A connection of its own to a database that no server uses."""

    def __init__(self, options: dict[str, object]) -> None:
        with _told():
            self._connection = open_connection(options)

    def tables(self, schema: int) -> None:
        if schema > newest_schema():
            raise StorageUnavailable(
                f"cannot take this data in: it has schema {schema} and this Lockhouse knows up to {newest_schema()}",
                hint="it was written by a newer Lockhouse: run that version or a later one",
            )
        if schema < newest_schema():
            raise StorageUnavailable(
                f"cannot take this data in: it has schema {schema}, older than this Lockhouse's {newest_schema()}",
                hint="restore it into a data directory, which brings it up to date, and move that: lockhouse move",
            )
        with _told():
            postgres_schema.migrate(self._connection)

    def last(self, table: Table) -> Row | None:
        backwards = ", ".join(f"{name} DESC" for name in table.key)
        with _told():
            cursor = self._connection.cursor(binary=True)
            cursor.execute(f"SELECT {table.order} FROM {table.name} ORDER BY {backwards} LIMIT 1".encode())  # noqa: S608
            row = cursor.fetchone()
        return None if row is None else _given(row)

    def load(self, table: Table, rows: Iterable[Row], progress: Callable[[int], object] = bool) -> None:
        statement = f"COPY {table.name} ({table.names}) FROM STDIN (FORMAT BINARY)".encode()
        types = [_TYPES[column.kind] for column in table.columns]
        left, done = iter(rows), 0
        while portion := list(itertools.islice(left, _PORTION)):
            with _told(), self._connection.transaction():
                self._connection.execute(_NO_LIMITS)
                with self._connection.cursor().copy(statement) as copy:
                    copy.set_types(types)
                    for row in portion:
                        copy.write_row(_kept(row))
            done += len(portion)
            progress(done)

    def clear(self, table: Table) -> None:
        with _told(), self._connection.transaction():
            self._connection.execute(_NO_LIMITS)
            self._connection.execute(f"DELETE FROM {table.name}".encode())  # noqa: S608

    def notices(self) -> dict[str, bytes]:
        with _told():
            rows = self._connection.execute("SELECT name, body FROM notices").fetchall()
        return {str(row[0]): bytes(cast("bytes", row[1])) for row in rows}

    def note(self, name: str, body: bytes) -> None:
        with _told():
            self._connection.execute(
                "INSERT INTO notices (name, body) VALUES (%s, %s) "
                "ON CONFLICT (name) DO UPDATE SET body = excluded.body",
                (name, body),
            )

    def finish(self, numbers: dict[str, int]) -> None:
        with _told(), self._connection.transaction():
            for table in layout(newest_schema()):
                sequence = _sequence(self._connection, table)
                if sequence:
                    self._set(sequence, table, numbers.get(table.name, 0))
            # What servers remember of another database in this place does not count any more.
            self._connection.execute(
                "UPDATE house SET settled = settled + 1, access = access + 1, "
                "era = greatest(era + 1, (extract(epoch FROM now()) * 1000)::bigint) WHERE one = 1"
            )

    def close(self) -> None:
        self._connection.close()

    def _set(self, sequence: str, table: Table, number: int) -> None:
        newest = f"SELECT coalesce(max({table.key[0]}), 0) FROM {table.name}"  # noqa: S608 - known names
        row = self._connection.execute(newest.encode()).fetchone()
        assert row is not None
        last = max(int(cast("int", row[0])), number)
        self._connection.execute("SELECT setval(%s, %s, %s)", (sequence, max(last, 1), last > 0))


def name_of(options: dict[str, object]) -> str:
    """The database for people and for marks, without its password."""
    host, port = options.get("host") or "localhost", options.get("port") or 5432
    return f"postgresql://{host}:{port}/{options.get('dbname') or options.get('user') or ''}"


def _sequence(connection: Connection, table: Table) -> str:
    """The sequence that numbers the table's key; empty when there is none."""
    if len(table.key) != 1:
        return ""
    row = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", (table.name, table.key[0])).fetchone()
    return str(row[0]) if row is not None and row[0] is not None else ""


def _kept(row: Row) -> Row:
    return tuple(dialect.kept(value) if type(value) is str else value for value in row)


def _given(row: tuple[object, ...]) -> Row:
    return tuple(dialect.given(value) if type(value) is str else value for value in row)
