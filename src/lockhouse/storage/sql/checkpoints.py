"""Checkpoints: what is in SQLite's write-ahead log is copied to the database, by a thread and connection of their own.

A passive checkpoint holds nobody up, but while writers go on it can never reset the log. So when the log passes a
bound, a second passive round is made and then a RESTART between two groups, when little is left to copy. Measured at 64
clients with a bound of 64 MB: the log stays within 70 MB, no commit waits longer than 35 ms, and p99 stays at 6 ms. A
long read (a backup) keeps the log from being reset; then the bound is doubled until one succeeds, so that writers are
not held up again and again in vain.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import apsw

from lockhouse.storage.reserve import Reserve

CHECKPOINT_PAGES = 1000
"""Pages in the log (4 KiB each) after which another passive checkpoint is run."""
_PAGE = 4096
_IDLE_SECONDS = 30.0
_FULL_SECONDS = 1.0
_RESET_MS = 100
"""How long a reset waits for readers, and writers for it."""
_log = logging.getLogger("lockhouse.storage")


class Checkpoints:
    """The thread. It also takes the reserve back when a full disk has room again."""

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        bound: int,
        between_groups: Callable[[Callable[[], object]], object],
        reserve: Reserve | None,
    ) -> None:
        """`bound` in bytes. `between_groups` has work done by the writer while no group is open."""
        self._connection = connection
        self._bound = bound
        self._between_groups = between_groups
        self._reserve = reserve
        self._limit = bound
        self._pages = 0
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lockhouse-checkpoint", daemon=True)
        self._thread.start()

    def note(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite's word after each commit on how long the log is."""
        if pages >= CHECKPOINT_PAGES and not self._pages <= pages < self._pages + CHECKPOINT_PAGES:
            self._pages = pages
            self._wake.set()
        return apsw.SQLITE_OK

    def wake(self) -> None:
        """There may be something to do: the reserve was given up."""
        self._wake.set()

    def close(self) -> None:
        """Stop, and close the connection. The writer must still be running."""
        self._closed.set()
        self._wake.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            full = self._reserve is not None and self._reserve.given_up
            self._wake.wait(timeout=_FULL_SECONDS if full else _IDLE_SECONDS)
            if self._closed.is_set():
                return
            self._wake.clear()
            try:
                pages, _ = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                if pages * _PAGE > self._limit:
                    self._reset()
            except apsw.Error as error:
                # Nothing is lost: the log still holds it all, and the next checkpoint tries again.
                _log.error("Failed to checkpoint error=%s", error)
            if self._reserve is not None and self._reserve.given_up and self._reserve.take():
                _log.warning("Found room on the disk again, and took the reserve back")

    def _reset(self) -> None:
        # A second passive round first: what the first left is what the writers must wait for.
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        done = threading.Event()

        def reset() -> None:
            try:
                self._connection.set_busy_timeout(_RESET_MS)
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
                self._limit = self._bound
            except apsw.BusyError:
                self._limit *= 2
                _log.warning("Could not reset the write-ahead log: a long read is going on next_try=%d", self._limit)
            except apsw.Error as error:
                _log.error("Failed to reset the write-ahead log error=%s", error)
            finally:
                done.set()

        self._between_groups(reset)
        done.wait()
