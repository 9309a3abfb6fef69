"""The lock traffic of the last days: a bounded walk back through the lock history, page by page.

Between two pages other requests are served. The walk ends at the wanted time or after `MAX_EVENTS`; then the answer
says since when it is complete.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from lockhouse.core.traffic import Tally, Traffic
from lockhouse.runtime.house import House
from lockhouse.service import traffic
from lockhouse.service.callers import Caller

DAY_SECONDS = 86_400.0
MAX_EVENTS = 50_000
PAGE = 500


@dataclass(frozen=True)
class LockTraffic:
    """What was counted."""

    rows: list[Tally]
    since: float
    """Seconds since 1970: nothing since then is missing."""
    complete: bool
    """Whether `since` is as far back as was asked for."""


async def lock_traffic(house: House, caller: Caller, days: int) -> LockTraffic:
    """Who locked through which facet in the last `days`, among what the caller may see."""
    since = caller.now - days * DAY_SECONDS
    counted = Traffic()
    before = 0
    oldest = caller.now
    for _ in range(MAX_EVENTS // PAGE):
        page, oldest, before = await house.read(
            lambda tx, before=before: traffic.recent(tx, caller, since, before, PAGE)  # type: ignore[misc]
        )
        counted.add(page)
        if not before:
            return LockTraffic(counted.rows(), since, complete=True)
        await asyncio.sleep(0)
    return LockTraffic(counted.rows(), oldest, complete=False)
