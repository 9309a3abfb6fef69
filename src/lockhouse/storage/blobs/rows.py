"""Blobs in the database: pieces in rows, so that a database alone is enough (`--blobs database`).

Each piece is a transaction of its own, so a large body never holds up the others for long. A blob is there when its
last row says how many pieces it has. What was never finished (its server died) counts as a blob of its age: nothing
refers to it, so the sweep takes it. Everything here waits for the database and belongs into threads.
Specification: `core.blobs.Blobs`.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator

from lockhouse.core.paging import paged
from lockhouse.core.ports import Store
from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable
from lockhouse.storage.blobs.given import Given

PIECE_BYTES = 256 * 1024
_PAGE = 500
_NAME = re.compile(r"[0-9a-f]{32}")
_UNFINISHED_SECONDS = 24 * 3600.0


class RowBlobs:
    """`core.blobs.Blobs` in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.given = Given()
        self.sweeping = threading.Lock()

    def create(self) -> RowWriter:
        return RowWriter(self)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Beyond the port, for whoever carries blobs here from elsewhere: durable under the name that it had there."""
        _check(name)
        self.delete(name)
        writer = RowWriter(self, name)
        try:
            for piece in pieces:
                writer.write(piece)
            writer.finish()
        except BaseException:
            writer.abort()
            raise

    def open(self, name: str) -> RowReader:
        return RowReader(self._store, _check(name))

    def local_path(self, name: str) -> str | None:  # noqa: ARG002 - never one
        return None

    def delete(self, name: str) -> None:
        self._store.write(lambda tx: tx.delete_blob(name))
        self.given.forget(name)

    def names(self) -> Iterator[tuple[str, float]]:
        store = self._store
        rows = paged(lambda after: store.read(lambda tx: tx.blobs(after, _PAGE)), "", lambda each: each[0])
        for name, at, finished in rows:
            if finished or time.time() - at >= _UNFINISHED_SECONDS:
                yield name, at

    def check(self) -> None:
        """As the database, about which others ask."""

    def claim(self, house: str) -> str:
        """Never another's: they are in the house's own database."""
        return house

    def explain_owner(self) -> tuple[str, str]:
        return "", ""

    def finished_within(self, name: str, seconds: float) -> bool:
        return self.given.within(name, seconds)


class RowWriter:
    """One blob being written. Memory: one piece."""

    def __init__(self, blobs: RowBlobs, name: str = "") -> None:
        self._blobs = blobs
        self._store = blobs._store  # noqa: SLF001 - one class in two halves
        self._name = name or secrets.token_hex(16)
        self._held = bytearray()
        self._count = 0
        self._size = 0
        self._over = False
        self._using = threading.RLock()

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        with self._using:
            while rest:
                count = min(len(rest), PIECE_BYTES - len(self._held))
                self._held += rest[:count]
                rest = rest[count:]
                if len(self._held) == PIECE_BYTES:
                    self._put()

    def finish(self) -> str:
        with self._using:
            if self._held:
                self._put()
            name, size, count, at = self._name, self._size, self._count, time.time()
            self._blobs.given.note(name)
            self._store.write(lambda tx: tx.finish_blob(name, at, size, count))
            self._over = True
            return name

    def abort(self) -> None:
        with self._using:
            if not self._over and self._count:
                self._over = True
                self._store.write(lambda tx: tx.delete_blob(self._name))

    def _put(self) -> None:
        name, number, piece, at = self._name, self._count, bytes(self._held), time.time()
        self._held.clear()
        self._store.write(lambda tx: tx.add_blob_piece(name, at, number, piece))
        self._count += 1
        self._size += len(piece)


class RowReader:
    """An open blob. It keeps the piece that it read last."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        size = store.read(lambda tx: tx.blob_size(name))
        if size is None:
            raise StorageUnavailable(
                f"cannot read body {name}: it is not there",
                hint="does the setting blobs name the place where large bodies are?",
            )
        self.size = size
        self._held = (-1, b"")
        if size:
            self._piece(0)

    def read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        found = []
        while offset < end:
            piece = self._piece(offset // PIECE_BYTES)
            start = offset % PIECE_BYTES
            part = piece[start : start + end - offset]
            if not part:
                raise StorageUnavailable(f"cannot read body {self._name}: it is cut off", hint=FROM_A_BACKUP)
            found.append(part)
            offset += len(part)
        return found[0] if len(found) == 1 else b"".join(found)

    def read_into(self, offset: int, room: memoryview) -> int:
        found = self.read(offset, len(room))
        room[: len(found)] = found
        return len(found)

    def at_hand(self, offset: int, size: int) -> bool:
        number = self._held[0]
        return number * PIECE_BYTES <= offset and offset + size <= (number + 1) * PIECE_BYTES

    def close(self) -> None:
        self._held = (-1, b"")

    def _piece(self, number: int) -> bytes:
        if self._held[0] != number:
            piece = self._store.read(lambda tx: tx.blob_piece(self._name, number))
            if piece is None:
                raise StorageUnavailable(f"cannot read body {self._name}: a piece of it is missing", hint=FROM_A_BACKUP)
            self._held = (number, piece)
        return self._held[1]


def _check(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StorageUnavailable("cannot open a body: its name is damaged", hint=FROM_A_BACKUP)
    return name
