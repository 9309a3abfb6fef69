"""A long answer, page by page: stores answer so much at once and no more (`core.ports.Reader`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

K = TypeVar("K")
R = TypeVar("R")


def paged(page: Callable[[K], Sequence[R]], start: K, place: Callable[[R], K]) -> Iterator[R]:
    """All of it, one page after the other as it is taken. `page` answers what comes after a place, at first after
    `start`; `place` answers that of a row."""
    while rows := page(start):
        yield from rows
        start = place(rows[-1])
