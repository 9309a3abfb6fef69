"""Options that name a place where all data is, for commands that work without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.frame import data_directory
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    from lockhouse.storage.carry.place import Place

Database = Annotated[
    str,
    typer.Option("--database-url", metavar="URL", help="The database that has the records, instead of SQLite."),
]
Blobs = Annotated[
    str, typer.Option("--blobs", metavar="URL", help="Where the large bodies are, instead of the data directory.")
]


@contextmanager
def opened(data: str, database: str, blobs: str, *, create: bool = False) -> Iterator[Place]:
    """The place that the options name. Errors: `request.invalid`, `storage.unavailable`."""
    from lockhouse.storage.carry.place import open_directory_place

    if database or blobs:
        raise RequestInvalid(f"cannot use {database or blobs}: only data directories can be carried so far")
    with open_directory_place(data_directory(data), create=create) as place:
        yield place
