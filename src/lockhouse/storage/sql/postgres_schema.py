"""The tables in PostgreSQL: those of `migrations`, translated, and a few of its own that only replicas need.

Two numbers are kept, one for each list of steps, and each with `compatible_from`: the oldest program, by the number of
steps it knows, that may go on using the database. Steps add; so an older replica keeps running beside a newer one until
it is replaced, unless a step is named in `BREAKING`. All steps are taken in one transaction, one program at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import msgspec
import psycopg

from lockhouse.errors import StorageUnavailable
from lockhouse.storage.sql import migrations
from lockhouse.storage.sql.dialect import definition
from lockhouse.storage.sql.postgres_session import Connection, Lost, open_connection, options_of, unreachable
from lockhouse.storage.sql.reader import CURRENT_RECORD
from lockhouse.storage.sql.records import SPAN

MIGRATING = 7373_0001
"""The advisory lock of whoever changes the tables, until its transaction ends."""
OWN: Sequence[Sequence[str]] = (
    (
        # One row. `settled` counts changes of namespaces and tables, `access` those of principals, grants and
        # credentials; `era` is when somebody last accepted that the database went back in time.
        """CREATE TABLE house (
            one INTEGER PRIMARY KEY NOT NULL, settled INTEGER NOT NULL, access INTEGER NOT NULL, era INTEGER NOT NULL
        )""",
        "INSERT INTO house (one, settled, access, era) VALUES (1, 1, 1, 0)",
        # How often each connection that writes has committed (`postgres_marks`).
        "CREATE TABLE marks (id TEXT PRIMARY KEY NOT NULL, commits INTEGER NOT NULL, at REAL NOT NULL)",
        "CREATE TABLE house_facts (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL)",
    ),
    (
        # A copy of the record of each state's current version, as in SQLite (`sqlite_schema`): a page of a list else
        # reads two more pages of the database for each state. A version may be added before or after its state says
        # that it is the current one. Replicas that know nothing of the copy keep it right as well.
        "ALTER TABLE states ADD COLUMN newest BLOB",
        f"""CREATE FUNCTION states_newest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.newest := (SELECT v.record FROM versions v WHERE v.place = NEW.id * {SPAN} + NEW.current);
            RETURN NEW;
        END $$""",  # noqa: S608
        """CREATE TRIGGER states_newest BEFORE UPDATE OF current ON states FOR EACH ROW
            WHEN (NEW.current <> OLD.current) EXECUTE FUNCTION states_newest()""",
        """CREATE FUNCTION versions_newest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE states SET newest = NEW.record WHERE id = NEW.state_id AND current = NEW.seq;
            RETURN NULL;
        END $$""",
        """CREATE TRIGGER versions_newest AFTER INSERT OR UPDATE OF record ON versions FOR EACH ROW
            EXECUTE FUNCTION versions_newest()""",
        f"UPDATE states s SET newest = {CURRENT_RECORD} WHERE s.current > 0",  # noqa: S608
    ),
)
BREAKING: dict[str, frozenset[int]] = {"shared": frozenset({15}), "own": frozenset()}
"""Numbers of steps after which a program that does not know them must stop."""
_LISTS = {"shared": migrations.SQLITE, "own": OWN}


class SchemaStatus(msgspec.Struct, frozen=True):
    """How far a database is, and how far this program would bring it."""

    list: str
    """`shared` (the tables of every store) or `own` (those of PostgreSQL alone)."""
    version: int
    """Steps taken; 0 when there are no tables yet."""
    known: int
    compatible_from: int

    @property
    def behind(self) -> bool:
        return self.version < self.known

    @property
    def too_new(self) -> bool:
        return self.version > self.known and self.compatible_from > self.known


def status(connection: Connection) -> tuple[SchemaStatus, ...]:
    """Reads only. Errors: those of psycopg."""
    there = connection.execute("SELECT to_regclass('schema_steps')").fetchone()
    rows = [] if there is None or there[0] is None else connection.execute(
        "SELECT list, version, compatible_from FROM schema_steps"
    ).fetchall()  # fmt: skip
    have: dict[object, tuple[int, int]] = {row[0]: (int(str(row[1])), int(str(row[2]))) for row in rows}
    return tuple(SchemaStatus(name, have.get(name, (0, 0))[0], len(steps), have.get(name, (0, 0))[1])
                 for name, steps in _LISTS.items())  # fmt: skip


def refuse_newer(found: Sequence[SchemaStatus]) -> None:
    """StorageUnavailable (`storage.unavailable`) when this program is too old for the database."""
    for each in found:
        if each.too_new:
            raise StorageUnavailable(
                f"cannot use this database: its {each.list} schema {each.version} needs a Lockhouse that knows at "
                f"least {each.compatible_from}, and this one knows {each.known}",
                hint="it was changed by a newer Lockhouse: run that version or a later one",
            )


def migrate(connection: Connection) -> tuple[SchemaStatus, ...]:
    """Take the missing steps, and answer where the database is then. The connection is in autocommit mode.

    Errors: `storage.unavailable` for a newer database, or when the role may not make tables; others of psycopg."""
    found = status(connection)
    refuse_newer(found)
    if not any(each.behind for each in found):
        return found
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATING,))
            _take_steps(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StorageUnavailable(
            f"cannot make the tables: {str(error).splitlines()[0]}",
            hint="run it once with a role that may: lockhouse db migrate --database-url URL",
        ) from None
    return status(connection)


def _take_steps(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_steps "
        "(list TEXT PRIMARY KEY, version BIGINT NOT NULL, compatible_from BIGINT NOT NULL)"
    )
    for each in status(connection):  # again, for somebody else may have been faster
        refuse_newer([each])
        steps = _LISTS[each.list]
        for statement in (statement for step in steps[each.version :] for statement in step):
            connection.execute(definition(statement).encode())
        if each.version < len(steps):
            compatible = max([each.compatible_from, 1, *(n for n in BREAKING[each.list] if n <= len(steps))])
            connection.execute(
                "INSERT INTO schema_steps (list, version, compatible_from) VALUES (%s, %s, %s) ON CONFLICT (list) "
                "DO UPDATE SET version = excluded.version, compatible_from = excluded.compatible_from",
                (each.list, len(steps), compatible),
            )


def status_of(url: str) -> tuple[SchemaStatus, ...]:
    """As `status`. Errors: `storage.unavailable`, `setting.invalid`, `data.invalid`."""
    with _opened(url) as connection:
        return status(connection)


def migrate_at(url: str) -> tuple[SchemaStatus, ...]:
    """As `migrate`. Errors: as `status_of`."""
    with _opened(url) as connection:
        return migrate(connection)


def accept_rollback_at(url: str) -> None:
    """Raise the era (`postgres_marks`). Errors: as `status_of`; a database without tables."""
    with _opened(url) as connection:
        connection.execute(
            "UPDATE house SET era = greatest(era + 1, (extract(epoch FROM now()) * 1000)::bigint) WHERE one = 1"
        )


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Connection]:
    try:
        with contextlib.closing(open_connection(options_of(url))) as connection:
            yield connection
    except (psycopg.Error, Lost) as error:
        raise unreachable(error) from None
