"""Lock traffic: who locked through which facet in the last days."""

from __future__ import annotations

from lockhouse.protocols.api import views, wire, wire_reviews
from lockhouse.protocols.api.call import Call
from lockhouse.runtime.traffic import lock_traffic

_DAYS = 30
_MAX_DAYS = 366


async def locks(call: Call) -> wire_reviews.LockTrafficDocument:
    days = max(1, call.number("days", _DAYS, _MAX_DAYS))
    found = await lock_traffic(call.house, call.caller, days)
    return wire_reviews.LockTrafficDocument(
        since=wire.when(found.since),
        complete=found.complete,
        clients=tuple(views.lock_client(each) for each in found.rows),
    )
