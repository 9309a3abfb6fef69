"""Arguments that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.core.grants import ROLE_RIGHTS, Role
from lockhouse.core.principals import Right
from lockhouse.errors import NamespaceNotFound, Refusal, RequestInvalid, ServerUnreachable

if TYPE_CHECKING:
    from lockhouse.cli.frame import Run
    from lockhouse.protocols.api.wire_access import GrantAsk

Namespace = Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace (bucket).", show_default=False)]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key of the state in it.", show_default=False)]
KeyName = Annotated[str, typer.Argument(metavar="NAME", help="Whose name it is.", show_default=False)]
ParkedId = Annotated[str, typer.Argument(metavar="ID", help="The parked write.", show_default=False)]
Rights = Annotated[
    list[str],
    typer.Option(
        "--rights",
        metavar="RIGHT[,RIGHT…]",
        help=f"What may be done: {', '.join(Right)}. May be given several times.",
        show_default=False,
    ),
]
Roles = Annotated[
    list[str],
    typer.Option(
        "--role",
        metavar="ROLE",
        help=f"A named set of rights: {', '.join(Role)}. May be given several times.",
        show_default=False,
    ),
]
On = Annotated[
    list[str],
    typer.Option(
        "--on",
        metavar="NAMESPACE[/PREFIX]",
        help="Where: a namespace, or its keys that start with PREFIX; * is everywhere. May be given several times.",
        show_default=False,
    ),
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Write to FILE.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def grants(rights: list[str], on: list[str], roles: list[str], *, exactly: bool = False) -> list[GrantAsk]:
    """All rights and those of all roles on all places. Errors: `request.invalid`."""
    from lockhouse.protocols.api.wire_access import GrantAsk

    names = [name.strip() for text in rights for name in text.split(",") if name.strip()]
    strange = [name for name in roles if name not in set(Role)]
    if strange:
        raise RequestInvalid(f"cannot use the role {strange[0]!r}", hint=f"roles are: {', '.join(Role)}")
    names += [right for role in roles for right in ROLE_RIGHTS[Role(role)]]
    unknown = [name for name in names if name not in set(Right)]
    if unknown:
        raise RequestInvalid(f"cannot use the right {unknown[0]!r}", hint=f"rights are: {', '.join(Right)}")
    if bool(names) != bool(on):
        raise RequestInvalid(
            "cannot tell what is granted: give --rights or --role, and --on",
            hint="for example: --role writer --on NAMESPACE/PREFIX",
        )
    return [
        GrantAsk(
            namespace=namespace,
            prefix=prefix,
            exact=exactly,
            rights=tuple(dict.fromkeys(Right(name) for name in names)),
        )
        for namespace, _, prefix in (place.partition("/") for place in on)
    ]


def note_unknown_places(run: Run, granted: Iterable[GrantAsk]) -> None:
    """Say on standard error which places of a grant have no namespace: it may be one to come, or a lock table, or a
    slip of the pen. What was granted stands, whatever the server answers here."""
    for name in dict.fromkeys(each.namespace for each in granted):
        if name == "*":
            continue
        try:
            run.client.namespace(name)
        except Refusal as refused:
            if refused.code == NamespaceNotFound.code:
                words = "is no namespace yet: this grant waits for one, or is for a lock table"
                sys.stderr.write(f"note: {name} {words}\n")
        except ServerUnreachable:
            return


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal only `--yes` is an answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise RequestInvalid(f"cannot ask on this terminal: {question}", hint="say it with --yes")
    typer.confirm(question, abort=True, err=True)


def read_moment(text: str, hint: str) -> float:
    """Seconds since 1970 of a time in the form of RFC 3339; one without an offset is UTC. Errors: `request.invalid`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RequestInvalid(f"cannot read the time {text!r}", hint=hint, argument="time") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
