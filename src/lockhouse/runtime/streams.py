"""A stream of bytes of known length, on its way to a client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass


def _nothing() -> None:
    """Nothing to close."""


@dataclass(slots=True)
class Stream:
    """`length` bytes, piece by piece. `chunks` is called at most once; `close` releases what was opened, always."""

    length: int
    chunks: Callable[[], AsyncIterator[bytes]]
    close: Callable[[], None] = _nothing
