"""What an import reads from: keys with their versions, oldest first, and the bytes of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


class SourceVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version, or a delete marker, at the source."""

    id: str
    """Its own there; no other version of the key has it."""
    at: float
    """Seconds since 1970."""
    size: int = 0
    md5: str = ""
    """In hex, where the source knows it."""
    sha256: str = ""
    """In hex, where the source knows it."""
    deleted: bool = False
    content_type: str = ""


class SourceKey(msgspec.Struct, frozen=True):
    """One key and its whole history, oldest first."""

    namespace: str
    """Empty: the source has none, and the import is told which."""
    key: str
    versions: tuple[SourceVersion, ...]


class HeldLock(msgspec.Struct, frozen=True):
    """A lock that somebody holds at the source."""

    key: str
    id: str
    who: str
    operation: str
    created: str
    through: str
    """`table` or `lockfile`."""


class Fetched(msgspec.Struct, frozen=True):
    """The bytes of a version, and what came with them."""

    pieces: Iterator[bytes]
    md5: str = ""
    """In hex: what the bytes must come to; empty where the source cannot tell."""
    content_type: str = ""
    metadata: dict[str, str] = {}


class Source(Protocol):
    """Where an import reads from. Nothing there is changed. Safe to use from several threads."""

    name: str
    """For people, as a URL or path."""

    def keys(self) -> Iterator[SourceKey]:
        """In the order of keys."""
        ...

    def fetch(self, key: SourceKey, version: SourceVersion) -> AbstractContextManager[Fetched]: ...
    def held_locks(self) -> list[HeldLock]:
        """Locks that are held there now. Call it after `keys` was read to its end."""
        ...
