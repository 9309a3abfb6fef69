"""Options that name a place where all data is, for commands that work without a server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.frame import data_directory
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    from lockhouse.sealing.ring import Ring
    from lockhouse.storage.carry.place import Place
    from lockhouse.storage.carry.rows import Snapshot

Database = Annotated[
    str,
    typer.Option("--database-url", metavar="URL", help="The database that has the records, instead of SQLite."),
]
Blobs = Annotated[
    str,
    typer.Option(
        "--blobs",
        metavar="URL",
        help="Where the large bodies are; without it, in the database, or with SQLite in the data directory.",
    ),
]

EncryptionKey = Annotated[
    str,
    typer.Option(
        "--encryption-key",
        envvar="LOCKHOUSE_ENCRYPTION_KEY",
        metavar="FILE",
        help="The key file that opens sealed states (your copy of encryption.key), or env:NAME. Without it: the one "
        "in the data directory or in the backup.",
    ),
]


def ring_of(text: str) -> Ring | None:
    """The keys that the option names; None for keys that only a server can ask for (AWS KMS).

    Errors: `data.invalid`, `setting.invalid`."""
    from lockhouse.sealing.ring import Ring
    from lockhouse.sealing.sources import named_source

    if not text:
        return None
    source = named_source(text, os.environ)
    if source is None or source.kind == "aws-kms":
        return None
    keys = source.load(())
    if not keys:
        raise RequestInvalid(f"cannot find a key in {text}", hint="name your copy of encryption.key")
    return Ring(keys)


@contextmanager
def opened(data: str, database: str, blobs: str, *, create: bool = False, ring: Ring | None = None) -> Iterator[Place]:
    """The place that the options name. Errors: `request.invalid`, `storage.unavailable`."""
    from lockhouse.storage.blobs.opening import EMBEDDED
    from lockhouse.storage.carry.database_place import open_database_place
    from lockhouse.storage.carry.place import open_directory_place

    blobs = blobs or EMBEDDED
    if database:
        directory = data_directory(data) if data else None
        with open_database_place(database, blobs, directory, ring=ring) as place:
            yield place
        return
    with open_directory_place(data_directory(data), create=create, blobs=blobs, ring=ring) as place:
        yield place


def check_current(place: Place) -> None:
    """Say on standard error when the data was moved away, for then it may be older than what is served.

    Errors: `data.invalid` when it is only partly here."""
    from lockhouse.storage.carry.carrying import check_whole

    with place.store() as store:
        moved = store.read(check_whole)
    if moved:
        sys.stderr.write(f"note: {place.name} was moved to {moved}: what was written there since then is not here\n")


@contextmanager
def readable(
    data: str, database: str, blobs: str, backup: str, ring: Ring | None = None
) -> Iterator[tuple[Place, Snapshot]]:
    """A place, or a backup opened as one, and a snapshot of it. Errors: `request.invalid`, `storage.unavailable`."""
    from lockhouse.storage.carry.backup import as_place

    with as_place(Path(backup).expanduser(), ring) if backup else opened(data, database, blobs, ring=ring) as place:
        with place.store():  # bring the tables up to date: the snapshot is read by this program
            pass
        check_current(place)
        snapshot = place.snapshot()
        try:
            yield place, snapshot
        finally:
            snapshot.close()
