"""What a long command is doing, on standard error: a line on a terminal, once it has taken longer than a second.

Where standard error is no terminal nothing is written, so logs of jobs stay clean.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from lockhouse.storage.carry.carrying import Progress

_PATIENCE = 1.0
_PAUSE = 0.2
_WIDTH = 24


class Meter:
    """Use it around the work. Safe to tell from several threads."""

    def __init__(self, what: str = "") -> None:
        """`what`: said while nothing else is told."""
        self._watched = sys.stderr.isatty()
        self._began = time.monotonic()
        self._shown = 0.0
        self._turn = threading.Lock()
        if what and self._watched:
            sys.stderr.write(f"{what} …")
            sys.stderr.flush()
            self._shown = self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def progress(self, told: Progress) -> None:
        self.tell(told.what, told.done, told.total)

    def tell(self, what: str, done: int, total: int = 0) -> None:
        """How far `what` is; `total` 0: not known."""
        now = time.monotonic()
        if not self._watched or now - self._began < _PATIENCE or now - self._shown < _PAUSE:
            return
        with self._turn:
            self._shown = now
            sys.stderr.write(f"\r\033[K{_line(what, done, total)}")
            sys.stderr.flush()


def _line(what: str, done: int, total: int) -> str:
    what = "".join(letter if letter.isprintable() else "?" for letter in what)
    if not total:
        return f"{what}: {done}"
    filled = _WIDTH * min(done, total) // total
    return f"{what} [{'#' * filled}{'.' * (_WIDTH - filled)}] {done} of {total}"
