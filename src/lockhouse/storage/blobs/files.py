"""Blobs as files: `ROOT/ab/ab12…`, at most 256 directories, written to `ROOT/incoming` and renamed when complete.

A name is given out only after the bytes and the directory entry are durable. Whatever lies in `incoming` when a server
starts was never given out and is removed. A blob is written once and never changed. Specification: `core.blobs.Blobs`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from lockhouse.durable import sync_directory, sync_file
from lockhouse.errors import FROM_A_BACKUP, StorageFull, StorageUnavailable
from lockhouse.storage.blobs.given import Given
from lockhouse.storage.reserve import Reserve

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HEX = frozenset("0123456789abcdef")
_INCOMING = "incoming"
_NO_WAIT: int | None = getattr(os, "RWF_NOWAIT", None)
"""Linux alone can read "only if it is in memory"."""


class FileBlobs:
    """`core.blobs.Blobs` in a directory of this machine."""

    def __init__(
        self, root: Path, *, reserve: Reserve | None = None, durable: bool = True, read_only: bool = False
    ) -> None:
        """`durable=False` is wrong on purpose: the power-loss test must be able to catch it. `read_only` opens blobs
        that nobody writes (a backup) and changes nothing."""
        self._root = root
        self._reserve = reserve
        self._durable = durable
        self.where = "the data directory" if reserve is not None else str(root)
        """For people. Clients of a server (which has a reserve) are told no path."""
        self._incoming = root / _INCOMING
        self._given = Given()
        self.sweeping = threading.Lock()
        """Held by whoever removes blobs, and by whoever copies them and must find all that a snapshot refers to."""
        self._making = threading.Lock()
        self._made: set[str] = set()
        """Names of directories whose own entries are durable: one that another thread has just made may not be."""
        if read_only:
            return
        for directory in (root, self._incoming):  # `parents` would make them readable for others
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._incoming.iterdir():
            left.unlink()
        self._made.update(each.name for each in root.iterdir())
        sync_directory(root)
        sync_directory(root.parent)

    def create(self) -> FileBlobWriter:
        return FileBlobWriter(self)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Beyond the port, for whoever carries blobs here from elsewhere: durable under the name that it had there."""
        writer = self.create()
        try:
            for piece in pieces:
                writer.write(piece)
        except BaseException:
            writer.abort()
            raise
        writer.finish(name)

    def open(self, name: str) -> FileBlobReader:
        return FileBlobReader(self._place(name), name)

    def local_path(self, name: str) -> str | None:
        return str(self._place(name))

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._place(name).unlink()
        self._given.forget(name)

    def names(self) -> Iterator[tuple[str, float]]:
        for directory in sorted(self._root.iterdir()):
            if directory.name == _INCOMING or not directory.is_dir():
                continue
            for file in sorted(os.scandir(directory), key=lambda each: each.name):
                with contextlib.suppress(FileNotFoundError):
                    yield file.name, file.stat().st_mtime

    def check(self) -> None:
        """The disk answers for itself, when it is used."""

    def claim(self, house: str) -> str:
        """Never another's: a data directory has one server."""
        return house

    def explain_owner(self) -> tuple[str, str]:
        return "", ""

    def finished_within(self, name: str, seconds: float) -> bool:
        """Whether this process gave the name out so recently, by a clock that never jumps: its version may not be
        committed yet, whatever the file's date says."""
        return self._given.within(name, seconds)

    def _place(self, name: str) -> Path:
        if len(name) != 32 or not _HEX.issuperset(name):
            raise StorageUnavailable("cannot open a body: its name is damaged", hint=FROM_A_BACKUP)
        return self._root / name[:2] / name

    def _check_room(self) -> None:
        if self._reserve is not None and self._reserve.given_up:
            raise _full(self.where)

    def _keep(self, incoming: Path, name: str) -> str:
        place = self._place(name)
        self._given.note(name)
        self._make(place.parent)
        incoming.rename(place)
        if self._durable:
            sync_directory(place.parent)
        return name

    def _make(self, directory: Path) -> None:
        if directory.name in self._made and directory.is_dir():
            return
        with self._making:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._durable:
                sync_directory(self._root)
            self._made.add(directory.name)


class FileBlobWriter:
    """One blob being written. After an error, or when dropped, nothing is left of it.

    A client may leave while a thread still writes: `abort` waits for that thread, and after `finish` does nothing.
    """

    def __init__(self, blobs: FileBlobs) -> None:
        blobs._check_room()  # noqa: SLF001 - one class in two halves
        self._blobs = blobs
        self._path = blobs._incoming / secrets.token_hex(16)  # noqa: SLF001 - as above
        self._file = -1
        self._using = threading.RLock()
        with _refusals(self._blobs.where):
            self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes | memoryview) -> None:
        self._blobs._check_room()  # noqa: SLF001 - as above
        rest = memoryview(data)
        with self._using, self._undone(), _refusals(self._blobs.where):
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def finish(self, name: str = "") -> str:
        with self._using, self._undone(), _refusals(self._blobs.where):
            if self._blobs._durable:  # noqa: SLF001 - as above
                sync_file(self._file)
            self._close()
            return self._blobs._keep(self._path, name or secrets.token_hex(16))  # noqa: SLF001 - as above

    def abort(self) -> None:
        with self._using:
            self._close()
            with contextlib.suppress(OSError):
                self._path.unlink()

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            self.abort()

    def _close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    @contextlib.contextmanager
    def _undone(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abort()
            raise


class FileBlobReader:
    """An open blob."""

    def __init__(self, path: Path, name: str) -> None:
        self._file = -1
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._file).st_size
        except OSError as error:
            raise _unreadable(name, error) from error
        self._name = name

    def read(self, offset: int, size: int) -> bytes:
        found = []
        try:
            while size > 0 and (data := os.pread(self._file, size, offset)):
                found.append(data)
                offset += len(data)
                size -= len(data)
        except OSError as error:
            raise _unreadable(self._name, error) from error
        return found[0] if len(found) == 1 else b"".join(found)

    def read_into(self, offset: int, room: memoryview) -> int:
        try:
            place = os.preadv(self._file, (room,), offset)
            while 0 < place < len(room) and (count := os.preadv(self._file, (room[place:],), offset + place)):
                place += count
        except OSError as error:
            raise _unreadable(self._name, error) from error
        return place

    def at_hand(self, offset: int, size: int) -> bool:
        # Whether the ends are in the page cache: what lies between was read ahead with them, or nearly so.
        if _NO_WAIT is None:
            return False
        probe = bytearray(1)
        try:
            return all(os.preadv(self._file, [probe], at, _NO_WAIT) == 1 for at in (offset + size - 1, offset))
        except OSError:  # it would have to wait, or this file system cannot say
            return False

    def close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def __del__(self) -> None:
        self.close()


@contextlib.contextmanager
def _refusals(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(where) from error
        raise StorageUnavailable(
            f"cannot store a body: {os.strerror(error.errno or 0)}", hint="may the server write there?"
        ) from error


def _full(where: str) -> StorageFull:
    return StorageFull(
        f"cannot store a body: the disk of {where} is full; nothing was changed",
        hint="free some space there: a server goes on with reads and unlocks, and its writes resume by themselves",
    )


def _unreadable(name: str, error: OSError) -> StorageUnavailable:
    hint = "does the setting blobs name the place where large bodies are?" if error.errno == errno.ENOENT else ""
    return StorageUnavailable(f"cannot read body {name}: {os.strerror(error.errno or 0)}", hint=hint)
