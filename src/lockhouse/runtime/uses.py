"""When credentials were last used, written down once a minute: never once for each request.

Whether a lock is stale is judged by them (`service.staleness`), so what could not be written is written later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from lockhouse.core.ports import Transaction
from lockhouse.errors import Problem
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.rounds import Rounds

USE_SECONDS = 60.0
_log = logging.getLogger("lockhouse.uses")


class Uses:
    """Writes uses down every `USE_SECONDS` and at the end. `take` answers those since it was last asked."""

    def __init__(self, engine: Engine, take: Callable[[], dict[str, float]]) -> None:
        self._engine = engine
        self._take = take
        self._left: dict[str, float] = {}
        """What could not be written."""
        self._rounds = Rounds("write down uses", self.save, seconds=USE_SECONDS, log=_log)

    def start(self) -> None:
        """Begin; call from the event loop."""
        self._rounds.start()

    async def stop(self) -> None:
        """Write down what is left and end."""
        await self._rounds.stop()
        await self.save()

    async def save(self) -> None:
        """Write down the newest uses."""
        uses, self._left = self._left | self._take(), {}

        def command(tx: Transaction) -> None:
            for credential, at in sorted(uses.items()):
                tx.save_use(credential, at)

        try:
            if uses:
                await self._engine.write(command)
        except Problem as problem:
            self._left = uses
            _log.error("Cannot write down when credentials were last used error=%s", problem)
        except Exception:  # noqa: BLE001 - the next round tries again
            self._left = uses
            _log.exception("Cannot write down when credentials were last used")
