"""Looking for locks whose holders are gone: a round a minute over the held locks, by one server of several.

A round reads pages of held locks and asks providers about a few CI jobs (`core.jobs`); evidence is kept with the lock
by a small command, and where the policy says so a later round releases it. What is decided is decided anew in the
transaction (`service.staleness`). While the clock jumps nothing is judged: silence is counted anew from then on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from lockhouse.core import staleness as rule
from lockhouse.core.addresses import Address
from lockhouse.core.jobs import UNKNOWN, Jobs, JobState, Report
from lockhouse.core.staleness import QUIET_SECONDS, Act
from lockhouse.errors import Problem
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.leading import Leading
from lockhouse.runtime.rounds import Rounds
from lockhouse.service import staleness
from lockhouse.service.access import HOUSE
from lockhouse.service.callers import Caller

if TYPE_CHECKING:
    from lockhouse.core.locks import Evidence, Lock
    from lockhouse.service.staleness import Held

ROUND_SECONDS = 60.0
TURN_SECONDS = 3 * ROUND_SECONDS
PAGE = 200
PAUSE_SECONDS = 0.02
"""Between two pages."""
ASKED = 50
"""Jobs that are asked about in one round, at most."""
FIRST_PAUSE = 60.0
LAST_PAUSE = 900.0
"""Between two questions about one job: it doubles, for providers count questions."""
MAX_KNOWN = 10_000
JUMP_SECONDS = 30.0
_log = logging.getLogger("lockhouse.staleness")


class _Asked(msgspec.Struct):
    """What a provider said of a job last."""

    report: Report
    next_at: float
    pause: float


class Staleness:
    """One server's part, and what it knows of holders and of their jobs."""

    def __init__(
        self,
        engine: Engine,
        *,
        seen: Callable[[str], float],
        silence: float,
        jobs: Jobs | None = None,
        released: Callable[[Address], None] = lambda _address: None,
    ) -> None:
        """`seen`: when this server last saw a credential, 0 for never; `silence` in seconds; `released`: told of every
        lock that was released, so that who waits for it is woken."""
        self._engine = engine
        self._seen = seen
        self._silence = silence
        self._jobs = jobs
        self._released = released
        self._asked: dict[str, _Asked] = {}
        self._left = ASKED
        self._began = 0.0
        self._drift: float | None = None
        self._leading = Leading(engine, "stale-locks", seconds=TURN_SECONDS)
        self.rounds = Rounds("look for stale locks", self._round, seconds=ROUND_SECONDS, log=_log)
        self.found = 0
        """Stale locks that this server found in its last round."""

    async def _round(self) -> None:
        if await self._leading.leads():
            await self.round(time.monotonic())
        else:
            self.found = 0

    async def round(self, steady: float) -> None:
        """Judge every held lock. `steady`: seconds of a clock that nobody sets."""
        self._watch_clock(steady)
        self._left = ASKED
        found = 0
        after: Address | None = None
        while True:
            page = await asyncio.to_thread(self._engine.store.read, partial(staleness.look, after=after, limit=PAGE))
            for held in page:
                found += await self._judge(held)
            if len(page) < PAGE:
                break
            after = page[-1].state.address
            await asyncio.sleep(PAUSE_SECONDS)
        self.found = found

    def _watch_clock(self, steady: float) -> None:
        drift = self._engine.now() - steady
        if self._drift is None or abs(drift - self._drift) > JUMP_SECONDS:
            if self._drift is not None:
                _log.warning("The clock jumped; counting the silence of holders anew seconds=%.0f", drift - self._drift)
            self._began = self._engine.now()
        self._drift = drift

    async def _judge(self, held: Held) -> bool:
        """Whether the lock is stale now."""
        lock, state, now = held.lock, held.state, self._engine.now()
        seen = max(held.seen, self._own(lock))
        if lock.stale is not None and not rule.stands(lock.stale, seq=state.current, seen=seen):
            await self._engine.write(lambda tx: staleness.mark(tx, self._house(), state.address, lock.epoch, None))
            return False
        asks = held.act is Act.ASK
        if lock.stale is None or lock.stale.asks != asks:
            evidence = lock.stale or await self._evidence(held, seen, now)
            if evidence is None:
                return False
            kept = msgspec.structs.replace(evidence, asks=asks)
            if not await self._engine.write(
                lambda tx: staleness.mark(tx, self._house(), state.address, lock.epoch, kept, self._own(lock))
            ):
                return False
            _log.info("Found a stale lock namespace=%r key=%r why=%r", *state.address, evidence.why)
            return True
        if held.act is Act.RELEASE and self._may_release(held, seen, now):
            await self._release(held)
        return True

    def _may_release(self, held: Held, seen: float, now: float) -> bool:
        """Not for a while after the clock jumped, either."""
        steady = now - self._began >= QUIET_SECONDS
        return steady and rule.may_release(held.lock.stale, seq=held.state.current, seen=seen, now=now)

    async def _release(self, held: Held) -> None:
        address, lock = held.state.address, held.lock
        try:
            await self._engine.write(
                lambda tx: staleness.release(tx, self._house(), address, seen=self._own(lock), expected=lock)
            )
        except Problem as problem:  # it was released, or the holder was seen, in between
            _log.info("Left a stale lock as it is namespace=%r key=%r why=%s", *address, problem.message)
            return
        _log.warning("Released a stale lock namespace=%r key=%r holder=%r", *address, lock.name)
        self._released(address)

    async def _evidence(self, held: Held, seen: float, now: float) -> Evidence | None:
        if now - max(seen, held.lock.at) < QUIET_SECONDS:
            return None
        reports = {each.id: await self._report(each, now) for each in held.holders if each.issuer}
        return rule.judge(
            held.lock,
            held.holders,
            reports,
            seq=held.state.current,
            seen=seen,
            now=now,
            silence=self._silence,
            began=self._began,
        )

    async def _report(self, holder: rule.Holder, now: float) -> Report:
        """What the provider says, asked at most every `FIRST_PAUSE` and later more seldom; an end is final."""
        known = self._asked.get(holder.id)
        if self._jobs is None or not self._jobs.knows(holder.issuer):
            return UNKNOWN
        if known is not None and (known.report.state is JobState.ENDED or now < known.next_at or not self._left):
            return known.report
        if not self._left:
            return UNKNOWN
        self._left -= 1
        report = await self._jobs.ask(holder.issuer, holder.claims)
        pause = min(LAST_PAUSE, known.pause * 2) if known is not None else FIRST_PAUSE
        if len(self._asked) >= MAX_KNOWN:
            self._asked.clear()
        self._asked[holder.id] = _Asked(report, now + pause, pause)
        return report

    def _own(self, lock: Lock) -> float:
        return max(self._seen(each) for each in lock.credentials)

    def _house(self) -> Caller:
        return Caller(HOUSE, self._engine.now(), "lockhouse")
