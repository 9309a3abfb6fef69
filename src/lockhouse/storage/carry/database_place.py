"""A PostgreSQL database, with the blobs that belong to it, as a place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockhouse.sealing.ring import Ring
from lockhouse.sealing.sources import KEY_FILE, KeyFile
from lockhouse.storage.blobs.opening import EMBEDDED, KeptBlobs, open_blobs
from lockhouse.storage.blobs.rows import RowBlobs
from lockhouse.storage.carry.place import Place
from lockhouse.storage.carry.postgres_rows import PostgresLoader, PostgresSnapshot, name_of
from lockhouse.storage.sql.postgres import PostgresStore
from lockhouse.storage.sql.postgres_session import options_of


@contextmanager
def open_database_place(url: str, blobs: str, directory: Path | None, *, ring: Ring | None = None) -> Iterator[Place]:
    """A database that servers may use meanwhile, unless it is written to. `blobs` as the setting of that name says, and
    by default in the database, where servers look for them then; `directory` has the key file.

    Errors: `storage.unavailable`, `setting.invalid`, `data.invalid`."""
    store = PostgresStore(url)
    try:
        yield _place(store, url, open_blobs(blobs or EMBEDDED, RowBlobs(store), store), directory, ring)
    finally:
        store.close()


def serving_database(
    store: PostgresStore, url: str, blobs: KeptBlobs, directory: Path, ring: Ring | None, password: str = ""
) -> Place:
    """The database of the server that this process is, to be backed up while it and others serve it."""
    return _place(store, url, blobs, directory, ring, password)


def _place(
    store: PostgresStore, url: str, kept: KeptBlobs, directory: Path | None, ring: Ring | None, password: str = ""
) -> Place:
    options = options_of(url) | ({"password": password} if password else {})
    if ring is None and directory is not None:
        keys = KeyFile(directory / KEY_FILE).load(())
        ring = Ring(keys) if keys else None
    return Place(
        name_of(options),
        kept,
        kept,
        lambda: PostgresSnapshot(options),
        lambda: PostgresLoader(options),
        lambda: contextlib.nullcontext(store),
        directory,
        ring=ring,
    )
