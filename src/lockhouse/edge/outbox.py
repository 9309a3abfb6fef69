"""Answers to reads go out together while more requests wait to be started.

A client that sleeps is woken by each answer that is written to it alone: where it shares the server's machine, that is
a quarter of the processor time of reading a small state. So an answer waits for those behind it that came in the same
turn of the event loop: until none of them is left to be started, or `MOST` wait, or the loop turns, whichever is first.
With one client at a time nothing ever waits. Answers to writes are not held: they come together, after their commit.
"""

from __future__ import annotations

import asyncio
from typing import Final

MOST: Final = 16
"""Answers that wait at the most."""


class Outbox:
    """That of all connections of one server; for its event loop alone."""

    __slots__ = ("_held", "unstarted")

    def __init__(self) -> None:
        self._held: list[tuple[asyncio.Transport, bytes]] = []
        self.unstarted = 0
        """Requests that have come and that no handler was started for. Connections count them; what is sent does not
        depend on it, only when."""

    def put(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Send this soon: before any task that is woken from now on runs. What else writes to this transport or closes
        it, called by the event loop itself, has to `flush` before."""
        held = self._held
        if self.unstarted and len(held) < MOST - 1:
            if not held:
                asyncio.get_running_loop().call_soon(self.flush)
            held.append((transport, answer))
            return
        if held:
            self.flush()
        transport.write(answer)

    def flush(self) -> None:
        """Send what waits."""
        held, self._held = self._held, []
        for transport, answer in held:
            if not transport.is_closing():  # uvloop raises where the client has left, and others wait behind it
                transport.write(answer)
