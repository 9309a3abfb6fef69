"""Backup of a data directory while it serves, and restore into an empty one.

A backup is a directory of the same layout: a consistent copy of the database, every blob that the copy refers to, the
small files named by the caller, and `backup.json`. It is built beside its place, read back and verified as a whole,
made durable, and only then given its name; so what has the name is complete. A restore does the same, from a backup.
Nothing that exists is ever overwritten or removed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from lockhouse.errors import RequestInvalid, StorageFull, StorageUnavailable
from lockhouse.storage.blobs.files import FileBlobs, sync_directory, sync_file
from lockhouse.storage.directory import BLOBS, DATABASE, DataDirectory
from lockhouse.storage.sql.sqlite import SqliteStore
from lockhouse.storage.verify import Findings, verify

MANIFEST = "backup.json"
FORMAT = 1
_PIECE = 1024 * 1024
_PAGE = 1000


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds. `at` in seconds since 1970, `bytes` of bodies as clients sent them."""

    format: int
    at: float
    versions: int
    parked: int
    blobs: int
    bytes: int
    files: tuple[str, ...]
    """Small files of other rooms that were there and are in it."""


class Progress(msgspec.Struct, frozen=True):
    """`what` is `database`, `bodies` or `verify`; `done` and `total` count bodies kept outside the database while
    these are copied, and versions while everything is verified (`total` 0: not known)."""

    what: str
    done: int
    total: int


Tell = Callable[[Progress], object]


def backup(
    directory: DataDirectory, target: Path, *, now: float, files: Sequence[str] = (), progress: Tell = bool
) -> Manifest:
    """Copy an open data directory; it goes on serving. `files` are names in it that other rooms own; those that do not
    exist are left out, and the manifest lists those that do.

    Errors: `request.invalid` (the target exists and is not empty), `storage.full`, `storage.unavailable` (something
    cannot be read or written, or the copy does not verify: the data itself is damaged).
    """
    with _built(target) as work:
        # No sweep may take a blob between the copy of the database that refers to it and the copy of the blob.
        with directory.blobs.sweeping:
            progress(Progress("database", 0, 1))
            directory.store.copy_to(work / DATABASE)
            _sync(work / DATABASE)
            progress(Progress("database", 1, 1))
            _copy_blobs(work, directory.blobs, progress)
        there = tuple(name for name in files if _copy_small(directory.path, work, name))
        found = _verified(work, progress)
        manifest = Manifest(FORMAT, now, found.versions, found.parked, found.blobs, found.bytes, there)
        (work / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        _sync(work / MANIFEST)
    return manifest


def restore(source: Path, target: Path, *, progress: Tell = bool) -> Manifest:
    """Make a data directory from a backup, ready to be served.

    Errors: `request.invalid` (the source is no backup, or the target exists and is not empty), `storage.full`,
    `storage.unavailable` (the backup cannot be read or is damaged: nothing is made).
    """
    manifest = read_manifest(source)
    with _built(target) as work:
        progress(Progress("database", 0, 1))
        _copy(source / DATABASE, work / DATABASE)
        progress(Progress("database", 1, 1))
        _copy_blobs(work, FileBlobs(source / BLOBS, read_only=True), progress)
        for name in manifest.files:
            if not _copy_small(source, work, name):
                raise StorageUnavailable(f"cannot restore {source}: its file {name} is missing")
        found = _verified(work, progress)
        if (found.versions, found.parked) != (manifest.versions, manifest.parked):
            raise StorageUnavailable(
                f"cannot restore {source}: it has {found.versions} versions and should have {manifest.versions}"
            )
    return manifest


def read_manifest(source: Path) -> Manifest:
    """What a backup says of itself. `request.invalid` when it is none, or of a later format."""
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise RequestInvalid(f"cannot restore {source}: it is not a complete backup ({MANIFEST})") from error
    if manifest.format != FORMAT or any(Path(name).name != name for name in manifest.files):
        raise RequestInvalid(f"cannot restore {source}: this Lockhouse does not know its format {manifest.format}")
    return manifest


@contextmanager
def _built(target: Path) -> Iterator[Path]:
    """A directory beside the target that becomes the target when the block ends well, and goes when it does not."""
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link to somewhere else
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RequestInvalid(f"cannot write to {target}: it exists already", hint="name a new directory")
    work = target.with_name(f".{target.name}.incomplete-{secrets.token_hex(4)}")
    try:
        work.mkdir(mode=0o700, parents=True)
        (work / BLOBS).mkdir(mode=0o700)
        yield work
        _sync_directories(work)
        work.rename(target)
        sync_directory(target.parent)
    except BaseException as error:
        shutil.rmtree(work, ignore_errors=True)
        if isinstance(error, OSError | apsw.Error):
            raise _explained(target, error) from error
        raise


def _explained(target: Path, error: OSError | apsw.Error) -> StorageFull | StorageUnavailable:
    if isinstance(error, apsw.FullError) or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"cannot write {target}: the disk is full; nothing was kept")
    return StorageUnavailable(f"cannot write {target}: {error}")


def _copy_blobs(work: Path, blobs: FileBlobs, progress: Tell) -> None:
    store = SqliteStore(work / DATABASE)
    try:
        names: list[str] = []
        after = ""
        while page := store.read(lambda r, after=after: r.blob_names(after, _PAGE)):  # type: ignore[misc]
            names += page
            after = page[-1]
    finally:
        store.close()
    for number, name in enumerate(names):
        progress(Progress("bodies", number, len(names)))
        place = work / BLOBS / name[:2]
        place.mkdir(mode=0o700, exist_ok=True)
        reader = blobs.open(name)
        try:
            with open(place / name, "xb", opener=_private) as file:
                file.writelines(reader.read(offset, _PIECE) for offset in range(0, reader.size, _PIECE))
                file.flush()
                sync_file(file.fileno())
        finally:
            reader.close()
    progress(Progress("bodies", len(names), len(names)))


def _copy_small(source: Path, work: Path, name: str) -> bool:
    if not name or Path(name).name != name or name in (DATABASE, BLOBS, MANIFEST):
        raise RequestInvalid(f"cannot copy {name!r}: not the name of a file of its own in the data directory")
    if not (source / name).is_file():
        return False
    _copy(source / name, work / name)
    return True


def _copy(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as old, open(target, "xb", opener=_private) as new:
            shutil.copyfileobj(old, new, _PIECE)
            new.flush()
            sync_file(new.fileno())
    except FileNotFoundError as error:
        raise StorageUnavailable(f"cannot read {source}: it is missing") from error


def _verified(work: Path, progress: Tell) -> Findings:
    """The copy is opened as a server opens it, so that a restore is exercised by every backup."""
    store = SqliteStore(work / DATABASE)
    try:
        store.check()
        found = verify(
            store,
            FileBlobs(work / BLOBS, read_only=True),
            lambda so_far: progress(Progress("verify", so_far.versions + so_far.parked, 0)),
        )
    finally:
        store.close()
    if found.problems:
        raise StorageUnavailable(
            f"cannot make a good copy: {len(found.problems)} versions are damaged, first {found.problems[0]}",
            hint="the data itself is damaged: restore it from an earlier backup",
        )
    return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync(path: Path) -> None:
    path.chmod(0o600)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(file)
    finally:
        os.close(file)


def _sync_directories(work: Path) -> None:
    for each in (work / BLOBS).iterdir():
        sync_directory(each)
    sync_directory(work / BLOBS)
    sync_directory(work)
