"""`lockhouse maintenance`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import read_moment
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockhouse.protocols.api.wire import MaintenanceDocument

group = typer.Typer(no_args_is_help=True, help="Maintenance: keep everybody out of a place for a while, and say why.")
Place = Annotated[
    str,
    typer.Argument(
        metavar="NAMESPACE[/PREFIX]", help="A namespace, or its keys that start with PREFIX.", show_default=False
    ),
]
Exactly = Annotated[bool, typer.Option("--exactly", help="PREFIX is one whole key: this state and no other.")]
_LASTS = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@command(group, "start")
def start(
    run: Run,
    place: Place,
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; everybody who is refused reads it.", show_default=False)
    ],
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="End then: 2026-01-31T10:00:00Z.")] = "",
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="End after 90s, 30m, 2h or 1d.")] = "",
    exactly: Exactly = False,
) -> None:
    """Refuse locks and writes there to everybody from now on; again at the same place: another reason, another end.

    Whoever holds a lock may finish, write and unlock. Reading goes on, and so does a plan without a lock.

    Example: lockhouse maintenance start terraform-state/network/ --reason "moving accounts" --for 2h
    """
    from lockhouse.protocols.api.wire_maintenance import MaintenanceAsk

    namespace, _, prefix = place.partition("/")
    asked = MaintenanceAsk(
        reason=reason,
        prefix=prefix,
        exact=exactly,
        until=read_moment(until, "--until 2026-01-31T10:00:00Z") if until else None,
        lasts=_seconds(lasts) if lasts else None,
    )
    made = run.client.start_maintenance(namespace, asked)
    what = "changed" if made.before is not None else "started"
    run.show(made, f"{what} maintenance\n{_text(made.maintenance)}")


@command(group, "list")
def list_all(
    run: Run, namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Only of this one.")] = ""
) -> None:
    """List what stands now.

    Example: lockhouse maintenance list terraform-state
    """
    found = run.client.maintenances(namespace)
    run.show(found, table(found) or "no maintenance stands")


@command(group, "end")
def end(run: Run, place: Place, *, exactly: Exactly = False) -> None:
    """End it; who waits for a lock there is served.

    Example: lockhouse maintenance end terraform-state/network/
    """
    namespace, _, prefix = place.partition("/")
    found = run.client.end_maintenance(namespace, prefix, exact=exactly)
    run.show(found, f"ended maintenance of {_place(found)}")


def table(found: Sequence[MaintenanceDocument]) -> str:
    """What stands, as columns; empty for nothing."""
    rows = [(_place(each), each.by, short(each.since), short(each.until), each.reason) for each in found]
    titles = ("maintenance of", "by", "since", "until", "reason")
    return columns(titles, rows, "", least=("since",), prose=("reason",)) if rows else ""


def _text(found: MaintenanceDocument) -> str:
    return facts(
        (
            ("place", _place(found)),
            ("reason", found.reason),
            ("by", found.by),
            ("since", short(found.since)),
            ("until", short(found.until) or "somebody ends it"),
        )
    )


def _place(found: MaintenanceDocument) -> str:
    place = f"{found.namespace}/{found.prefix}" if found.prefix else found.namespace
    return f"{place} exactly" if found.exact else place


def _seconds(text: str) -> float:
    found = _LASTS.fullmatch(text)
    if found is None or not int(found[1]):
        raise RequestInvalid(f"cannot read how long: {text!r}", hint="--for 90s, 30m, 2h or 1d", argument="for")
    return float(int(found[1]) * _UNITS[found[2]])


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="maintenance")
