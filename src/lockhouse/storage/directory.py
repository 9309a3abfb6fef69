"""The data directory: its layout, its owner and its parts opened together.

    DIR/lock            held by the one server that uses the directory
    DIR/lockhouse.db    the database, with its write-ahead log beside it
    DIR/reserve         room given up when the disk is full (`storage.reserve`)
    DIR/blobs/          bodies too large for rows (`storage.blobs.files`)

Other rooms keep files of their own beside these (keys, the first credentials); they are not known here.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw

from lockhouse.durable import sync_directory
from lockhouse.errors import StorageUnavailable
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.owner import house_in
from lockhouse.storage.reserve import RESERVE_BYTES, Reserve
from lockhouse.storage.sql.sqlite import LOG_BOUND, SqliteStore, end_process

DATABASE = "lockhouse.db"
BLOBS = "blobs"
LOCK = "lock"
RESERVE = "reserve"


@dataclass(frozen=True)
class DataDirectory:
    """An open data directory. `close` commits what is queued and gives the directory back."""

    path: Path
    store: SqliteStore
    blobs: FileBlobs
    reserve: Reserve
    _lock: int

    def house(self) -> str:
        """The name of the house."""
        return house_in(self.store)

    def close(self) -> None:
        self.store.close()
        os.close(self._lock)


def open_directory(
    path: Path | str,
    *,
    fail_stop: Callable[[str], object] = end_process,
    synchronous: str = "FULL",
    durable_blobs: bool = True,
    reserve_bytes: int = RESERVE_BYTES,
    log_bound: int = LOG_BOUND,
) -> DataDirectory:
    """Make the directory if need be, take it for this process and open what is in it.

    StorageUnavailable (`storage.unavailable`): another server uses it, it cannot be made or read, or a newer Lockhouse
    wrote it. `fail_stop` is called when the outcome of a commit is unknown. `synchronous` and `durable_blobs` are for
    the power-loss test alone, which proves that it notices when they are wrong.
    """
    path = Path(path)
    try:
        _make(path)
        lock = take(path, hint="stop that server, or give this one another --data directory")
    except OSError as error:
        raise StorageUnavailable(
            f"cannot use {path} as data directory: {os.strerror(error.errno or 0)}",
            hint="name a directory that the server may write: --data DIR",
        ) from error
    try:
        reserve = Reserve(path / RESERVE, reserve_bytes)
        reserve.take()

        def open_store() -> SqliteStore:
            return SqliteStore(
                path / DATABASE, reserve=reserve, fail_stop=fail_stop, synchronous=synchronous, log_bound=log_bound
            )

        try:
            store = open_store()
        except (apsw.FullError, apsw.IOError, apsw.CantOpenError):
            # Opening needs a little room too, and a full disk must not keep the server from releasing locks.
            reserve.give_up()
            store = open_store()
            reserve.take()
        try:
            blobs = FileBlobs(path / BLOBS, reserve=reserve, durable=durable_blobs)
            sync_directory(path)
        except BaseException:
            store.close()
            raise
    except (apsw.Error, OSError) as error:
        os.close(lock)
        raise StorageUnavailable(
            f"cannot open the data in {path}: {error}",
            hint="may this user read and write all files in it? else docs/guide/backup-and-restore.md",
        ) from error
    except BaseException:
        os.close(lock)
        raise
    return DataDirectory(path, store, blobs, reserve, lock)


def _make(path: Path) -> None:
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync_directory(each.parent)


def take(path: Path, *, hint: str) -> int:
    """The open lock file of a data directory, which is this process's until it is closed.

    Errors: `storage.unavailable` where a server uses it."""
    file = os.open(path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise StorageUnavailable(
            f"cannot use {path}: a Lockhouse server is using this data directory", hint=hint
        ) from None
    return file
