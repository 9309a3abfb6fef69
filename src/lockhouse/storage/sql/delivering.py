"""Answering commands: whoever waits in a thread gets the answer itself, all others come to the store's audience."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from lockhouse.core.ports import Delivery

_log = logging.getLogger("lockhouse.storage")


class Waiting(Future[object]):
    """The token of a command that somebody waits for in a thread."""


def deliver(deliveries: Iterable[Delivery], audience: Callable[[list[Delivery]], None] | None) -> None:
    """Give every answer out. What the audience raises is logged: the thread that delivers must outlive it."""
    others: list[Delivery] = []
    for delivery in deliveries:
        token, result, problem = delivery
        if not isinstance(token, Waiting):
            others.append(delivery)
        elif problem is not None:
            token.set_exception(problem)
        else:
            token.set_result(result)
    if others and audience is not None:
        try:
            audience(others)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("Failed to deliver commands=%d", len(others))
