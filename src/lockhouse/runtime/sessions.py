"""Sessions in the database, for a server without a store of their own. Specification: `core.sessions.Sessions`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockhouse.core.ports import Transaction
from lockhouse.core.sessions import Session
from lockhouse.runtime.engine import Engine

_PAGE = 500


class DatabaseSessions:
    """One row for each session. What is idle for too long stays until its end; nobody gets in with it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, session: Session, idle: float) -> None:  # noqa: ARG002 - the port's
        await self._engine.write(lambda tx: tx.add_session(session))

    async def find(self, session_id: str) -> Session | None:
        return await self._engine.read(lambda tx: tx.session(session_id))

    async def touch(self, session: Session, now: float, idle: float) -> None:  # noqa: ARG002 - the port's
        def command(tx: Transaction) -> None:
            kept = tx.session(session.id)
            if kept is not None and kept.seen < now:
                tx.save_session(msgspec.structs.replace(kept, seen=now))

        await self._engine.write(command)

    async def end(self, session_id: str) -> bool:
        return await self._engine.write(lambda tx: tx.delete_session(session_id))

    async def end_all(self, principal: str) -> int:
        return await self._engine.write(lambda tx: tx.delete_sessions(principal))

    async def of(self, principal: str = "", limit: int = 1000) -> Sequence[Session]:
        return await self._engine.read(lambda tx: tx.sessions(principal, limit=limit))

    async def sweep(self, now: float) -> int:
        total = 0
        while count := await self._engine.write(lambda tx: tx.expire_sessions(now, _PAGE)):
            total += count
        return total
