"""Writing to the audit log, reading it, sealing it and forgetting its oldest part.

Every use case that changes something calls `note` in its transaction. Other requests, and those that were refused, are
collected at the edge (`runtime.journal`) and appended a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.audit import ALLOWED, REFUSED, Entry, Segment, clipped, encode
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Identity, Right, require
from lockhouse.service.callers import Caller

EVERYWHERE = "*"
ITSELF = "lockhouse"
SLACK_SECONDS = 60.0
"""How far the times of entries may be out of their order: a client's request lasts, and replicas' clocks differ."""
Build = Callable[[Segment | None, Sequence[bytes]], Segment]


class Page(msgspec.Struct, frozen=True):
    """A stretch of the log, newest first."""

    sealed: Sequence[Segment]
    unsealed: Sequence[bytes] = ()


def note(
    tx: Transaction,
    caller: Caller,
    action: str,
    address: Address | None = None,
    *,
    namespace: str = "",
    subject: str = "",
    detail: str = "",
    code: str = "",
    count: int = 0,
) -> None:
    """Tell what this command does; it stands in the log exactly if the command is committed.
    With the code of a problem: what it refused to do."""
    who = caller.who
    if who.ended_at:
        detail = f"in grace, {in_grace(who, caller.now)}{'; ' if detail else ''}{detail}"
    agent, key = clipped(caller.agent), ""
    if address is not None:
        namespace, key = address
    # In the order of the fields: with more than fifteen names a call makes a dictionary of them first.
    entry = Entry(
        caller.now,
        action,
        REFUSED if code else ALLOWED,
        code,
        who.principal,
        who.name,
        who.credential,
        who.session,
        caller.protocol,
        caller.peer,
        agent,
        caller.request,
        namespace,
        key,
        clipped(subject) if subject else "",
        clipped(detail) if detail else "",
        count,
    )
    tx.add_entry(encode(entry))


def in_grace(who: Identity, now: float) -> str:
    """How long the credential of somebody who finishes has been over."""
    return f"{max(0.0, now - who.ended_at):.0f} s after the end of its credential"


def note_own(
    tx: Transaction, now: float, action: str, address: Address | None = None, *, detail: str = "", count: int = 0
) -> None:
    """Tell what the server does by itself, by a rule that somebody set."""
    tx.add_entry(
        encode(
            Entry(
                at=now,
                action=action,
                name=ITSELF,
                protocol=ITSELF,
                namespace=address.namespace if address is not None else "",
                key=address.key if address is not None else "",
                detail=clipped(detail),
                count=count,
            )
        )
    )


def may_read(caller: Caller, namespace: str) -> None:
    """AccessDenied (`access.denied`) unless the caller administers the namespace; without one: everything."""
    require(caller.who, Right.ADMIN, namespace or EVERYWHERE)


def newest(tx: Reader, before: int, limit: int) -> Page:
    """The newest segments below `before`, and at the very top (0) what is not sealed yet, newest first."""
    unsealed = () if before else tuple(raw for _, raw in tx.unsealed(limit=10_000, newest_first=True))
    return Page(tx.segments_before(before, limit), unsealed)


def seal(tx: Transaction, build: Build, most: int) -> Segment | None:
    """Seal the oldest entries, at most `most`; None: there was none."""
    waiting = tx.unsealed(limit=most)
    if not waiting:
        return None
    segment = build(tx.last_segment(), [raw for _, raw in waiting])
    tx.seal(segment, [number for number, _ in waiting])
    return segment


def forget(tx: Transaction, before: float, most: int) -> int:
    """Remove the oldest segments whose newest entry is older than `before` (seconds since 1970); answers how many of
    the first `most` went. The newest segment stays: the chain goes on from it."""
    page = tx.segments(limit=most)
    count = next((place for place, each in enumerate(page) if each.ended >= before), len(page))
    if count:
        tx.delete_segments(page[count].first if count < len(page) else page[-1].last + 1)
    return count
