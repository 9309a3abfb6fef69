"""Zstandard frames for bodies kept in rows. A compression context belongs to one thread: two threads in the same one
end the process, so each thread has its own (and keeps it, since making one costs more than packing a small state).
"""

from __future__ import annotations

import threading

import zstandard

from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable

_LEVEL = 1
"""As good as level 9 on states, at a fifth of the time."""


class _Contexts(threading.local):
    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def compress(raw: bytes) -> bytes:
    """One frame that says how long its content is."""
    return _contexts.compressor.compress(raw)


def decompress(frame: bytes, size: int) -> bytes:
    """The content of one frame, of exactly `size` bytes. Errors: `storage.unavailable` when it is damaged."""
    try:
        raw = _contexts.decompressor.decompress(frame, max_output_size=size or 1)
    except zstandard.ZstdError:
        raw = b""
    if len(raw) != size:
        raise StorageUnavailable("cannot read a version: its stored bytes are damaged", hint=FROM_A_BACKUP)
    return raw
