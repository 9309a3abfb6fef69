"""Leading: of several servers on one database, one at a time does some work, and another goes on when it is gone.

A turn (`service.turns`) lasts `TURN_SECONDS` and is taken anew when less than half of it is left, so a busy leader
writes once in that time and everybody else only reads. Who leads may ask as often as it likes: until it has to take the
turn anew it knows the answer. It saves work and repetitions, and nothing relies on it (clocks differ, processes stall).
"""

from __future__ import annotations

import logging
import secrets

from lockhouse.core.ports import Transaction
from lockhouse.errors import Problem
from lockhouse.runtime.engine import Engine
from lockhouse.service import turns

TURN_SECONDS = 15.0
_log = logging.getLogger("lockhouse.turns")


class Leading:
    """The part of one server in one kind of work."""

    def __init__(self, engine: Engine, work: str, *, seconds: float = TURN_SECONDS) -> None:
        self._engine = engine
        self._work = work
        self._seconds = seconds
        self._server = secrets.token_hex(8)
        self._until = 0.0

    async def leads(self) -> bool:
        """Whether the work is this server's now. A server that has its database for itself always leads."""
        if self._engine.store.reads_are_local:
            return True
        now = self._engine.now()
        if now < self._until - self._seconds / 2:
            return True
        try:
            if await self._engine.read(lambda tx: turns.is_anothers(tx, self._work, self._server, now)):
                self._until = 0.0
                return False
            taken = await self._engine.write(lambda tx: turns.take(tx, self._work, self._server, now, self._seconds))
        except Problem as problem:
            _log.warning("Cannot ask for the turn work=%s error=%s", self._work, problem.message)
            return now < self._until
        self._until = now + self._seconds if taken else 0.0
        return taken

    async def leave(self) -> None:
        """The server ends: another one need not wait for the turn to be over."""
        if not self._until or self._engine.store.reads_are_local:
            return
        self._until = 0.0

        def end(tx: Transaction) -> None:
            turns.end(tx, self._work, self._server)

        try:
            await self._engine.write(end)
        except Problem as problem:
            _log.warning("Cannot give the turn back work=%s error=%s", self._work, problem.message)
