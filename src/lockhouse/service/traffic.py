"""The newest lock events that a caller may see. Specification of what is counted: `core.traffic`."""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader
from lockhouse.core.records import LockEvent
from lockhouse.service import locks
from lockhouse.service.callers import Caller


def recent(
    tx: Reader, caller: Caller, since: float, before: int = 0, limit: int = 500
) -> tuple[list[tuple[Address, LockEvent]], float, int]:
    """One page of events not older than `since`, newest first; the time of its last; where the next page begins (0:
    that was all).

    Needs `read`, `lock` or `force-unlock` at an address to see its events. Events are in the order of their commits and
    each was given its time just before, so a whole page of older ones ends the walk."""
    page = tx.recent_lock_events(before, limit)
    young = [(address, event) for address, event in page if event.at >= since]
    following = page[-1][1].seq if len(page) == limit and young else 0
    return [pair for pair in young if locks.sees(caller, pair[0])], page[-1][1].at if page else since, following
