"""`lockhouse db`: the tables in a PostgreSQL database, and what only a person can decide about it."""

from __future__ import annotations

from typing import Annotated

import typer

from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns

db = typer.Typer(no_args_is_help=True, help="The tables in a PostgreSQL database.")

Url = Annotated[
    str,
    typer.Option(
        "--database-url",
        metavar="URL",
        envvar="LOCKHOUSE_DATABASE_URL",
        help="postgresql://USER@HOST:PORT/DATABASE; the password in it, in PGPASSWORD, or in the file of PGPASSFILE.",
    ),
]


@command(db, "status", connects=False)
def status(run: Run, *, database_url: Url) -> None:
    """Say how far the tables are, and whether this program and older ones may use them. Changes nothing.

    Example: lockhouse db status --database-url postgresql://lockhouse@db/lockhouse
    """
    from lockhouse.storage.sql.postgres_schema import status_of

    _show(run, status_of(database_url))


@command(db, "migrate", connects=False)
def migrate(run: Run, *, database_url: Url) -> None:
    """Make the tables, or take the steps that are missing, in one transaction and one program at a time.

    A server does the same when it starts. Use this where its role may not make tables. Servers of the version before go
    on running beside the new tables, unless `db status` says otherwise.

    Example: lockhouse db migrate --database-url postgresql://owner@db/lockhouse
    """
    from lockhouse.storage.sql.postgres_schema import migrate_at

    _show(run, migrate_at(database_url))


@command(db, "accept-rollback", connects=False)
def accept_rollback(run: Run, *, database_url: Url) -> None:
    """Let all replicas serve from a database that went back in time: a restored backup, or a standby that lacked some.

    Before that, make sure that no run is under way that holds a lock which the database has lost.

    Example: lockhouse db accept-rollback --database-url postgresql://lockhouse@db/lockhouse
    """
    from lockhouse.storage.sql.postgres_schema import accept_rollback_at

    accept_rollback_at(database_url)
    run.done(accepted="yes", text="accepted: the replicas serve again within a second")


def _show(run: Run, found: object) -> None:
    from lockhouse.storage.sql.postgres_schema import SchemaStatus

    assert isinstance(found, tuple)
    rows = [
        (
            each.list,
            str(each.version),
            str(each.known),
            "too new" if each.too_new else "behind" if each.behind else "ok",
        )
        for each in found
        if isinstance(each, SchemaStatus)
    ]
    run.show(
        [{"list": row[0], "version": int(row[1]), "known": int(row[2]), "state": row[3]} for row in rows],
        columns(("tables", "steps taken", "steps known", "state"), rows, "no tables"),
    )


def register(app: typer.Typer) -> None:
    app.add_typer(db, name="db")
