"""Whether the database answers, whether it is the one that it was, and who waits for it.

Every new connection and a pulse compare the marks (`postgres_marks`) with what was seen of them. Sessions that read are
watched, and cut when somebody has waited on one for too long. Specification: docs/decisions/0104.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lockhouse.errors import StorageUnavailable
from lockhouse.storage.sql.postgres_dated import HOUSE
from lockhouse.storage.sql.postgres_marks import DELETED_SECONDS, Marks, Seen
from lockhouse.storage.sql.postgres_queue import busy
from lockhouse.storage.sql.postgres_session import READ_ONLY, READ_WRITE, Lost, Session

ANSWER_SECONDS = 4.5
FAILED_SECONDS = 0.5
"""After a failure to connect nobody tries again for so long: else each would wait for its own failure."""


class Health:
    """Of one database, as one server sees it; for any number of threads."""

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        """`path`: where the marks are kept."""
        self.marks = Marks(path)
        self.access = 0
        self.failing = 0.0
        """How long the last connection took to fail; 0: it did not."""
        self._clock = clock
        self._guard = threading.Lock()
        self._watched: dict[Session, float] = {}
        self._reached = time.monotonic()
        self._failed = -FAILED_SECONDS
        self._comparing = threading.Lock()

    @property
    def silent(self) -> float:
        """Seconds since a comparison was answered."""
        return time.monotonic() - self._reached

    def check(self) -> None:
        """StorageUnavailable unless the database answered a moment ago and has not gone back in time."""
        self.refuse_to_serve()
        if self.silent > ANSWER_SECONDS:
            raise StorageUnavailable("cannot reach the database", hint="is it running, and is database_url right?")

    def refuse_to_serve(self) -> None:
        """StorageUnavailable when the database went back in time."""
        if self.marks.lost:
            raise _rolled_back(self.marks.lost)

    def saw(self, access: int) -> None:
        """A count of the changes of access."""
        with self._guard:
            self.access = max(self.access, access)

    def watch(self, session: Session) -> bool:
        """Somebody begins to wait on this session; False when it is watched already."""
        with self._guard:
            if session in self._watched:
                return False
            self._watched[session] = time.monotonic()
            return True

    def unwatch(self, session: Session) -> None:
        with self._guard:
            self._watched.pop(session, None)

    def cut_stuck(self) -> None:
        """Cut the sessions on which somebody waits for too long."""
        now = time.monotonic()
        with self._guard:
            stuck = [session for session, since in self._watched.items() if now - since > ANSWER_SECONDS]
        for session in stuck:
            session.cut()

    def look_at(self, session: Session) -> None:
        """A new connection may lead to another database than the last one did."""
        if not session.connected:
            if time.monotonic() - self._failed < FAILED_SECONDS:
                raise Lost("cannot connect to the database: a moment ago it did not answer")
            began = time.monotonic()
            try:
                session.connect()
            except Lost:
                self._failed = time.monotonic()
                self.failing = self._failed - began
                raise
            self.failing = 0.0
            self.compare(session)
        self.refuse_to_serve()

    def compare(self, session: Session, only: Sequence[str] | None = None) -> None:
        """Read the counts of the database, and compare its marks (`only` these) with those that were seen.

        Errors: Lost, StorageUnavailable, others of psycopg."""
        if not self._comparing.acquire(timeout=ANSWER_SECONDS):
            raise busy()
        ours = self.watch(session)
        try:
            expected = self.marks.snapshot()
            where = ""
            if only is not None:
                expected = {mark: seen for mark, seen in expected.items() if mark in only}
                where = f" WHERE id IN ({', '.join('?' * len(only))})" if only else " WHERE 1 = 0"
            session.begin(READ_ONLY)
            asked = session.send(HOUSE)
            rows = session.fetch(f"SELECT id, commits, at FROM marks{where}", tuple(only or ()))  # noqa: S608
            ((_, access, era),) = session.rows(asked)
            session.commit()
            found = {row[0]: Seen(row[1], row[2]) for row in rows}
            self.marks.compare(era, expected, found, self._clock())
            self.saw(access)
            self._reached = time.monotonic()
        except BaseException:
            session.roll_back()
            raise
        finally:
            if ours:
                self.unwatch(session)
            self._comparing.release()

    def forget_marks(self, session: Session) -> None:
        """Remove those that nobody has written to for a month. Errors: Lost, others of psycopg."""
        session.begin(READ_WRITE)
        session.send("DELETE FROM marks WHERE at < ?", (self._clock() - DELETED_SECONDS,))
        session.commit()


def _rolled_back(what: str) -> StorageUnavailable:
    return StorageUnavailable(
        f"cannot serve: the database went back in time ({what}), so answered writes and locks are missing",
        hint="restore the right database; or, when nothing runs under lost locks: lockhouse db accept-rollback",
    )
