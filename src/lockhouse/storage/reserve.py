"""The reserve: a file of room kept on the disk, given up when the disk is full so that locks can still be released.

While it is given up, everything that would add data is refused; the room is for releases alone. It is taken again as
soon as the disk has that much to spare.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

RESERVE_BYTES = 8 * 1024 * 1024


class Reserve:
    """A file that holds room. Safe to use from several threads."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self.given_up = False
        self._path = path
        self._size = size
        self._changing = threading.Lock()

    def take(self) -> bool:
        """Occupy the room; False, and nothing changed, when the disk does not have it (and half as much again)."""
        with self._changing:
            try:
                if self._path.stat().st_size == self._size:
                    self.given_up = False
                    return True
            except FileNotFoundError:
                pass
            try:
                space = os.statvfs(self._path.parent)
                if space.f_bavail * space.f_frsize < self._size + self._size // 2:
                    self.given_up = True
                    return False
                file = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
                try:
                    _allocate(file, self._size)
                finally:
                    os.close(file)
            except OSError:
                with contextlib.suppress(OSError):
                    self._path.unlink()
                self.given_up = True
                return False
            self.given_up = False
            return True

    def give_up(self) -> None:
        with self.lent():
            pass

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Give up the room, and let nobody take it again within the block: it is there for who asked for it."""
        with self._changing:
            self.given_up = True
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            yield


def _allocate(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    os.pwrite(file, bytes(size), 0)
