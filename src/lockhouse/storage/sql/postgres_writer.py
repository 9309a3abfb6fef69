"""A thread that writes: it runs commands in transactions on a connection of its own, and counts its commits.

What it must get right:

- A delivery leaves only after the commit, or after a snapshot that proves a refusal true.
- A group is undone as a whole when one of its commands changed something and then refused; then each runs alone.
- Conflicts (deadlock, serialization, a key that another transaction made) are run again, at last alone in the database.
- A connection lost in a commit leaves its outcome open: the thread's mark tells which it was (`postgres_marks`). Where
  that cannot be asked in time, the answer is StorageUnavailable, and the same request again is safe.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence

import psycopg
from psycopg import errors

from lockhouse.errors import StorageFull, StorageUnavailable
from lockhouse.storage.sql.postgres_dated import Outdated
from lockhouse.storage.sql.postgres_health import ANSWER_SECONDS, Health
from lockhouse.storage.sql.postgres_holding import Later, Mode, Wait
from lockhouse.storage.sql.postgres_queue import Answer, CommandQueue, Entry, busy
from lockhouse.storage.sql.postgres_session import AGAIN, BUSY, READ_WRITE, Lost, Session, reason_of, unreachable
from lockhouse.storage.sql.postgres_transaction import PostgresTransaction
from lockhouse.storage.sql.settled import Settled

_TRIES = 8
_CHANCES = 4
"""How often a command of a group may wait for what is read for all; after that it asks by itself."""
_MARK = (
    "WITH changed AS (UPDATE marks SET commits = commits + 1, at = ? WHERE id = ? AND commits = ? RETURNING 1) "
    "SELECT 1 / count(*) FROM changed"
)
_log = logging.getLogger("lockhouse.storage")


class Writer:
    """One of the threads, its connection and its mark."""

    def __init__(
        self,
        options: dict[str, object],
        settled: Settled,
        queue: CommandQueue,
        health: Health,
        stopping: threading.Event,
        clock: Callable[[], float],
    ) -> None:
        self.mark = ""
        self._session = Session(options)
        self._transaction = PostgresTransaction(self._session, settled)
        self._settled = settled
        self._queue = queue
        self._health = health
        self._stopping = stopping
        self._clock = clock
        self._era = 0
        self._commits = 0
        self._running: list[Entry] = []
        self._answer: Answer
        """That of the command that runs alone."""

    def cut_late(self) -> None:
        """From another thread: answer those of its commands that have waited too long, and end what it waits for."""
        now = time.monotonic()
        waiting = [e for e in list(self._running) if not e.answered and now - e.since > ANSWER_SECONDS]
        if waiting:
            self._session.cut()
            self._queue.refuse(waiting, _unknown())

    def drop(self) -> None:
        """Give the connection up, after the thread has ended."""
        self._session.drop()

    def run(self) -> None:
        while group := self._queue.take():
            self._running = group
            try:
                try:
                    rest = self._run_group(group)
                finally:
                    self._queue.end_group()
                for entry in rest:
                    if not entry.answered:
                        self._run_alone(entry)
            except Exception as error:  # noqa: BLE001 - the thread must outlive whatever this is
                _log.exception("Failed to run commands count=%d", len(group))
                self._session.drop()
                self._queue.refuse(
                    group,
                    StorageUnavailable(
                        f"cannot write: {type(error).__name__}", hint="send it again: what was done stays done"
                    ),
                )
            self._queue.refuse(group, _unknown())  # nobody is left without an answer; who has one keeps it
            self._running = []
        self._session.drop()

    def _run_group(self, group: list[Entry]) -> list[Entry]:
        """Run them in one transaction, and answer those that are to be run alone."""
        transaction, session = self._transaction, self._session
        later: list[Entry] = []
        done: list[Answer] = []
        try:
            self._prepare()
            transaction.start(Mode.GROUP)
            waiting = group
            for chance in range(_CHANCES, -1, -1):
                transaction.asking = chance > 0 and len(waiting) > 1
                waiting = self._run_each(transaction, waiting, done, later)
                if session.failure is not None:
                    raise session.failure
                if not waiting:
                    break
                transaction.bring()
            self._commit()
        except (Later, Outdated, Lost, psycopg.Error, StorageUnavailable) as reason:
            session.roll_back()
            if not isinstance(reason, Lost) or not reason.unknown:
                return group
            happened = self._happened(group[0])
            if happened is False:
                return group
            if happened is None:
                self._queue.refuse([entry for entry, _, _ in done], _unknown())
                return later
        self._queue.deliver(done)
        return later

    def _run_each(
        self, transaction: PostgresTransaction, group: Sequence[Entry], done: list[Answer], later: list[Entry]
    ) -> list[Entry]:
        """Run commands one after the other; those that wait for what is read for all of them are the answer.

        Errors: what ends the transaction."""
        waiting: list[Entry] = []
        for entry in group:
            transaction.touched = False
            try:
                done.append((entry, entry.command(transaction), None))
            except Wait:
                waiting.append(entry)
            except Later as wish:
                entry.mode = wish.mode
                later.append(entry)
                if transaction.touched:
                    raise
            except (psycopg.Error, Lost, Outdated):
                raise
            except BaseException as problem:  # noqa: BLE001 - whatever a command raises is its answer
                if transaction.touched:
                    raise Later(Mode.ALONE) from None
                done.append((entry, None, problem))
        return waiting

    def _run_alone(self, entry: Entry) -> None:
        """Run it until it has an answer, and deliver that."""
        mode, last, conflicts = entry.mode, busy(), 0
        while not entry.late and conflicts < _TRIES:
            try:
                self._run_once(entry, mode)
            except Outdated:
                continue
            except Later as wish:
                mode = wish.mode
            except Lost as lost:
                last = unreachable(lost)
                self._stopping.wait(0.1)
                happened = self._happened(entry) if lost.unknown else False
                if happened is not False:
                    self._queue.deliver([self._answer] if happened else [(entry, None, _unknown())])
                    return
            except StorageUnavailable as problem:
                last = problem
                break
            except BUSY:
                last = busy()
            except errors.DiskFull:
                self._queue.refuse(
                    [entry],
                    StorageFull(
                        "cannot write: the disk of the database is full",
                        hint="make room there: reads and unlocks still work, and writes resume by themselves",
                    ),
                )
                return
            except AGAIN as error:
                conflicts += 1
                last = StorageUnavailable(
                    f"cannot write: the database refuses it: {reason_of(error)}",
                    hint="send it again; the log of the database says more",
                )
                if isinstance(error, errors.UniqueViolation) and mode is Mode.EXCLUSIVE:
                    break  # nobody else was there: the command itself does that
                mode = self._after(error, mode, conflicts)
            except psycopg.Error as error:
                last = StorageUnavailable(
                    f"cannot write: the database refuses it: {reason_of(error)}",
                    hint="send it again; the log of the database says more",
                )
                break
            else:
                return
        self._queue.refuse([entry], last)

    def _run_once(self, entry: Entry, mode: Mode) -> None:
        """Run and answer it. Errors: all that ask for another try."""
        transaction, session = self._transaction, self._session
        self._prepare()
        try:
            transaction.start(mode)
            transaction.touched = False
            try:
                self._answer = (entry, entry.command(transaction), None)
            except (Later, Outdated, Lost, psycopg.Error):
                raise
            except BaseException as problem:  # noqa: BLE001 - whatever a command raises is its answer
                if session.failure is None:
                    transaction.verify()
                self._answer = (entry, None, problem)
            if session.failure is not None:
                raise session.failure  # noqa: TRY301 - it goes the way of all others
            if self._answer[2] is not None and transaction.dirty:
                session.roll_back()
            else:
                self._commit()
        except BaseException:
            session.roll_back()
            raise
        self._queue.deliver([self._answer])

    def _prepare(self) -> None:
        """A connection that was looked at, and a mark. Errors: Lost, StorageUnavailable, others of psycopg."""
        try:
            self._health.look_at(self._session)
            if not self.mark or self._era != self._health.marks.era:
                self._make_mark()
        except Lost as lost:  # in a commit perhaps, but in none of a command
            raise Lost(str(lost)) from lost

    def _make_mark(self) -> None:
        mark = secrets.token_hex(8)
        self._era = self._health.marks.era
        try:
            self._session.begin(READ_WRITE)
            self._session.send("INSERT INTO marks (id, commits, at) VALUES (?, 0, ?)", (mark, self._clock()))
            self._session.commit()
        except BaseException:
            self._session.roll_back()
            raise
        self.mark, self._commits = mark, 0

    def _commit(self) -> None:
        transaction, session = self._transaction, self._session
        house = transaction.verify()
        if not transaction.dirty:
            session.commit()
            return
        settled, access = transaction.house_changes
        if settled or access:
            session.send("UPDATE house SET settled = settled + ?, access = access + ? WHERE one = 1", (settled, access))
        transaction.flush()
        now = self._clock()
        session.send(_MARK, (now, self.mark, self._commits))
        session.commit()
        self._committed(now)
        if settled:
            self._settled.generation = max(self._settled.generation, house.settled + settled)
        self._health.saw(house.access + access)

    def _committed(self, now: float) -> None:
        self._commits += 1
        self._health.marks.note(self.mark, self._commits, now)

    def _happened(self, entry: Entry) -> bool | None:
        """Whether the commit in which the connection was lost has happened; None: it cannot be told in time."""
        if not self._transaction.dirty:
            return False
        while not entry.late and not self._health.marks.lost:
            session = self._session
            try:
                session.begin(READ_WRITE)
                rows = session.fetch("SELECT commits FROM marks WHERE id = ? FOR UPDATE", (self.mark,))
                session.roll_back()
            except (Lost, psycopg.Error):
                session.roll_back()
                self._stopping.wait(0.1)
                continue
            if rows and rows[0][0] == self._commits + 1:
                self._committed(self._clock())
                return True
            if rows and rows[0][0] == self._commits:
                return False
            break
        self.mark = ""
        return None

    def _after(self, error: psycopg.Error, mode: Mode, conflicts: int) -> Mode:
        """How a command runs again after a conflict."""
        if isinstance(error, errors.DivisionByZero):
            self.mark = ""
            self._session.drop()  # the next connection looks whether the database went back in time
        of_order = isinstance(error, errors.DeadlockDetected | errors.SerializationFailure)
        return mode if of_order and conflicts == 1 else Mode.EXCLUSIVE


def _unknown() -> StorageUnavailable:
    return StorageUnavailable(
        "the database did not answer in time: whether this happened is unknown",
        hint="send the same request again: if it happened, that is a success",
    )
