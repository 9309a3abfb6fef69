"""Awaiting a store: commands are collected, and a whole committed group wakes its waiters in one call.

Commands of one turn of the event loop form a group, and while a group is being committed the next one collects. A store
that can runs a group here, in the loop's own thread; any other has its commands queued for its own.

The clock and the source of randomness are fields, so tests need no patching.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lockhouse.core.ports import Blobs, Delivery, Reader, Store, Transaction
from lockhouse.errors import StorageUnavailable

T = TypeVar("T")
Future = asyncio.Future[Any]
Command = Callable[[Transaction], object]
GROUP = 256
"""Most commands that are offered at once."""


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
    _pending: list[tuple[Command, Future]] = field(default_factory=list, init=False)
    _committing: Future | None = field(default=None, init=False)
    """The first of the group that the store is committing for us."""
    _soon: bool = field(default=False, init=False)

    def start(self) -> None:
        """Bind to the running loop; call once, from it."""
        self._loop = asyncio.get_running_loop()
        self.store.deliver_to(self._deliver)

    async def write(self, command: Callable[[Transaction], T]) -> T:
        """The command's result after its durable commit, or its problem.

        The command runs to its end even when the awaiting task is cancelled."""
        assert self._loop is not None, "the engine is not started"
        future: asyncio.Future[Any] = self._loop.create_future()
        self._pending.append((command, future))
        if not self._soon and self._committing is None:
            self._soon = True
            self._loop.call_soon(self._flush)
        return await future  # type: ignore[no-any-return]

    async def read(self, query: Callable[[Reader], T]) -> T:
        """The query's result from a snapshot with everything that was delivered."""
        if self.store.reads_are_local:
            return self.store.read(query)
        return await asyncio.to_thread(self.store.read, query)

    def _flush(self) -> None:
        self._soon = False
        if not self._pending or self._committing is not None:
            return
        group, self._pending = self._pending[:GROUP], self._pending[GROUP:]
        if self.store.offer(group):
            self._committing = group[0][1]
            return
        for command, future in group:
            try:
                self.store.submit(command, future)
            except StorageUnavailable as problem:
                if not future.done():
                    future.set_exception(problem)
        self._flush()

    def _deliver(self, batch: list[Delivery]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._resolve, batch)

    def _resolve(self, batch: list[Delivery]) -> None:
        for token, result, error in batch:
            future: Future = token  # type: ignore[assignment]
            if future is self._committing:
                self._committing = None
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if self._pending and self._committing is None and not self._soon:
            self._flush()
