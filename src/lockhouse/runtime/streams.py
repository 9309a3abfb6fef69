"""A stream of bytes of known length, on its way to a client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

Piece = bytes | memoryview
"""Some bytes of a body. What a view shows stays as it is for as long as the view is there."""


def _nothing() -> None:
    """Nothing to close."""


@dataclass(slots=True)
class Stream:
    """`length` bytes, piece by piece. `chunks` is called at most once; `close` releases what was opened, always."""

    length: int
    chunks: Callable[[], AsyncIterator[Piece]]
    close: Callable[[], None] = _nothing
    pull: Callable[[], Piece] | None = None
    """Instead of `chunks`, for a thread that sends: the next piece, read then and there. One thread at a time calls it.
    None where reading may take long. Errors: `storage.unavailable`."""
