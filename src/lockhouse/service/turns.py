"""Whose turn it is to do work that one server does for all of them: chores, packing.

A turn is noted in the store and ends by itself, so another server goes on when one has died. It saves work, and nothing
relies on it: what is done twice by two servers that disagree about the time must be as right as done once.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.ports import Transaction

_PREFIX = "turn:"


class _Turn(msgspec.Struct, frozen=True):
    server: str
    until: float
    """Seconds since 1970."""


def take(tx: Transaction, work: str, server: str, now: float, seconds: float) -> bool:
    """Whether this server has the turn for this work from now on; it keeps it by asking again."""
    name = _PREFIX + work
    for found, body in tx.notices(name):
        turn = msgspec.msgpack.decode(body, type=_Turn)
        if found == name and turn.server != server and turn.until > now:
            return False
    tx.set_notice(name, msgspec.msgpack.encode(_Turn(server, now + seconds)))
    return True
