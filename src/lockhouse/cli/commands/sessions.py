"""`lockhouse session`: where people are signed in, and how to sign them out."""

from __future__ import annotations

from typing import Annotated

import typer

from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, short
from lockhouse.errors import RequestInvalid

sessions = typer.Typer(no_args_is_help=True, help="Where people are signed in to the console.")

User = Annotated[str, typer.Option("--user", metavar="NAME", help="Of this user, in place of yourself.")]


@command(sessions, "list")
def list_sessions(
    run: Run, *, user: User = "", all_: Annotated[bool, typer.Option("--all", help="Of everybody.")] = False
) -> None:
    """List sessions, the newest first: yours, another's, or everybody's.

    Example: lockhouse session list --user ann@example.com
    """
    found = run.client.sessions(user, everybody=all_)
    rows = [
        (each.id, each.name, each.method, short(each.began_at), short(each.seen_at), short(each.ends_at), each.peer)
        for each in found
    ]
    run.show(
        found,
        columns(
            ("id", "user", "through", "began", "last used", "ends", "from"),
            rows,
            "no sessions",
            least=("through", "began", "from", "ends"),
        ),
    )


@command(sessions, "revoke")
def revoke(
    run: Run,
    session: Annotated[str, typer.Argument(metavar="ID", help="As `session list` shows it.")] = "",
    *,
    user: User = "",
) -> None:
    """End one session, or all of a user: their browsers are signed out at their next request.

    Example: lockhouse session revoke --user ann@example.com
    """
    if bool(session) == bool(user):
        raise RequestInvalid(
            "cannot tell which session is meant: give its ID, or --user", hint="lockhouse session list"
        )
    ended = run.client.end_sessions(user) if user else run.client.end_session(session)
    run.show(ended, f"ended {ended.ended} {'session' if ended.ended == 1 else 'sessions'}")


def register(app: typer.Typer) -> None:
    app.add_typer(sessions, name="session")
