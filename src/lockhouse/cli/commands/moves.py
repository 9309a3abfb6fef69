"""`lockhouse move`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.frame import Run, command
from lockhouse.cli.places import EncryptionKey, opened, ring_of
from lockhouse.cli.printing import columns, facts, size
from lockhouse.cli.progress import Meter
from lockhouse.errors import RequestInvalid, SettingInvalid, StorageUnavailable

if TYPE_CHECKING:
    from lockhouse.sealing.ring import Ring
    from lockhouse.storage.carry.place import Place

_PLACE = "a data directory, or postgresql://…"
_PASSWORD = re.compile(r"(://[^:/@]*):[^@/]*@")
_BLOBS = "in the data directory, or in the database of postgresql://…"


def move(
    run: Run,
    *,
    source: Annotated[str, typer.Option("--from", metavar="PLACE", help=f"Where everything is: {_PLACE}")] = "",
    target: Annotated[str, typer.Option("--to", metavar="PLACE", help=f"Where it is to be: {_PLACE}")] = "",
    from_blobs: Annotated[
        str,
        typer.Option("--from-blobs", metavar="URL", help=f"Where the large bodies are; without it, {_BLOBS}"),
    ] = "",
    to_blobs: Annotated[
        str, typer.Option("--to-blobs", metavar="URL", help=f"Where they are to be; without it, {_BLOBS}")
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            "--data",
            envvar="LOCKHOUSE_DATA",
            help="The data directory with the keys, where neither PLACE is one.",
        ),
    ] = "",
    undo: Annotated[
        str, typer.Option("--undo", metavar="PLACE", help="Let a place that was moved be served again.")
    ] = "",
    encryption_key: EncryptionKey = "",
) -> None:
    """Move everything between the embedded store and a database with a blob store, in either direction.

    Stop the servers first. Interrupted, run the same again: it goes on where it ended. All rows and bodies are compared
    before it says that it is done. The source keeps its data and is marked, so that no server serves it by accident.

    Example: lockhouse move --from /var/lib/lockhouse --to postgresql://lockhouse@db/lockhouse --to-blobs s3://bodies
    Example: lockhouse move --undo /var/lib/lockhouse
    """
    from lockhouse.storage.carry import moving

    if undo:
        if source or target:
            raise RequestInvalid(
                "cannot move and undo a move at once",
                hint="lockhouse move --from PLACE --to PLACE, or lockhouse move --undo PLACE",
            )
        with _place(undo, from_blobs, data, None, flag="--from-blobs") as place:
            was = moving.undo(place)
        said = f"{place.name} may be served again" if was else f"{place.name} was not moved: nothing to give up"
        run.done(place=place.name, moved_to=was, text=said)
        return
    if not source or not target:
        raise RequestInvalid("cannot tell what to move where", hint="lockhouse move --from PLACE --to PLACE")
    # Where one of them is a directory, the other finds its key file there.
    data = data or next((each for each in (source, target) if "://" not in each), "")
    ring = ring_of(encryption_key)
    with (
        _place(source, from_blobs, data, ring, flag="--from-blobs") as old,
        # A new directory has no key file yet: its bodies are opened by what opens those of the source.
        _place(target, to_blobs, data, ring or old.ring, flag="--to-blobs", create=True) as new,
        Meter() as meter,
    ):
        made = moving.move(old, new, progress=meter.progress)
    next_command = _serving(target, data, to_blobs, source)
    rows = [(name, str(table.rows), "equal") for name, table in made.tables.items()]
    found = made.found
    run.show(
        {
            "from": old.name,
            "to": new.name,
            "tables": made.tables,
            "blobs": made.blobs,
            "versions": found.versions if found else 0,
            "bytes": found.bytes if found else 0,
            "serve": next_command,
        },
        columns(("table", "rows", "compared"), rows, "no tables")
        + facts(
            (
                ("from", f"{old.name} (it is kept, and no server will serve it)"),
                ("to", new.name),
                ("bodies moved", str(made.blobs)),
                ("versions read", f"{found.versions} ({size(found.bytes)})" if found else "none: no key"),
                ("serve it with", next_command),
            )
        ),
    )


def _serving(target: str, data: str, blobs: str, source: str) -> str:
    """The command that serves the place to which everything was moved. A new directory needs the keys first."""
    large = ("--blobs", blobs) if blobs else ()
    if "://" in target:
        url = _PASSWORD.sub(r"\1@", target)
        return shlex.join(["lockhouse", "serve", *(("--data", data) if data else ()), "--database-url", url, *large])
    keys, new = shlex.quote(data if "://" in source else source), shlex.quote(target)
    serve = shlex.join(["lockhouse", "serve", "--data", target, *large])
    return f"cp -p {keys}/*.key {keys}/credentials.json {new}/ && {serve}"


@contextmanager
def _place(text: str, blobs: str, data: str, ring: Ring | None, *, flag: str, create: bool = False) -> Iterator[Place]:
    """`flag` is where `blobs` came from: there are two here, and none that hints of other commands name."""
    database, directory = (text, data) if "://" in text else ("", str(Path(text).expanduser()))
    with ExitStack() as stack:
        try:
            place = stack.enter_context(opened(directory, database, blobs, create=create, ring=ring))
        except (SettingInvalid, StorageUnavailable) as problem:
            hint = problem.hint.replace("--blobs (LOCKHOUSE_BLOBS)", flag)
            raise type(problem)(problem.message, hint=hint, **problem.details) from problem
        yield place


def register(app: typer.Typer) -> None:
    command(app, "move", connects=False)(move)
