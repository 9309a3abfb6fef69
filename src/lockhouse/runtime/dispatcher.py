"""Telling webhooks: each has its own place in the audit log and goes on from there, whatever happened meanwhile.

A receiver that is down is asked again after pauses that double, up to `core.webhooks.LAST_RETRY`; since its place is
kept with it, nothing is lost by that or by a restart, and what was sent but not noted is sent again: at most
`NOTE_EVERY` events to each receiver, when a server was killed. Each receiver has a task of its own, so one never holds
up another, however slow it is, and is told by one task at a time. Of several servers on one database one at a time
tells (`runtime.leading`), and asks before each event whether it still does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from lockhouse.audit.segments import entries
from lockhouse.core.audit import Entry, Segment, decode
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.webhooks import Progress, Webhook, after_failure, after_success, document, kind_of
from lockhouse.errors import DataInvalid, Problem
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.leading import Leading
from lockhouse.runtime.rounds import Rounds

ROUND_SECONDS = 1.0
AT_ONCE = 8
"""Events that are under way at the same time."""
NOTE_EVERY = 20
"""Deliveries after which a place is noted."""
LAST_SECONDS = 3.0
"""How long a server that ends waits for answers of receivers."""
SEGMENTS = 20
Send = Callable[[Webhook, str, int, bytes], Awaitable[str]]
"""(webhook, event, number, body) → what went wrong; empty: the receiver has it. Never raises."""
_log = logging.getLogger("lockhouse.webhooks")


class Dispatcher:
    """`server`: this server's public address, for receivers to show."""

    def __init__(self, engine: Engine, send: Send, *, server: str = "") -> None:
        self._engine = engine
        self._send = send
        self._server = server
        self._leading = Leading(engine, "webhooks")
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._telling: dict[str, asyncio.Task[None]] = {}
        """Receivers that are being told, by webhook."""
        self._rounds = Rounds("tell webhooks", self.round, seconds=ROUND_SECONDS, log=_log)
        self._ending = False

    def start(self) -> None:
        """Begin; call from the event loop."""
        self._rounds.start()

    async def stop(self) -> None:
        """End, after the events that are under way if they do not take long; places that were not noted are told
        again."""
        self._ending = True
        await self._rounds.stop(patience=LAST_SECONDS)
        if telling := list(self._telling.values()):
            _, left = await asyncio.wait(telling, timeout=LAST_SECONDS)
            for task in left:
                task.cancel()
            await asyncio.wait(telling)
        await self._leading.leave()

    async def round(self) -> None:
        """Begin to tell every receiver whose time has come of all that it waits for, until it fails or has seen
        everything, but those that are being told."""
        busy = set(self._telling)  # of who ends while the places are read an older one may be found
        pairs = await self._engine.read(lambda tx: tx.webhooks())
        now = self._engine.now()
        due = [pair for pair in pairs if pair[0].enabled and pair[1].next_at <= now and pair[0].id not in busy]
        if due and await self._leading.leads():
            for webhook, progress in due:
                self._telling[webhook.id] = asyncio.create_task(self._tell(webhook, progress))

    async def _tell(self, webhook: Webhook, progress: Progress) -> None:
        try:
            await self._go_on(webhook, progress)
        except Problem as problem:
            _log.error("Cannot tell a webhook name=%s error=%s", webhook.name, problem.message)
        except Exception:  # noqa: BLE001 - a later round tries again
            _log.exception("Cannot tell a webhook name=%s", webhook.name)
        finally:
            del self._telling[webhook.id]

    async def _go_on(self, webhook: Webhook, progress: Progress) -> None:
        noted = progress
        start = progress.number
        page = await self._engine.read(lambda tx: _after(tx, start))
        count = 0
        for number, entry in _entries(page, start):
            if not webhook.wants(entry):
                continue
            async with self._gate:
                if self._ending or not await self._leading.leads():
                    if progress != noted:
                        await self._note(webhook, noted, progress)
                    return  # this server or another one goes on from there
                kind = kind_of(entry)
                problem = await self._send(webhook, kind, number, document(webhook.form, number, entry, self._server))
            now = self._engine.now()
            if problem:
                _log.warning("Could not tell a webhook name=%s number=%d problem=%s", webhook.name, number, problem)
                progress = after_failure(progress, number, now, problem)
                await self._note(webhook, noted, progress)
                return
            progress = after_success(progress, number, now)
            count += 1
            if count % NOTE_EVERY == 0:
                if not await self._note(webhook, noted, progress):
                    return
                noted = progress
        last = page[-1].last if page else start
        if last > progress.number:
            progress = Progress(
                number=last,
                delivered=progress.delivered,
                delivered_at=progress.delivered_at,
                skipped=progress.skipped,
                problem=progress.problem,
            )
        if progress != noted:
            await self._note(webhook, noted, progress)

    async def _note(self, webhook: Webhook, before: Progress, progress: Progress) -> bool:
        """Keep a place, unless somebody moved or changed the webhook meanwhile."""

        def note(tx: Transaction) -> bool:
            found = next((pair for pair in tx.webhooks() if pair[0].id == webhook.id), None)
            if found != (webhook, before):
                return False
            tx.save_progress(webhook.id, progress)
            return True

        return await self._engine.write(note)


def _after(tx: Reader, number: int) -> Sequence[Segment]:
    """The segments with the entries after this one."""
    around = tx.segments_before(number + 2, 1)
    inside = bool(around) and around[0].last > number
    return tx.segments(around[0].first - 1 if inside else number, SEGMENTS)


def _entries(page: Sequence[Segment], after: int) -> Iterator[tuple[int, Entry]]:
    for segment in page:
        try:
            pairs = entries(segment)
        except DataInvalid as damaged:
            _log.error("Cannot tell of some entries: %s", damaged.message)
            continue
        for number, (raw, _) in enumerate(pairs, segment.first):
            if number > after:
                yield number, decode(raw)
