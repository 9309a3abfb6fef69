"""Puts `rows` straight into the tables of a store that a server has made: SQLite by statement, PostgreSQL by COPY."""

from __future__ import annotations

from pathlib import Path

import apsw
import psycopg
from psycopg import sql

from lockhouse.storage.sql import sqlite_schema
from tests.scale.rows import TABLES, Size, rows


def load_sqlite(database: Path, size: Size) -> None:
    """No server may use the database meanwhile."""
    connection = apsw.Connection(str(database))
    for pragma in ("synchronous = OFF", "cache_size = -262144", "temp_store = MEMORY", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    with connection:
        first_id, first_event = (
            connection.execute(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}").get
            for table, column in (("states", "id"), ("lock_events", "seq"))
        )
        for table, columns in TABLES.items():
            places = ", ".join("?" * len(columns))
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})",
                rows(table, size, first_id, first_event),
            )
        sqlite_schema.settle(lambda statement, values: connection.execute(statement, values).fetchall())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def load_postgres(url: str, size: Size) -> None:
    """The numbers that identity columns give next go on after what was loaded."""
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = off")
            first_id, first_event = (
                _number(connection, table, column) for table, column in (("states", "id"), ("lock_events", "seq"))
            )
            for table, columns in TABLES.items():
                statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
                )
                with connection.cursor().copy(statement) as copy:
                    for row in rows(table, size, first_id, first_event):
                        copy.write_row(row)
            for table, column in (("states", "id"), ("lock_events", "seq")):
                connection.execute(
                    sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {}").format(
                        table, column, sql.Identifier(column), sql.Identifier(table)
                    )
                )
        connection.execute("VACUUM ANALYZE")


def _number(connection: psycopg.Connection, table: str, column: str) -> int:
    statement = sql.SQL("SELECT coalesce(max({}), 0) + 1 FROM {}").format(sql.Identifier(column), sql.Identifier(table))
    found = connection.execute(statement).fetchone()
    assert found is not None
    return found[0]
