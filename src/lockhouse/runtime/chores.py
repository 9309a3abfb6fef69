"""Work that nobody waits for: orphaned blobs, expired items, abandoned uploads, retention, the end of the trash.

Each round reads in small pages and writes in small commands, so it never holds anybody up. A chore that fails is logged
and tried again in the next round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import StateRecord
from lockhouse.core.sessions import Sessions
from lockhouse.errors import Problem
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.leading import Leading
from lockhouse.runtime.rounds import Rounds
from lockhouse.service import maintenance, retention, trash, uploads

ROUND_SECONDS = 300.0
UPLOAD_SECONDS = 7 * 24 * 3600.0
"""An upload that was not completed for a week is abandoned (S3 leaves this to a lifecycle rule)."""
TURN_SECONDS = 2 * ROUND_SECONDS
SILENT_SECONDS = 3600.0
RECALLED_SECONDS = 7 * 24 * 3600.0
"""After that an unlock goes by who holds, as after a restart of a single server."""
PAGE = 500
SMALL = 50
"""Versions moved or removed by one command."""
STATES = 100
"""States looked at by one query of retention."""
PAUSE_SECONDS = 0.02
"""Between two such queries, and between two commands of one chore."""
_log = logging.getLogger("lockhouse.chores")


class Chores:
    """All chores, in a round every `ROUND_SECONDS`; of several servers on one database, one does them."""

    def __init__(
        self,
        engine: Engine,
        sweep: Callable[[Callable[[], bool]], int],
        *,
        restore_window: float,
        retention_floor: float,
        sessions: Sessions | None = None,
    ) -> None:
        """`sweep` is given what it asks whether to stop; `restore_window` and `retention_floor` in seconds."""
        self._engine = engine
        self._sessions = sessions
        self._sweep = sweep
        self._restore_window = restore_window
        self._retention_floor = retention_floor
        self._leading = Leading(engine, "chores", seconds=TURN_SECONDS)
        self.rounds = Rounds("do chores", self._round, seconds=ROUND_SECONDS, log=_log)

    async def _round(self) -> None:
        if not await self._leading.leads():
            return
        await self._try("settle workspace names", self.settle_names)
        await self._try("expire items", self.expire_items)
        await self._try("end abandoned uploads", self.end_uploads)
        await self._try("apply retention", self.apply_retention)
        await self._try("empty the trash", self.empty_trash)
        await self._try("sweep blobs", self.sweep_blobs)
        await self._try("remove ended sessions", self.sweep_sessions)
        await self._try("end maintenance", self.end_maintenance)
        await self._try("forget servers that ended", self.forget_replicas)

    async def _try(self, what: str, chore: Callable[[], Awaitable[int]]) -> None:
        try:
            count = await chore()
        except Problem as problem:
            _log.error("Cannot %s error=%s", what, problem)
        except Exception:  # noqa: BLE001 - the next round tries again
            _log.exception("Cannot %s", what)
        else:
            if count:
                _log.info("Did %s count=%d", what, count)

    async def _until_none(self, command: Callable[[Transaction], int]) -> int:
        """Run a command that does a part of something and answers how much, until nothing is left; how much it was."""
        total = 0
        while count := await self._engine.write(command):
            total += count
            await asyncio.sleep(PAUSE_SECONDS)
        return total

    async def forget_replicas(self) -> int:
        """Remove what ended servers held, and what credentials saw long ago; how much of the latter."""
        now = self._engine.now()
        if self._engine.store.reads_are_local:
            return 0
        await self._engine.write(lambda tx: tx.forget_replicas(now - SILENT_SECONDS))
        return await self._until_none(lambda tx: tx.forget_recollections(now - RECALLED_SECONDS, PAGE))

    async def settle_names(self) -> int:
        """Prepare what older versions wrote for finding workspaces by name; of how many states."""
        return await self._until_none(lambda tx: tx.settle_names(PAGE))

    async def expire_items(self) -> int:
        """Remove table items whose time to live is over; how many."""
        now = self._engine.now()
        return await self._until_none(lambda tx: tx.expire_items(now, PAGE))

    async def end_uploads(self) -> int:
        """Forget uploads that nobody completed; how many."""
        old = self._engine.now() - UPLOAD_SECONDS

        def find(tx: Reader) -> list[str]:
            namespaces = paged(lambda after: tx.namespaces(after, PAGE), "", lambda each: each.name)
            return [upload.id for each in namespaces for upload in uploads.every(tx, each.name) if upload.at < old]

        def forget(upload_id: str) -> Callable[[Transaction], None]:
            return lambda tx: tx.delete_upload(upload_id)

        found = await asyncio.to_thread(self._engine.store.read, find)
        for upload_id in found:
            await self._engine.write(forget(upload_id))
        return len(found)

    async def apply_retention(self) -> int:
        """Put what no policy keeps any more into the trash; how many versions."""
        total = 0
        for namespace in await self._engine.read(retention.with_policies):
            after = ""
            while page := await asyncio.to_thread(self._engine.store.read, self._retained(namespace, after)):
                for verdict in page[0]:
                    total += await self._retain(verdict)
                after = page[1]
                if not after:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
        return total

    def _retained(self, namespace: str, after: str) -> Callable[[Reader], tuple[list[retention.Verdict], str]]:
        now, floor = self._engine.now(), self._retention_floor

        def query(tx: Reader) -> tuple[list[retention.Verdict], str]:
            policy = retention.POLICIES.of(tx, namespace)
            page: list[StateRecord] = [
                state for state, _ in tx.states(namespace, after=after, limit=STATES, live_only=False)
            ]
            verdicts = [retention.decide(tx, state, policy, now=now, floor=floor) for state in page]
            return [each for each in verdicts if each.gone], page[-1].address.key if len(page) == STATES else ""

        return query

    async def _retain(self, verdict: retention.Verdict) -> int:
        done = 0
        left: retention.Verdict | None = verdict
        while left is not None and left.gone:
            done = len(verdict.gone) - len(left.gone)
            left = await self._engine.write(_apply(left, self._engine.now()))
        return len(verdict.gone) if left is not None else done

    async def empty_trash(self) -> int:
        """Purge versions whose time in the trash is over; how many."""
        now, window = self._engine.now(), self._restore_window
        return await self._until_none(lambda tx: trash.empty(tx, now=now, window=window, limit=SMALL))

    async def sweep_sessions(self) -> int:
        """Remove sessions of people that have ended; how many."""
        return await self._sessions.sweep(self._engine.now()) if self._sessions is not None else 0

    async def end_maintenance(self) -> int:
        """Forget maintenance whose time is over; how many."""
        now = self._engine.now()
        kept = await self._engine.read(lambda tx: tx.maintenances())
        if all(each.stands(now) for each in kept):
            return 0
        return await self._engine.write(lambda tx: maintenance.end_those_over(tx, now))

    async def sweep_blobs(self) -> int:
        """Delete blobs that nothing refers to; how many."""
        return await asyncio.to_thread(self._sweep, lambda: self.rounds.ending)


def _apply(verdict: retention.Verdict, now: float) -> Callable[[Transaction], retention.Verdict | None]:
    return lambda tx: retention.apply(tx, verdict, now=now, limit=SMALL)
