"""`lockhouse backup` and `lockhouse restore`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.frame import Run, command, data_directory
from lockhouse.cli.printing import facts, short, size

if TYPE_CHECKING:
    from lockhouse.storage.backup import Progress

group = typer.Typer(no_args_is_help=True, help="Backups of everything, while the server serves.")


@command(group, "create")
def create(run: Run) -> None:
    """Copy everything into the server's directory for backups (setting `backups`), and verify the copy.

    The backup has the master key and every state in it: keep it as safe as the data directory.
    """
    if sys.stderr.isatty():
        sys.stderr.write("copying and verifying …\n")
    made = run.client.backup()
    run.show(
        made,
        facts(
            (
                ("backup", made.path),
                ("at", short(made.at)),
                ("versions", str(made.versions)),
                ("parked", str(made.parked)),
                ("size", size(made.bytes)),
            )
        ),
    )


def restore(
    run: Run,
    backup: Annotated[str, typer.Argument(metavar="BACKUP", help="The directory that `backup create` made.")],
    *,
    data: Annotated[
        str,
        typer.Option("--data", envvar="LOCKHOUSE_DATA", help="The data directory to make; it must be empty or new."),
    ] = "",
) -> None:
    """Make a data directory from a backup, on this machine, and verify it. Nothing that exists is overwritten.

    Example: lockhouse restore /backups/lockhouse-20260101T000000Z --data /var/lib/lockhouse
    """
    from lockhouse.storage.backup import restore as copy

    directory = data_directory(data)
    manifest = copy(Path(backup).expanduser(), directory, progress=_tell if sys.stderr.isatty() else bool)
    run.show(
        {"data": str(directory), "versions": manifest.versions, "parked": manifest.parked, "bytes": manifest.bytes},
        f"restored {manifest.versions} versions ({size(manifest.bytes)}) into {directory}",
    )


def _tell(progress: Progress) -> None:
    part = f"{progress.done} of {progress.total}" if progress.total else str(progress.done)
    sys.stderr.write(f"\r\033[K{progress.what}: {part}")
    sys.stderr.flush()


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="backup")
    command(app, "restore", connects=False)(restore)
