"""Bodies as plain bytes: what a `Body` refers to is sealed on its way in and opened on its way out.

A body is sealed while it is taken in, under a fresh data key, the *secret*. Once it is known which version (or part)
will refer to it, `bind` wraps the secret for that place; only then may the body be stored. A copy binds the same secret
to another place: the bytes are not touched. Without a ring nothing is sealed, and what is sealed does not open.

What does not open is `storage.unavailable`, never other bytes, and never what happens to lie there unsealed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext

from lockhouse.core.blobs import BlobReader, Blobs, BlobWriter
from lockhouse.core.versions import Body
from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable
from lockhouse.sealing import frames
from lockhouse.sealing.frames import FRAME_BYTES, PIECE_BYTES, TAG_BYTES, Damaged, Frames
from lockhouse.sealing.opened import Opened
from lockhouse.sealing.ring import Ring

_replace = msgspec.structs.replace


class Bodies:
    """The bodies of one store of blobs under one ring."""

    def __init__(self, blobs: Blobs, ring: Ring | None = None) -> None:
        self.blobs = blobs
        self.ring = ring
        self.opened = Opened()

    # In

    def make_secret(self) -> bytes:
        """A fresh data key; empty when nothing is sealed."""
        return os.urandom(frames.DATA_KEY_BYTES) if self.ring is not None else b""

    def seal(self, secret: bytes, frame: bytes) -> bytes:
        """What to keep in a row: `frame` (a zstd frame), sealed unless the secret is empty."""
        return frames.seal(secret, os.urandom(frames.SALT_BYTES), frame) if secret else frame

    def create(self, secret: bytes) -> BlobWriter:
        """A new blob that is sealed as it is written."""
        writer = self.blobs.create()
        return SealedWriter(writer, secret) if secret else writer

    def bind(self, body: Body, secret: bytes, place: bytes) -> Body:
        """The body as the version, parked write or part at this place refers to it."""
        if not secret:
            return body
        assert self.ring is not None, "a secret comes from a ring"
        return _replace(body, key=self.ring.wrap(secret, _new_id(), place))

    # Out

    def secret_of(self, body: Body) -> bytes:
        """The data key of a stored body, to bind it to another place; empty when it is not sealed."""
        if body.key is None:
            return b""
        if self.ring is None:
            raise StorageUnavailable(
                "cannot open a body: it is sealed, and this process has no key-encryption key",
                hint="docs/guide/encryption.md",
            )
        return self.ring.unwrap(body.key)

    def frame_of(self, body: Body) -> bytes:
        """The zstd frame of a body that is kept in a row. Errors: `storage.unavailable`."""
        if body.key is None:
            return body.packed
        secret = self.secret_of(body)
        try:
            return frames.unseal(secret, body.packed)
        except Damaged as damage:
            raise _damaged(damage) from None

    def open(self, body: Body) -> BlobReader:
        """The plain bytes of a body that is a blob. Errors: `storage.unavailable`."""
        if body.key is None:
            return self.blobs.open(body.blob)
        return open_sealed(self.secret_of(body), self.blobs.open(body.blob))

    def open_new(self, name: str, secret: bytes) -> BlobReader:
        """As `open`, for a blob that was just finished."""
        reader = self.blobs.open(name)
        return open_sealed(secret, reader) if secret else reader

    def is_local(self, body: Body) -> bool:
        """Whether opening the blob takes no more than a look at this machine's disk."""
        return self.blobs.local_path(body.blob) is not None


