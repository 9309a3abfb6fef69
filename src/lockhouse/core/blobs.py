"""Blobs: the port to where bodies lie that are too large for rows. A contract suite (`tests/contract`) holds every
implementation to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class BlobWriter(Protocol):
    """One blob being written; nothing is visible before `finish`."""

    def write(self, data: bytes | memoryview) -> None:
        """The caller may change the buffer afterwards."""
        ...

    def finish(self) -> str:
        """The blob's random name, after its bytes and its directory entry are durable. Raises StorageFull."""
        ...

    def abort(self) -> None: ...


class BlobReader(Protocol):
    """An open blob: it stays readable until closed, even if the blob is swept meanwhile."""

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes unless the blob ends before."""
        ...

    def read_into(self, offset: int, room: memoryview) -> int:
        """Fill the room unless the blob ends before; how many bytes that were. After an error nothing in it is good."""
        ...

    def at_hand(self, offset: int, size: int) -> bool:
        """Whether these bytes (of the blob, at least one) can be read without waiting for a disk or a network."""
        ...

    def close(self) -> None: ...


class Blobs(Protocol):
    """Bodies too large for rows: random names, no digest in a name, never overwritten."""

    def create(self) -> BlobWriter: ...
    def open(self, name: str) -> BlobReader:
        """Raises StorageUnavailable when the blob is missing or cannot be read: never an empty body."""
        ...

    def local_path(self, name: str) -> str | None:
        """Where the blob is as a plain file that a child process may map; None when it is not one."""
        ...

    def delete(self, name: str) -> None: ...
    def names(self) -> Iterator[tuple[str, float]]:
        """(name, seconds since 1970 when it was finished) of every blob, in the order of names."""
        ...

    def check(self) -> None:
        """Ask the place where blobs are; it changes nothing. Raises StorageUnavailable when it does not answer, with
        the detail `setting` when it says that it never will until that setting, or what it names, is another."""
        ...
