"""Things that are lent to one thread at a time: who came first is served first.

`queue.Queue` wakes whoever waits, and lets another one that comes meanwhile take what it was woken for. On a busy
server somebody always comes meanwhile, who was served just before; so a few threads pass the things to each other while
others wait until their time is over. Here a thing is handed over to the one that has waited longest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Waiting(Generic[T]):
    __slots__ = ("given", "turn")

    def __init__(self) -> None:
        self.given: list[T] = []
        self.turn = threading.Lock()
        """Released when something was given."""
        self.turn.acquire()


class Turns(Generic[T]):
    """The one that was used last is lent first: its connection is warm."""

    def __init__(self, things: Iterable[T]) -> None:
        self._changing = threading.Lock()
        self._idle = list(things)
        self._queue: deque[_Waiting[T]] = deque()

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._queue)

    def borrow(self, seconds: float) -> T | None:
        """One of the things, after waiting in turn for up to so long; None when nobody gave one back in time."""
        with self._changing:
            if self._idle:
                return self._idle.pop()
            if seconds <= 0:
                return None
            mine: _Waiting[T] = _Waiting()
            self._queue.append(mine)
        if not mine.turn.acquire(timeout=seconds):
            with self._changing:
                if not mine.given:
                    self._queue.remove(mine)
                    return None
        return mine.given[0]

    def give_back(self, thing: T) -> None:
        """Hand it to the one that has waited longest, or keep it."""
        with self._changing:
            if not self._queue:
                self._idle.append(thing)
                return
            first = self._queue.popleft()
            first.given.append(thing)
        first.turn.release()

    def take_all(self) -> list[T]:
        """Those that nobody has now; they are lent to nobody any more."""
        with self._changing:
            idle, self._idle = self._idle, []
        return idle
