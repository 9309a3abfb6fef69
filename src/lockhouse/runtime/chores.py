"""Work that nobody waits for: orphaned blobs, expired items, abandoned uploads.

Each round reads in small pages and writes in small commands, so it never holds anybody up. A chore that fails is logged
and tried again in the next round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from lockhouse.core.ports import Reader, Transaction
from lockhouse.runtime.engine import Engine

ROUND_SECONDS = 300.0
UPLOAD_SECONDS = 7 * 24 * 3600.0
"""An upload that was not completed for a week is abandoned (S3 leaves this to a lifecycle rule)."""
PAGE = 500
_log = logging.getLogger("lockhouse.chores")


class Chores:
    """Runs every chore at once after the start and then every `ROUND_SECONDS`."""

    def __init__(self, engine: Engine, sweep: Callable[[], int]) -> None:
        self._engine = engine
        self._sweep = sweep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call from the event loop."""
        self._task = asyncio.create_task(self._rounds())

    async def stop(self) -> None:
        """End at the next pause."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _rounds(self) -> None:
        while True:
            await self._try("expire items", self.expire_items)
            await self._try("end abandoned uploads", self.end_uploads)
            await self._try("sweep blobs", self.sweep_blobs)
            await asyncio.sleep(ROUND_SECONDS)

    async def _try(self, what: str, chore: Callable[[], Awaitable[int]]) -> None:
        try:
            count = await chore()
        except Exception:  # noqa: BLE001 - the next round tries again
            _log.exception("Cannot %s", what)
        else:
            if count:
                _log.info("Did %s count=%d", what, count)

    async def expire_items(self) -> int:
        """Remove table items whose time to live is over; how many."""
        now = self._engine.now()
        total = 0
        while count := await self._engine.write(lambda tx: tx.expire_items(now, PAGE)):
            total += count
        return total

    async def end_uploads(self) -> int:
        """Forget uploads that nobody completed; how many."""
        old = self._engine.now() - UPLOAD_SECONDS

        def find(tx: Reader) -> list[str]:
            found: list[str] = []
            after = ""
            while page := tx.namespaces(after, PAGE):
                for namespace in page:
                    found.extend(upload.id for upload in tx.uploads(namespace.name, limit=PAGE) if upload.at < old)
                after = page[-1].name
            return found

        def forget(upload_id: str) -> Callable[[Transaction], None]:
            return lambda tx: tx.delete_upload(upload_id)

        found = await self._engine.read(find)
        for upload_id in found:
            await self._engine.write(forget(upload_id))
        return len(found)

    async def sweep_blobs(self) -> int:
        """Delete blobs that nothing refers to; how many."""
        return await asyncio.to_thread(self._sweep)
