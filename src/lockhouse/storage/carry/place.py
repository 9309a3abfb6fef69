"""Places: where all data of a Lockhouse is kept, opened for carrying and not for serving.

A `Place` is a data directory that no server uses, or the open parts of the server that carries (`serving`): then others
write while it is read. What `path` and URL mean is decided in `open_place`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lockhouse.core.blobs import BlobReader, Blobs
from lockhouse.core.ports import Store
from lockhouse.durable import sync_directory
from lockhouse.errors import RequestInvalid, StorageUnavailable
from lockhouse.sealing.ring import Ring
from lockhouse.sealing.sources import KEY_FILE, KeyFile
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.opening import EMBEDDED, KeptBlobs, open_blobs
from lockhouse.storage.carry.rows import Loader, Snapshot
from lockhouse.storage.carry.sqlite_rows import SqliteLoader, SqliteSnapshot
from lockhouse.storage.directory import BLOBS, DATABASE, DataDirectory, take
from lockhouse.storage.holds import held
from lockhouse.storage.sql.sqlite import SqliteStore


class StoredBlobs(Protocol):
    """Blobs as the bytes that are stored, under the names that rows refer to."""

    def open(self, name: str) -> BlobReader: ...
    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Durable under this name, whole or not at all; the same name again replaces it."""
        ...

    def names(self) -> Iterator[tuple[str, float]]: ...


@dataclass(frozen=True)
class Place:
    """Where all data is."""

    name: str
    """For people; without a password."""
    blobs: StoredBlobs
    plain: Blobs
    """The same blobs as the server reads them."""
    snapshot: Callable[[], Snapshot]
    loader: Callable[[], Loader]
    store: Callable[[], AbstractContextManager[Store]]
    """The records as the server reads them. Makes the tables where there are none."""
    directory: Path | None = None
    """Where its small files are."""
    empty: bool = False
    """There is nothing in it yet, not even tables."""
    ring: Ring | None = None
    """What opens sealed bodies, as far as it is here."""

    def opens(self, store: Store) -> bool:
        """Whether every key is here that a body may be sealed with."""
        have = self.ring.ids if self.ring is not None else frozenset()
        return {record.id for record in store.read(lambda tx: tx.key_records())} <= have

    @contextmanager
    def unswept(self) -> Iterator[None]:
        """Nobody removes a blob while the block runs."""
        with self.store() as store, held(store):
            yield


def serving(directory: DataDirectory, ring: Ring | None = None, blobs: KeptBlobs | None = None) -> Place:
    """The data directory of the server that this process is, with the keys that it has."""

    def loader() -> Loader:
        raise RequestInvalid(
            f"cannot write into {directory.path}: a server is using this data directory", hint="stop its server first"
        )

    return Place(
        str(directory.path),
        blobs or directory.blobs,
        blobs or directory.blobs,
        lambda: SqliteSnapshot(directory.path / DATABASE),
        loader,
        lambda: contextlib.nullcontext(directory.store),
        directory.path,
        ring=ring,
    )


@contextmanager
def open_directory_place(
    path: Path, *, create: bool = False, blobs: str = EMBEDDED, ring: Ring | None = None
) -> Iterator[Place]:
    """A data directory, taken so that no server can use it meanwhile. `blobs` as the setting of that name says.

    Errors: `storage.unavailable` (a server uses it, it cannot be read), `request.invalid` (there is no data in it),
    `setting.invalid`."""
    database = path / DATABASE
    empty = not database.is_file()
    if empty and not create:
        raise RequestInvalid(f"cannot find a Lockhouse in {path}", hint="name its data directory: --data DIR")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = take(path, hint="stop that server first")
        sync_directory(path)
    except OSError as error:
        raise StorageUnavailable(
            f"cannot use {path}: {os.strerror(error.errno or 0)}", hint="is it a directory of yours, and is there room?"
        ) from error
    try:
        place = directory_place(path, empty=empty, ring=ring)
        if blobs == EMBEDDED:
            yield place
            return
        with place.store() as store:
            kept = open_blobs(blobs, FileBlobs(path / BLOBS), store)
            yield dataclasses.replace(place, blobs=kept, plain=kept, store=lambda: contextlib.nullcontext(store))
    finally:
        os.close(lock)


def directory_place(
    path: Path, *, empty: bool = False, durable: bool = True, blobs: Path | None = None, ring: Ring | None = None
) -> Place:
    """A data directory that is the caller's alone, with the keys of `ring` or of the key file in it; with `blobs`, its
    bodies are there and are not changed."""
    kept = FileBlobs(blobs, read_only=True) if blobs else FileBlobs(path / BLOBS, durable=durable)

    @contextmanager
    def store() -> Iterator[Store]:
        opened = SqliteStore(path / DATABASE, synchronous="FULL" if durable else "OFF")
        try:
            yield opened
        finally:
            opened.close()

    return Place(
        # Marks name it: from wherever the command is run again, it is the same place.
        os.path.abspath(path),  # noqa: PTH100 - resolve() would follow a link to somewhere else
        kept,
        kept,
        lambda: SqliteSnapshot(path / DATABASE),
        lambda: SqliteLoader(path / DATABASE, synchronous="FULL" if durable else "OFF"),
        store,
        path,
        empty,
        ring or _ring_in(path),
    )


def _ring_in(path: Path) -> Ring | None:
    keys = KeyFile(path / KEY_FILE).load(())
    return Ring(keys) if keys else None
