"""Rounds: what a server does again and again beside the requests, from its start until it stops.

The first round begins at once, each other one some seconds after the end of the one before. A round that fails is
logged and the next one tries again: the stack is told once, and while all go on to fail only what went wrong. What has
words of its own (`Problem`: the database is away, the disk is full) needs no stack, and is told once until it is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from lockhouse.errors import Problem


class Rounds:
    """One task. `what` completes "Cannot ..." in the log."""

    def __init__(self, what: str, act: Callable[[], Awaitable[object]], *, seconds: float, log: logging.Logger) -> None:
        self._what = what
        self._act = act
        self._seconds = seconds
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._acting = False
        self._failing: type[Exception] | None = None
        self._ending = False

    @property
    def ending(self) -> bool:
        """Whether it was told to stop: what goes on in a thread asks for this."""
        return self._ending

    def start(self) -> None:
        """Begin; call from the event loop."""
        self._task = asyncio.create_task(self._go_on())

    async def stop(self, *, patience: float = 0.0) -> None:
        """End. A round that is under way may go on for `patience` seconds; then it ends where it waits."""
        self._ending = True
        if self._task is None:
            return
        if self._acting and patience:
            await asyncio.wait([self._task], timeout=patience)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _go_on(self) -> None:
        while True:
            self._acting = True
            try:
                await self._act()
            except Exception as error:  # noqa: BLE001 - the next round tries again
                known = isinstance(error, Problem)
                if not known or type(error) is not self._failing:
                    stack = not known and self._failing is None
                    self._log.error("Cannot %s error=%s", self._what, error, exc_info=stack)
                self._failing = type(error)
            else:
                if self._failing is not None:
                    self._log.warning("Went on: can %s again", self._what)
                self._failing = None
            self._acting = False
            if self._ending:
                return
            await asyncio.sleep(self._seconds)
