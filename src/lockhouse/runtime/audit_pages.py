"""Pages of the audit log: a bounded walk back from the newest entry, filtered in a thread.

Segments have no index but their order. So a page looks at no more than `MAX_SEGMENTS`, and says where to go on even if
it found nothing; between two reads other requests are served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from lockhouse.audit.segments import entries
from lockhouse.core.audit import Entry, Segment, Wanted, decode
from lockhouse.runtime.house import House
from lockhouse.service import audit
from lockhouse.service.callers import Caller

MAX_SEGMENTS = 200
_STEP = 20
Numbered = tuple[int, Entry]


async def newest(house: House, caller: Caller, wanted: Wanted, before: int, limit: int) -> tuple[list[Numbered], int]:
    """(entries with their numbers, newest first; where to go on or 0). Needs `admin` on the wanted namespace, or on
    everything. What is not sealed yet has the number 0 and comes on the first page alone (before = 0)."""
    audit.may_read(caller, wanted.namespace)
    found: list[Numbered] = []
    place = before
    for _ in range(0, MAX_SEGMENTS, _STEP):
        page = await house.read(partial(audit.newest, before=place, limit=_STEP))
        fresh = (decode(raw) for raw in page.unsealed)
        found += [(0, each) for each in fresh if wanted.matches(each)]
        found += await asyncio.to_thread(_matching, page.sealed, wanted, before)
        if len(page.sealed) < _STEP or page.sealed[-1].ended < wanted.since - audit.SLACK_SECONDS:
            place = 0
            break
        place = page.sealed[-1].first
        if len(found) >= limit:
            break
    if len(found) > limit and found[limit - 1][0]:
        found = found[:limit]
        place = found[-1][0]
    return found, place


def _matching(segments: Sequence[Segment], wanted: Wanted, before: int) -> list[Numbered]:
    found: list[Numbered] = []
    for segment in segments:
        if segment.ended < wanted.since or (wanted.until and segment.began >= wanted.until):
            continue
        numbered = [(number, raw) for number, (raw, _) in enumerate(entries(segment), segment.first)]
        for number, raw in reversed(numbered):
            if not before or number < before:
                entry = decode(raw)
                if wanted.matches(entry):
                    found.append((number, entry))
    return found
