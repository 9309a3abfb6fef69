"""`lockhouse scrub` and `lockhouse pack`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.exits import Exit
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, size

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire_history import DamageDocument


def scrub(
    run: Run,
    *,
    namespace: Annotated[str, typer.Option("--namespace", help="Only this namespace.")] = "",
    rate: Annotated[int, typer.Option("--rate", metavar="MIB", help="At most so many MiB per second.", min=0)] = 0,
    after: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="Go on where an interrupted scrub said it was.")
    ] = "",
) -> None:
    """Check every stored body against the digest that was recorded when it came. Nothing is changed.

    It looks at all versions (also in the trash), parked writes and parts of uploads, on the running server. Exit code 1
    when anything is damaged.

    Example: lockhouse scrub --rate 50
    """
    checked = total = 0
    found: list[DamageDocument] = []
    watched = sys.stderr.isatty()
    try:
        while True:
            part = run.client.scrub(namespace, after, rate * 1024 * 1024)
            checked, total, after = checked + part.checked, total + part.bytes, part.next
            found += part.damaged
            if watched:
                sys.stderr.write(f"\rchecked {checked} bodies, {size(total)}, {len(found)} damaged   ")
                sys.stderr.flush()
            if not after:
                break
    except BaseException:
        if after:
            sys.stderr.write(f"\ninterrupted; to go on: lockhouse scrub --from {after}\n")
        raise
    if watched:
        sys.stderr.write("\r\033[K")
    rows = [(each.kind, f"{each.namespace}/{each.key}", each.id, each.problem, each.advice) for each in found]
    text = columns(
        ("what", "state", "id", "problem", "what to do"), rows, "nothing is damaged\n", prose=("problem", "what to do")
    )
    run.show({"checked": checked, "bytes": total, "damaged": found}, f"{text}checked {checked} bodies, {size(total)}\n")
    if found:
        raise typer.Exit(Exit.FAILED)


def pack(run: Run) -> None:
    """Pack older versions now, instead of in the next minutes. The server does it by itself in the background.

    Example: lockhouse pack
    """
    done = run.client.pack()
    failed = f", {done.failed} could not be packed: lockhouse scrub" if done.failed else ""
    run.show(done, f"packed {done.versions} versions of {done.states} states{failed}")


def register(app: typer.Typer) -> None:
    for act in (scrub, pack):
        command(app, act.__name__)(act)
