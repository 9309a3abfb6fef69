"""A disk that can be told to be full or to fail, as an SQLite VFS over the real one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

_numbers = itertools.count()


class _File(apsw.VFSFile):
    def __init__(self, disk: BrokenDisk, inherit: str, name: object, flags: list[int]) -> None:
        super().__init__(inherit, name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.written += len(data)
        if self._disk.full and not (self._disk.room and self._disk.room()):
            raise apsw.FullError("full")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.syncs += 1
        if self._disk.failing:
            raise apsw.IOError("fsync failed")
        super().xSync(flags)


class BrokenDisk(apsw.VFS):
    """`full` refuses writes unless `room` says otherwise; `failing` refuses syncs."""

    def __init__(self) -> None:
        self.name = f"broken-{next(_numbers)}"
        self.full = False
        self.failing = False
        self.room = None
        self.syncs = 0
        self.written = 0
        super().__init__(self.name, "")

    def xOpen(self, name: object, flags: list[int]) -> _File:
        return _File(self, "", name, flags)

    @contextmanager
    def filled(self) -> Iterator[None]:
        self.full = True
        try:
            yield
        finally:
            self.full = False
