"""Awaiting a store: commands are queued, and a whole committed group wakes its waiters in one call.

The clock and the source of randomness are fields, so tests need no patching.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from lockhouse.core.ports import Blobs, Delivery, Reader, Store, Transaction

T = TypeVar("T")


def random_nonce() -> str:
    """96 random bits, URL-safe: for version ids, upload ids and parked writes."""
    return secrets.token_urlsafe(12)


@dataclass
class Engine:
    """Store, blobs, clock and randomness, bound to the running event loop by `start`."""

    store: Store
    blobs: Blobs
    now: Callable[[], float] = time.time
    nonce: Callable[[], str] = random_nonce
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)

    def start(self) -> None:
        """Bind to the running loop; call once, from it."""
        self._loop = asyncio.get_running_loop()
        self.store.deliver_to(self._deliver)

    async def write(self, command: Callable[[Transaction], T]) -> T:
        """The command's result after its durable commit, or its problem.

        The command runs to its end even when the awaiting task is cancelled."""
        assert self._loop is not None, "the engine is not started"
        future: asyncio.Future[Any] = self._loop.create_future()
        self.store.submit(command, future)
        return cast("T", await future)

    async def read(self, query: Callable[[Reader], T]) -> T:
        """The query's result from a snapshot with everything that was delivered."""
        if self.store.reads_are_local:
            return self.store.read(query)
        return await asyncio.to_thread(self.store.read, query)

    def _deliver(self, batch: list[Delivery]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, batch)


def _resolve(batch: list[Delivery]) -> None:
    for token, result, error in batch:
        future = cast("asyncio.Future[Any]", token)
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