class SealedWriter:
    """Seals what is written, in pieces, and keeps none of it."""

    def __init__(self, writer: BlobWriter, secret: bytes) -> None:
        self._header = frames.make_header(os.urandom(frames.SALT_BYTES))
        self._writer = writer
        self._frames = Frames(secret, self._header)
        self._sealed = memoryview(bytearray(PIECE_BYTES + TAG_BYTES))
        self._frame: AEADEncryptionContext | None = None
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            if self._frame is None:
                if not self._size:
                    self._writer.write(self._header)
                self._frame = self._frames.begin(self._size // FRAME_BYTES)
            room = FRAME_BYTES - self._size % FRAME_BYTES
            piece = rest[: min(PIECE_BYTES, room)]
            self._writer.write(self._sealed[: self._frame.update_into(piece, self._sealed)])
            self._size += len(piece)
            rest = rest[len(piece) :]
            if len(piece) == room:
                self._end_frame()

    def finish(self) -> str:
        self._end_frame()
        if not self._size:
            self._writer.write(self._header)
        self._writer.write(self._frames.seal_end(self._size))
        return self._writer.finish()

    def abort(self) -> None:
        self._writer.abort()

    def _end_frame(self) -> None:
        if self._frame is not None:
            self._writer.write(self._frame.finalize() + self._frame.tag)
            self._frame = None


def open_sealed(secret: bytes, reader: BlobReader) -> SealedReader:
    """The plain bytes of a sealed blob; closes `reader` when it is none. Errors: `storage.unavailable`."""
    try:
        return SealedReader(secret, reader)
    except BaseException:
        reader.close()
        raise


class SealedReader:
    """Opens the frames that a read needs, and keeps none of them: read along the frames' bounds."""

    def __init__(self, secret: bytes, reader: BlobReader) -> None:
        self._reader = reader
        try:
            self.size = frames.plain_size(reader.size)
            self._frames = Frames(secret, reader.read(0, frames.HEADER_BYTES))
        except Damaged as damage:
            raise _damaged(damage) from None
        self._last = frames.frame_count(self.size) - 1

    def read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        found = []
        for number in range(offset // FRAME_BYTES, (end - 1) // FRAME_BYTES + 1):
            plain = self._frame(number)
            start = number * FRAME_BYTES
            if offset > start or end < start + len(plain):
                plain = plain[max(0, offset - start) : end - start]
            found.append(plain)
        return found[0] if len(found) == 1 else b"".join(found)

    def pour(self, sink: Callable[[memoryview], object]) -> None:
        """All of it in small pieces, each *before* its frame was found in order: when this raises, what the sink was
        given must be thrown away. For a sink that can do so and needs little memory."""
        plain = memoryview(bytearray(PIECE_BYTES + TAG_BYTES))
        place = frames.HEADER_BYTES
        try:
            for number in range(self._last + 1):
                frame = self._frames.begin_open(number)
                rest = min(FRAME_BYTES, self.size - number * FRAME_BYTES)
                while rest:
                    sealed = self._some(place, min(PIECE_BYTES, rest))
                    sink(plain[: frame.update_into(sealed, plain)])
                    place, rest = place + len(sealed), rest - len(sealed)
                frame.finalize_with_tag(self._reader.read(place, TAG_BYTES))
                place += TAG_BYTES
            self._frames.check_end(self._reader.read(place, frames.END_BYTES), self.size)
        except (InvalidTag, ValueError):
            raise _damaged(Damaged("it was changed, or sealed under another key")) from None
        except Damaged as damage:
            raise _damaged(damage) from None

    def read_into(self, offset: int, room: memoryview) -> int:
        # A frame that is asked for as a whole is opened where it is wanted. Fresh memory for each would cost more than
        # opening it: the pages are taken from the system and given back again each time.
        end = min(offset + len(room), self.size)
        place = offset
        while place < end:
            number = place // FRAME_BYTES
            start = number * FRAME_BYTES
            stop = min(start + FRAME_BYTES, self.size)
            if place == start and stop <= end:
                self._open_into(number, room[place - offset : stop - offset])
            else:
                stop = min(stop, end)
                room[place - offset : stop - offset] = self._frame(number)[place - start : stop - start]
            place = stop
        return max(0, end - offset)

    def at_hand(self, offset: int, size: int) -> bool:
        first, last = offset // FRAME_BYTES, (offset + size - 1) // FRAME_BYTES
        start = frames.frame_offset(first)
        return self._reader.at_hand(start, min(frames.frame_offset(last + 1), self._reader.size) - start)

    def close(self) -> None:
        self._reader.close()

    def _some(self, place: int, size: int) -> bytes:
        found = self._reader.read(place, size)
        if not found:
            raise Damaged("it is cut off")
        return found

    def _frame(self, number: int) -> bytes:
        try:
            return self._frames.open(number, self._sealed(number))
        except Damaged as damage:
            raise _damaged(damage) from None

    def _open_into(self, number: int, room: memoryview) -> None:
        """A whole frame, into a room of its size."""
        try:
            self._frames.open_into(number, self._sealed(number), room)
        except Damaged as damage:
            raise _damaged(damage) from None

    def _sealed(self, number: int) -> memoryview:
        """A frame as it lies there; good until this thread reads another. Damaged when it is cut off, or the end is
        behind it and is wrong."""
        start = frames.frame_offset(number)
        is_last = number == self._last
        sealed = _scratch.room[: self._reader.size - start if is_last else frames.FRAME_SEALED_BYTES]
        if self._reader.read_into(start, sealed) != len(sealed):
            raise Damaged("it is cut off")
        if is_last:
            self._frames.check_end(sealed[-frames.END_BYTES :], self.size)
            return sealed[: -frames.END_BYTES]
        return sealed


class _Scratch(threading.local):
    """Room of one thread for a sealed frame and an end."""

    def __init__(self) -> None:
        self.room = memoryview(bytearray(frames.FRAME_SEALED_BYTES + frames.END_BYTES))


_scratch = _Scratch()


def _new_id() -> bytes:
    """16 bytes: milliseconds since 1970 first, so that keys made at the same time are stored side by side; then 80
    random bits."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10)


def _damaged(damage: Damaged) -> StorageUnavailable:
    return StorageUnavailable(f"cannot read a version: {damage}", hint=FROM_A_BACKUP)
