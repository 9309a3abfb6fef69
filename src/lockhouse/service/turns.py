"""Whose turn it is to do work that one server does for all of them: chores, looking at holders, telling webhooks.

A turn is noted in the store and ends by itself, so another server goes on when one has died. It saves work, and nothing
relies on it: what is done twice by two servers that disagree about the time must be as right as done once.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.ports import Reader, Transaction

_PREFIX = "turn:"


class _Turn(msgspec.Struct, frozen=True):
    server: str
    until: float
    """Seconds since 1970."""


def take(tx: Transaction, work: str, server: str, now: float, seconds: float) -> bool:
    """Whether this server has the turn for this work from now on; it keeps it by asking again."""
    if is_anothers(tx, work, server, now):
        return False
    tx.set_notice(_PREFIX + work, msgspec.msgpack.encode(_Turn(server, now + seconds)))
    return True


def is_anothers(tx: Reader, work: str, server: str, now: float) -> bool:
    """Whether another server has the turn."""
    turn = _turn(tx, work)
    return turn is not None and turn.server != server and turn.until > now


def end(tx: Transaction, work: str, server: str) -> None:
    """Give the turn back, if it is this server's."""
    turn = _turn(tx, work)
    if turn is not None and turn.server == server:
        tx.set_notice(_PREFIX + work, None)


def _turn(tx: Reader, work: str) -> _Turn | None:
    name = _PREFIX + work
    body = next((body for found, body in tx.notices(name) if found == name), None)
    return msgspec.msgpack.decode(body, type=_Turn) if body is not None else None
