"""Awaiting a store: commands are collected, and a whole committed group wakes its waiters in one call.

Commands that come in turns of the event loop that follow each other form a group: a commit costs about the same for all
of them, and who was answered by the last one asks again at once. While a group is being committed the next one
collects. A store that can runs a group here, in the loop's own thread, and may commit it here too; any other has its
commands queued for its own. A store that runs commands in their order is given one group at a time, and delivers them
in that order too.

The clock and the source of randomness are fields, so tests need no patching.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lockhouse.core.blobs import Blobs
from lockhouse.core.ports import Delivery, Reader, Store, Transaction
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.tracing import Watched

T = TypeVar("T")
Future = asyncio.Future[Any]
Command = Callable[[Transaction], object]
GROUP = 256
"""Most commands that are offered at once."""


READERS = 16
"""Threads in which a database elsewhere is waited for: more than its connections, which the store hands out."""
READS_WAITING = 2000
READ_SECONDS = 4.8


def random_nonce() -> str:
    """Nearly 96 random bits, URL-safe: for version ids, upload ids and parked writes.

    None starts with `-`, or a command that is given it would take it for an option."""
    while (nonce := urlsafe_b64encode(os.urandom(12))).startswith(b"-"):
        pass
    return nonce.decode("ascii")


@dataclass
class Engine:
    """Store, blobs, clock and randomness, bound to the running event loop by `start`."""

    store: Store
    blobs: Blobs
    now: Callable[[], float] = time.time
    nonce: Callable[[], str] = random_nonce
    watch: Callable[[str], Watched | None] | None = None
    """Who traces requests, if anybody (`runtime.tracing`)."""
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _pending: list[tuple[Command, Future]] = field(default_factory=list, init=False)
    _committing: Future | None = field(default=None, init=False)
    """The first of the group that the store is committing for us."""
    _queued: int = field(default=0, init=False)
    """Commands that were submitted and not delivered yet."""
    _thread: int = field(default=0, init=False)
    _soon: bool = field(default=False, init=False)
    _gathered: int = field(default=0, init=False)
    """Commands that were pending a turn ago, of a group that is waiting for more."""
    _alone: bool = field(default=False, init=False)
    """The last group was one command."""
    _threads: ThreadPoolExecutor | None = field(default=None, init=False)
    _waiting: int = field(default=0, init=False)
    """Reads that wait for a thread, or for the database in one."""

    def stop(self) -> None:
        """Begin no more reads elsewhere."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def start(self) -> None:
        """Bind to the running loop; call once, from it."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.store.deliver_to(self._deliver)

    @property
    def commands_waiting(self) -> int:
        """Commands that the store was not given yet."""
        return len(self._pending)

    @property
    def reads_waiting(self) -> int:
        """Reads that wait for a database elsewhere."""
        return self._waiting

    async def write(self, command: Callable[[Transaction], T]) -> T:
        """The command's result after its durable commit, or its problem.

        The command runs to its end even when the awaiting task is cancelled."""
        assert self._loop is not None, "the engine is not started"
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.watch is not None and (watched := self.watch("transaction")) is not None:
            command = watched.of(command)
            future.add_done_callback(lambda _: watched.done())
        self._pending.append((command, future))
        if not self._soon and not self._occupied:
            self._flush_soon()
        return await future  # type: ignore[no-any-return]

    async def read(self, query: Callable[[Reader], T]) -> T:
        """The query's result from a snapshot with everything that was delivered."""
        if self.watch is not None and (watched := self.watch("query")) is not None:
            try:
                return await self._read(watched.of(query))
            finally:
                watched.done()
        if self.store.reads_are_local:
            return self.store.read(query)
        return await self.elsewhere(lambda: self.store.read(query))

    async def _read(self, query: Callable[[Reader], T]) -> T:
        if self.store.reads_are_local:
            return self.store.read(query)
        return await self.elsewhere(lambda: self.store.read(query))

    async def elsewhere(self, act: Callable[[], T]) -> T:
        """Do what waits for the database in one of a few threads. Errors: those of `act`; `storage.unavailable` when
        too many wait for a thread, or it takes longer than `READ_SECONDS` (it then ends by itself)."""
        if self._waiting >= READS_WAITING:
            raise _busy()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="lockhouse-reader")
        try:
            reading = asyncio.get_running_loop().run_in_executor(self._threads, act)
        except RuntimeError as failure:  # the system gives no thread
            raise _busy() from failure
        self._waiting += 1
        reading.add_done_callback(self._read_done)
        done, _ = await asyncio.wait({reading}, timeout=READ_SECONDS)
        if not done:
            reading.cancel()
            raise _busy()
        return reading.result()

    def _read_done(self, reading: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not reading.cancelled():
            reading.exception()  # it was told to whoever still waits

    def _flush_soon(self) -> None:
        assert self._loop is not None
        self._soon = True
        self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        """Flush, unless the last turn has brought another command: the next one may, too. One alone does not wait."""
        number = len(self._pending)
        if number == self._gathered or number >= GROUP or (number == 1 and self._alone):
            self._flush()
        else:
            assert self._loop is not None
            self._gathered = number
            self._loop.call_soon(self._gather)

    @property
    def _occupied(self) -> bool:
        """Whether a group is with the store and the next one collects."""
        return self._committing is not None or (self._queued > 0 and self.store.in_order)

    def _flush(self) -> None:
        self._soon = False
        self._gathered = 0
        if not self._pending or self._occupied:
            return
        group, self._pending = self._pending[:GROUP], self._pending[GROUP:]
        self._alone = len(group) == 1
        self._committing = group[0][1]
        if not self.store.offer(group):
            self._committing = None
            self._submit(group)
        if self._pending and not self._occupied:
            self._flush_soon()

    def _submit(self, group: list[tuple[Command, Future]]) -> None:
        for command, future in group:
            try:
                self.store.submit(command, future)
            except StorageUnavailable as problem:
                if not future.done():
                    future.set_exception(problem)
            else:
                self._queued += 1

    def _deliver(self, batch: list[Delivery]) -> None:
        loop = self._loop
        if threading.get_ident() == self._thread:
            self._resolve(batch)  # from within `offer`
        elif loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._arrive, batch)

    def _arrive(self, batch: list[Delivery]) -> None:
        if batch[0][0] is not self._committing:
            self._queued -= len(batch)
        self._resolve(batch)
        if self._pending and not self._soon and not self._occupied:
            self._flush()

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


def _busy() -> StorageUnavailable:
    return StorageUnavailable("cannot read the database: it is busy", hint="try again in a moment")
