"""Giving out packed bodies: in this process while they are small, else in a child that holds them in its memory.

At most `CHILDREN` versions are unpacked by children at once; others wait. A child has verified the digest before its
first byte is given out, and ends with the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO
from weakref import WeakKeyDictionary

from lockhouse.core.versions import Body
from lockhouse.deltas.chains import HERE_BYTES, chain_of
from lockhouse.deltas.workers import PIECE_BYTES, Chain, Worker
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.streams import Stream
from lockhouse.sealing.bodies import Bodies

CHILDREN = 2
_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def unpacked(body: Body, bodies: Bodies, start: int, stop: int) -> bytes | Stream:
    """The bytes from `start` up to `stop`. Errors: `storage.unavailable`, before any byte."""
    chain = await asyncio.to_thread(chain_of, body, bodies)
    if chain.largest <= HERE_BYTES:
        raw = await asyncio.to_thread(chain.unpack_here)
        return raw[start:stop]
    gate = _gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(CHILDREN))
    await gate.acquire()
    unpacking = _Unpacking(gate)
    try:
        length, source = await unpacking.begin(chain, start, stop)
    except BaseException:
        unpacking.close()
        raise
    return Stream(length, lambda: unpacking.pieces(length, source), unpacking.close)


class _Unpacking:
    """One child and its place among the few that may run."""

    def __init__(self, gate: asyncio.Semaphore) -> None:
        self.worker = Worker()
        self._gate = gate
        self._open = True
        self._busy: asyncio.Task[tuple[int, IO[bytes]]] | asyncio.Task[bytes] | None = None

    async def begin(self, chain: Chain, start: int, stop: int) -> tuple[int, IO[bytes]]:
        task = asyncio.create_task(asyncio.to_thread(self.worker.unpack, chain, start, stop))
        self._busy = task
        return await asyncio.shield(task)

    async def pieces(self, left: int, source: IO[bytes]) -> AsyncIterator[bytes]:
        try:
            while left:
                reading = asyncio.create_task(asyncio.to_thread(source.read, min(left, PIECE_BYTES)))
                self._busy = reading
                piece = await asyncio.shield(reading)
                if not piece:
                    raise StorageUnavailable("cannot read a version: unpacking it was cut off", hint="try again")
                left -= len(piece)
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """End the child; a thread that waits for it is freed by that."""
        if not self._open:
            return
        self._open = False
        self.worker.end()
        busy = self._busy
        if busy is None or busy.done():
            self._closed()
        else:
            busy.add_done_callback(self._closed)

    def _closed(self, _task: object = None) -> None:
        self.worker.close()
        self._gate.release()
