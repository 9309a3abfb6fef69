"""What SQLite has beyond the tables of every store (`migrations`): steps of its own, counted in `PRAGMA user_version`.

`states.newest` is a copy of the record of a state's current version. A page of a list would else read a row from
somewhere else for each state, and SQLite reads cold pages from its file one by one: for fifty of a hundred thousand
states it read a hundred, half of them for versions. (PostgreSQL has the same copy: `postgres_schema`.)

Triggers keep the copy right: no statement has to know of it, nor has an older Lockhouse that knows these steps not.
Where rows were loaded it is NULL until `settle`, and then the version itself is read.

`lock_event_places` stands for the index of lock events by their states (`sqlite_events`). An index takes an entry in
another page for each event; of the pages that a group of lock requests wrote, half were such pages. These entries are
made for many events at once, and `lock_events_placed` says up to which.

All this is derived, so it is not carried: backups and moves know the tables of `migrations` alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from lockhouse.storage.sql.migrations import Execute
from lockhouse.storage.sql.reader import CURRENT_RECORD, FROM_COPIES, SqlReader
from lockhouse.storage.sql.records import SPAN
from lockhouse.storage.sql.sqlite_events import PLACE, SqliteEventReads

_FILL = f"UPDATE states AS s SET newest = {CURRENT_RECORD} WHERE s.newest IS NULL AND s.current > 0"  # noqa: S608
STEPS: Sequence[Sequence[str]] = (
    (
        "ALTER TABLE states ADD COLUMN newest BLOB",
        f"""CREATE TRIGGER states_newest AFTER UPDATE OF current ON states WHEN new.current <> old.current BEGIN
            UPDATE states SET newest = (SELECT record FROM versions WHERE place = new.id * {SPAN} + new.current)
            WHERE id = new.id;
        END""",  # noqa: S608
        """CREATE TRIGGER versions_newest AFTER UPDATE OF record ON versions BEGIN
            UPDATE states SET newest = new.record WHERE id = new.state_id AND current = new.seq;
        END""",
    ),
    (
        """CREATE TABLE lock_event_places (
            state_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (state_id, seq)
        ) WITHOUT ROWID""",
        "CREATE TABLE lock_events_placed (number INTEGER NOT NULL)",
        "INSERT INTO lock_events_placed (number) VALUES (0)",
        *PLACE,
        "DROP INDEX lock_events_state",
    ),
)


class SqliteReader(SqliteEventReads, SqlReader):
    """`core.ports.Reader` over one session of SQLite."""

    _with_current = FROM_COPIES


def migrate(execute: Execute) -> None:
    """Take the steps that are missing, within the caller's transaction, after those of `migrations`."""
    have = cast("int", execute("PRAGMA user_version", ())[0][0])
    for statement in (statement for step in STEPS[have:] for statement in step):
        execute(statement, ())
    if have < len(STEPS):
        execute(f"PRAGMA user_version = {len(STEPS)}", ())
        execute(_FILL, ())


def settle(execute: Execute) -> None:
    """After rows were loaded: as `migrate`, copy what has not been copied, and place what has not been placed."""
    migrate(execute)
    execute(_FILL, ())
    for statement in PLACE:
        execute(statement, ())
