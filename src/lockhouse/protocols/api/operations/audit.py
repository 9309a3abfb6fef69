"""The audit log: list, and hand out its sealed segments and the newest checkpoint to whoever wants to check them."""

from __future__ import annotations

from lockhouse.audit.export import checkpoint_of
from lockhouse.core.audit import ALLOWED, REFUSED, Wanted
from lockhouse.core.ports import Reader
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.api import wire_audit
from lockhouse.protocols.api.call import Call
from lockhouse.runtime import audit_pages
from lockhouse.service import audit

_MAX_NUMBER = 2**62
_SEGMENTS = 50


async def list_all(call: Call) -> wire_audit.Entries:
    query = call.query
    wanted = Wanted(
        namespace=query.get("namespace", ""),
        prefix=query.get("prefix", ""),
        principal=query.get("principal", ""),
        action=query.get("action", ""),
        outcome=query.get("outcome", ""),
        since=_time(call, "since"),
        until=_time(call, "until"),
    )
    if wanted.outcome not in ("", ALLOWED, REFUSED, "failed"):
        raise RequestInvalid(
            f"cannot filter by the outcome {wanted.outcome[:20]!r}: allowed, refused or failed",
            hint="outcome=refused",
            argument="outcome",
        )
    found, after = await audit_pages.newest(
        call.house, call.caller, wanted, call.number("before", 0, _MAX_NUMBER), call.limit()
    )
    return wire_audit.Entries(entries=tuple(wire_audit.entry(*each) for each in found), next=after)


async def segments(call: Call) -> wire_audit.Segments:
    audit.may_read(call.caller, "")
    after = call.number("after", 0, _MAX_NUMBER)
    found = await call.house.read(lambda tx: tx.segments(after, _SEGMENTS))
    return wire_audit.Segments(
        segments=tuple(found),
        public_key=call.api.audit_key.hex(),
        next=found[-1].first if len(found) == _SEGMENTS else 0,
    )


async def checkpoint(call: Call) -> wire_audit.CheckpointDocument:
    audit.may_read(call.caller, "")

    def look(tx: Reader) -> wire_audit.CheckpointDocument:
        newest = tx.last_segment()
        if newest is None:
            raise RequestInvalid(
                "cannot give a checkpoint of the audit log: nothing is sealed yet",
                hint="ask again in some seconds; lockhouse audit list shows what is written",
            )
        return wire_audit.CheckpointDocument(checkpoint=checkpoint_of(newest, call.api.audit_key))

    return await call.house.read(look)


def _time(call: Call, name: str) -> float:
    text = call.query.get(name, "")
    try:
        found = float(text) if text else 0.0
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e11:
        raise RequestInvalid(
            f"cannot read {name}: seconds since 1970", hint=f"{name}=0 is the beginning of time", argument=name
        )
    return found
