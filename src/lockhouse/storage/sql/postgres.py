"""PostgreSQL 13 or later, shared by any number of replicas: a few threads write, each on a connection of its own.

A thread takes what is queued up to a bound and runs it in one transaction; so under load many commands share a commit,
and a lonely one starts at once. What a group cannot do without waiting is run alone (`postgres_transaction` has the
law). What it must get right:

- A delivery leaves only after the commit, or after a snapshot that proves a refusal true.
- Conflicts (deadlock, serialization, a key that another transaction made) are run again, at last alone in the database.
- A connection lost in a commit leaves its outcome open: the thread's mark tells which it was (`postgres_marks`). Where
  that cannot be asked in time, the answer is StorageUnavailable, and the same request again is safe. The process goes
  on: other replicas decide by the database, and so does this one.
- Every command is answered within `ANSWER_SECONDS`, whatever the database and the network do.
- Nothing is served from a database that went back in time.

Specification: `core.ports.Store`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar, cast

import psycopg
from psycopg import errors

from lockhouse.core.ports import Delivery, Reader, Transaction
from lockhouse.errors import Problem, StorageFull, StorageUnavailable
from lockhouse.storage.sql import postgres_schema
from lockhouse.storage.sql.postgres_marks import DELETED_SECONDS, Marks, Seen
from lockhouse.storage.sql.postgres_session import (
    AGAIN,
    BUSY,
    READ_ONLY,
    READ_WRITE,
    Lost,
    Session,
    open_connection,
    options_of,
    reason_of,
    unreachable,
)
from lockhouse.storage.sql.postgres_transaction import HOUSE, Later, Mode, Outdated, PostgresTransaction, ReadOnly
from lockhouse.storage.sql.reader import SqlReader
from lockhouse.storage.sql.settled import Settled

T = TypeVar("T")
Command = Callable[[Transaction], object]
GROUP = 32
"""Most commands in one transaction: as long as a state that one of them holds may make others wait."""
CONNECTIONS = 8
ANSWER_SECONDS = 4.5
QUEUE_SECONDS = 4.0
MOST_QUEUED = 20_000
PULSE_SECONDS = 0.5
SAVE_SECONDS = 5.0
FAILED_SECONDS = 0.5
"""After a failure to connect nobody tries again for so long: else each would wait for its own failure."""
_TRIES = 8
_MARK = (
    "WITH changed AS (UPDATE marks SET commits = commits + 1, at = ? WHERE id = ? AND commits = ? RETURNING 1) "
    "SELECT 1 / count(*) FROM changed"
)
_log = logging.getLogger("lockhouse.storage")


class _Waiting(Future[object]):
    """The token of a command that somebody waits for in `write`."""


class _Entry:
    """A queued command. Who sets `answered` first, under the store's guard, answers it."""

    __slots__ = ("answered", "command", "mode", "since", "token")

    def __init__(self, command: Command, token: object) -> None:
        self.command = command
        self.token = token
        self.since = time.monotonic()
        self.answered = False
        self.mode = Mode.ALONE

    @property
    def late(self) -> bool:
        return time.monotonic() - self.since > QUEUE_SECONDS


class _Worker:
    """A writing thread's connection, and its mark."""

    def __init__(self, options: dict[str, object], settled: Settled) -> None:
        self.session = Session(options)
        self.transaction = PostgresTransaction(self.session, settled)
        self.mark = ""
        self.era = 0
        self.commits = 0
        self.running: list[_Entry] = []
        self.answer: tuple[_Entry, object, BaseException | None]
        """That of the command that runs alone."""


class PostgresStore:
    """`core.ports.Store` on one PostgreSQL database."""

    reads_are_local = False
    in_order = False

    def __init__(
        self,
        url: str,
        *,
        password: str = "",
        marks: Path | None = None,
        connections: int = CONNECTIONS,
        migrate: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`marks`: a file for what has been seen of the database (`postgres_marks`). `connections`: how many may be
        open, about half for commands. Errors: `storage.unavailable`, `data.invalid`, `setting.invalid`."""
        self._options = options_of(url) | ({"password": password} if password else {})
        self._clock = clock
        self._settled = Settled()
        self._guard = threading.Lock()
        self._news = threading.Condition(self._guard)
        self._queue: deque[_Entry] = deque()
        self._callback: Callable[[list[Delivery]], None] | None = None
        self._closed = False
        self._stopping = threading.Event()
        self._access = 0
        self._reached = time.monotonic()
        self._failed = -FAILED_SECONDS
        self._failing = 0.0
        """How long the last connection took to fail; 0: it did not."""
        self._comparing = threading.Lock()
        self._marks = Marks(marks)
        writers = max(1, connections // 2)
        self._idle: queue.LifoQueue[Session] = queue.LifoQueue()
        self._reading: dict[Session, float] = {}
        for _ in range(max(1, connections - writers - 1)):
            self._idle.put(Session(self._options))
        self._pulse_session = Session(self._options)
        self._open(migrate=migrate)
        self._workers = [_Worker(self._options, self._settled) for _ in range(writers)]
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"lockhouse-writer-{number}", daemon=True)
            for number, worker in enumerate(self._workers)
        ]
        self._watch = [
            threading.Thread(target=self._watch_deadlines, name="lockhouse-deadlines", daemon=True),
            threading.Thread(target=self._pulse, name="lockhouse-pulse", daemon=True),
        ]
        for thread in (*self._threads, *self._watch):
            thread.start()

    def _open(self, *, migrate: bool) -> None:
        try:
            with contextlib.closing(open_connection(self._options)) as connection:
                if migrate:
                    postgres_schema.migrate(connection)
                found = postgres_schema.status(connection)
        except (psycopg.Error, Lost) as error:
            raise unreachable(error) from None
        postgres_schema.refuse_newer(found)
        if any(each.behind for each in found):
            raise StorageUnavailable(
                "cannot use this database: its tables are older than this Lockhouse",
                hint="lockhouse db migrate --database-url URL",
            )
        try:
            self._compare(self._pulse_session)
        except (psycopg.Error, Lost) as error:
            raise unreachable(error) from None

    # The port

    def submit(self, command: Command, token: object) -> None:
        with self._guard:
            if self._closed:
                raise StorageUnavailable("cannot use the database: it is closed")
            if len(self._queue) >= MOST_QUEUED:
                raise _busy()
            self._queue.append(_Entry(command, token))
            self._news.notify()

    def offer(self, group: Sequence[tuple[Command, object]]) -> bool:
        del group  # a commit takes a round trip: never in the caller's thread
        return False

    def deliver_to(self, callback: Callable[[list[Delivery]], None]) -> None:
        self._callback = callback

    def write(self, command: Callable[[Transaction], T]) -> T:
        waiting = _Waiting()
        self.submit(command, waiting)
        return cast("T", waiting.result())

    def read(self, query: Callable[[Reader], T]) -> T:
        end = time.monotonic() + QUEUE_SECONDS
        self._refuse_to_serve()
        session = self._borrow(end)
        try:
            while True:
                began = time.monotonic()
                if not session.connected and began + self._failing > end:
                    raise unreachable(Lost("it does not answer"))
                try:
                    return self._query(session, query)
                except Outdated:
                    continue
                except Lost as error:
                    now = time.monotonic()
                    if now + (now - began) > end:  # another try may take as long
                        raise unreachable(error) from None
                    self._stopping.wait(0.1)
                except BUSY:
                    raise _busy() from None
                except psycopg.Error as error:
                    raise unreachable(error) from None
        finally:
            self._give_back(session)

    def close(self) -> None:
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._news.notify_all()
        for thread in self._threads:
            thread.join(timeout=3 * ANSWER_SECONDS)
        self._stopping.set()
        for thread in self._watch:
            thread.join(timeout=ANSWER_SECONDS)
        self._marks.save()
        for worker in self._workers:
            worker.session.drop()
        self._pulse_session.drop()
        while not self._idle.empty():
            self._idle.get_nowait().drop()

    # Beyond the port

    @property
    def access_generation(self) -> int:
        """Rises with every committed change of principals, grants or credentials by any replica; at most about
        `PULSE_SECONDS` old. What was read under a lower number is to be read anew."""
        return self._access

    def check(self) -> None:
        """StorageUnavailable unless the database answered a moment ago and has not gone back in time."""
        self._refuse_to_serve()
        if time.monotonic() - self._reached > ANSWER_SECONDS:
            raise StorageUnavailable("cannot reach the database", hint="is it running, and is database_url right?")

    def claim_fact(self, name: str, value: bytes) -> bytes:
        """A fact about the house that whoever asks first decides; answers what was decided."""
        session = Session(self._options)
        try:
            session.begin(READ_WRITE)
            session.send("INSERT INTO house_facts (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value))
            rows = session.fetch("SELECT value FROM house_facts WHERE name = ?", (name,))
            session.commit()
        except (psycopg.Error, Lost) as error:
            raise unreachable(error) from None
        finally:
            session.drop()
        return bytes(rows[0][0])

    # Reading

    def _borrow(self, end: float) -> Session:
        try:
            session = self._idle.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise _busy() from None
        with self._guard:
            self._reading[session] = time.monotonic()
        return session

    def _give_back(self, session: Session) -> None:
        with self._guard:
            del self._reading[session]
        self._idle.put(session)

    def _query(self, session: Session, query: Callable[[Reader], T]) -> T:
        if self._closed:
            raise StorageUnavailable("cannot use the database: it is closed")
        self._look_at(session)
        dated = ReadOnly(session, self._settled)
        session.begin(READ_ONLY)
        try:
            dated.begin()
            try:
                result = query(SqlReader(dated, self._settled, dated.generation))
            except Problem:
                dated.verify()
                raise
            dated.verify()
            session.commit()
        except BaseException:
            session.roll_back()
            raise
        self._saw(dated.house.access if dated.house is not None else 0)
        return result

    def _refuse_to_serve(self) -> None:
        if self._marks.lost:
            raise _rolled_back(self._marks.lost)

    # Writing

    def _work(self, worker: _Worker) -> None:
        while group := self._take():
            worker.running = group
            try:
                rest = group if len(group) == 1 else self._run_group(worker, group)
                for entry in rest:
                    if not entry.answered:
                        self._run_alone(worker, entry)
            except Exception as error:  # noqa: BLE001 - the thread must outlive whatever this is
                _log.exception("Failed to run commands count=%d", len(group))
                worker.session.drop()
                self._refuse(group, StorageUnavailable(f"cannot write: {type(error).__name__}"))
            self._refuse(group, _unknown())  # nobody is left without an answer; who has one keeps it
            worker.running = []
        worker.session.drop()

    def _take(self) -> list[_Entry]:
        with self._news:
            while not self._queue and not self._closed:
                self._news.wait()
            return [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]

    def _run_group(self, worker: _Worker, group: list[_Entry]) -> list[_Entry]:
        """Run them in one transaction, and answer those that are to be run alone."""
        transaction, session = worker.transaction, worker.session
        later: list[_Entry] = []
        done: list[tuple[_Entry, object, BaseException | None]] = []
        try:
            self._prepare(worker)
            session.begin(READ_WRITE)
            transaction.start(Mode.GROUP)
            for entry in group:
                transaction.touched = False
                try:
                    done.append((entry, entry.command(transaction), None))
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
                if session.failure is not None:
                    raise session.failure
            self._commit(worker)
        except (Later, Outdated, Lost, psycopg.Error, StorageUnavailable) as reason:
            session.roll_back()
            if not isinstance(reason, Lost) or not reason.unknown:
                return group
            happened = self._happened(worker, group[0])
            if happened is False:
                return group
            if happened is None:
                self._refuse([entry for entry, _, _ in done], _unknown())
                return later
        self._deliver(done)
        return later

    def _run_alone(self, worker: _Worker, entry: _Entry) -> None:
        """Run it until it has an answer, and deliver that."""
        mode, last, conflicts = entry.mode, _busy(), 0
        while not entry.late and conflicts < _TRIES:
            try:
                self._run_once(worker, entry, mode)
            except Outdated:
                continue
            except Later as wish:
                mode = wish.mode
            except Lost as lost:
                last = unreachable(lost)
                self._stopping.wait(0.1)
                happened = self._happened(worker, entry) if lost.unknown else False
                if happened is not False:
                    self._deliver([worker.answer] if happened else [(entry, None, _unknown())])
                    return
            except StorageUnavailable as problem:
                last = problem
                break
            except BUSY:
                last = _busy()
            except errors.DiskFull:
                self._refuse([entry], StorageFull("cannot write: the disk of the database is full"))
                return
            except AGAIN as error:
                conflicts += 1
                last = StorageUnavailable(f"cannot write: the database refuses it: {reason_of(error)}")
                if isinstance(error, errors.UniqueViolation) and mode is Mode.EXCLUSIVE:
                    break  # nobody else was there: the command itself does that
                mode = _after(error, worker, mode, conflicts)
            except psycopg.Error as error:
                last = StorageUnavailable(f"cannot write: the database refuses it: {reason_of(error)}")
                break
            else:
                return
        self._refuse([entry], last)

    def _run_once(self, worker: _Worker, entry: _Entry, mode: Mode) -> None:
        """Run and answer it. Errors: all that ask for another try."""
        transaction, session = worker.transaction, worker.session
        self._prepare(worker)
        session.begin(READ_WRITE)
        try:
            transaction.start(mode)
            transaction.touched = False
            try:
                worker.answer = (entry, entry.command(transaction), None)
            except (Later, Outdated, Lost, psycopg.Error):
                raise
            except BaseException as problem:  # noqa: BLE001 - whatever a command raises is its answer
                if session.failure is None:
                    transaction.verify()
                worker.answer = (entry, None, problem)
            if session.failure is not None:
                raise session.failure  # noqa: TRY301 - it goes the way of all others
            if worker.answer[2] is not None and transaction.dirty:
                session.roll_back()
            else:
                self._commit(worker)
        except BaseException:
            session.roll_back()
            raise
        self._deliver([worker.answer])

    def _prepare(self, worker: _Worker) -> None:
        """A connection that was looked at, and a mark. Errors: Lost, StorageUnavailable, others of psycopg."""
        try:
            self._look_at(worker.session)
            if not worker.mark or worker.era != self._marks.era:
                self._make_mark(worker)
        except Lost as lost:  # in a commit perhaps, but in none of a command
            raise Lost(str(lost)) from lost

    def _make_mark(self, worker: _Worker) -> None:
        mark = secrets.token_hex(8)
        worker.era = self._marks.era
        try:
            worker.session.begin(READ_WRITE)
            worker.session.send("INSERT INTO marks (id, commits, at) VALUES (?, 0, ?)", (mark, self._clock()))
            worker.session.commit()
        except BaseException:
            worker.session.roll_back()
            raise
        worker.mark, worker.commits = mark, 0

    def _commit(self, worker: _Worker) -> None:
        transaction, session = worker.transaction, worker.session
        house = transaction.verify()
        if not transaction.dirty:
            session.commit()
            return
        settled, access = transaction.house_changes
        if settled or access:
            session.send("UPDATE house SET settled = settled + ?, access = access + ? WHERE one = 1", (settled, access))
        now = self._clock()
        session.send(_MARK, (now, worker.mark, worker.commits))
        session.commit()
        self._committed(worker, now)
        if settled:
            self._settled.generation = max(self._settled.generation, house.settled + settled)
        self._saw(house.access + access)

    def _committed(self, worker: _Worker, now: float) -> None:
        worker.commits += 1
        self._marks.note(worker.mark, worker.commits, now)

    def _happened(self, worker: _Worker, entry: _Entry) -> bool | None:
        """Whether the commit in which the connection was lost has happened; None: it cannot be told in time."""
        if not worker.transaction.dirty:
            return False
        while not entry.late and not self._marks.lost:
            session = worker.session
            try:
                session.begin(READ_WRITE)
                rows = session.fetch("SELECT commits FROM marks WHERE id = ? FOR UPDATE", (worker.mark,))
                session.roll_back()
            except (Lost, psycopg.Error):
                session.roll_back()
                self._stopping.wait(0.1)
                continue
            if rows and rows[0][0] == worker.commits + 1:
                self._committed(worker, self._clock())
                return True
            if rows and rows[0][0] == worker.commits:
                return False
            break
        worker.mark = ""
        return None

    # Answers

    def _refuse(self, entries: Sequence[_Entry], problem: Problem) -> None:
        self._deliver([(entry, None, problem) for entry in entries])

    def _deliver(self, answers: Sequence[tuple[_Entry, object, BaseException | None]]) -> None:
        others: list[Delivery] = []
        for entry, result, problem in answers:
            with self._guard:
                if entry.answered:
                    continue
                entry.answered = True
            token = entry.token
            if not isinstance(token, _Waiting):
                others.append((token, result, problem))
            elif problem is not None:
                token.set_exception(problem)
            else:
                token.set_result(result)
        if others and self._callback is not None:
            try:
                self._callback(others)
            except Exception:  # noqa: BLE001 - the thread must outlive its audience
                _log.exception("Failed to deliver commands=%d", len(others))

    def _watch_deadlines(self) -> None:
        """Answer what has waited too long, and cut connections on which somebody does."""
        while not self._stopping.wait(0.2):
            with self._guard:
                late: list[_Entry] = []
                while self._queue and self._queue[0].late:
                    late.append(self._queue.popleft())
                now = time.monotonic()
                stuck = [session for session, since in self._reading.items() if now - since > ANSWER_SECONDS]
            self._refuse(late, _busy())
            for session in stuck:
                session.cut()
            for worker in self._workers:
                waiting = [entry for entry in list(worker.running)
                           if not entry.answered and now - entry.since > ANSWER_SECONDS]  # fmt: skip
                if waiting:
                    worker.session.cut()
                    self._refuse(waiting, _unknown())

    # The pulse

    def _pulse(self) -> None:
        saved = time.monotonic()
        beat = 0
        while not self._stopping.wait(PULSE_SECONDS):
            beat += 1
            try:
                if beat % 20 == 0:
                    self._compare(self._pulse_session)
                else:
                    self._compare(self._pulse_session, [worker.mark for worker in self._workers if worker.mark])
                if beat % 7200 == 1:
                    self._forget_marks()
            except (Lost, StorageUnavailable, psycopg.Error) as error:
                self._pulse_session.drop()
                if time.monotonic() - self._reached < ANSWER_SECONDS:
                    _log.warning("Cannot reach the database error=%s", error)
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                self._marks.save()

    def _look_at(self, session: Session) -> None:
        """A new connection may lead to another database than the last one did."""
        if not session.connected:
            if time.monotonic() - self._failed < FAILED_SECONDS:
                raise Lost("cannot connect to the database: a moment ago it did not answer")
            began = time.monotonic()
            try:
                session.connect()
            except Lost:
                self._failed = time.monotonic()
                self._failing = self._failed - began
                raise
            self._failing = 0.0
            self._compare(session)
        self._refuse_to_serve()

    def _compare(self, session: Session, only: Sequence[str] | None = None) -> None:
        """Read the counts of the database, and compare its marks (`only` these) with those that were seen.

        Errors: Lost, StorageUnavailable, others of psycopg."""
        if not self._comparing.acquire(timeout=ANSWER_SECONDS):
            raise _busy()
        with self._guard:
            ours = session not in self._reading
            self._reading.setdefault(session, time.monotonic())
        try:
            expected = self._marks.snapshot()
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
            self._marks.compare(era, expected, found, self._clock())
            self._saw(access)
            self._reached = time.monotonic()
        except BaseException:
            session.roll_back()
            raise
        finally:
            with self._guard:
                if ours:
                    self._reading.pop(session, None)
            self._comparing.release()

    def _forget_marks(self) -> None:
        session = self._pulse_session
        session.begin(READ_WRITE)
        session.send("DELETE FROM marks WHERE at < ?", (self._clock() - DELETED_SECONDS,))
        session.commit()

    def _saw(self, access: int) -> None:
        with self._guard:
            self._access = max(self._access, access)


def _after(error: psycopg.Error, worker: _Worker, mode: Mode, conflicts: int) -> Mode:
    """How a command runs again after a conflict."""
    if isinstance(error, errors.DivisionByZero):
        worker.mark = ""
        worker.session.drop()  # the next connection looks whether the database went back in time
    of_order = isinstance(error, errors.DeadlockDetected | errors.SerializationFailure)
    return mode if of_order and conflicts == 1 else Mode.EXCLUSIVE


def _busy() -> StorageUnavailable:
    return StorageUnavailable("cannot use the database: it is busy", hint="try again in a moment")


def _unknown() -> StorageUnavailable:
    return StorageUnavailable(
        "the database did not answer in time: whether this happened is unknown",
        hint="send the same request again: if it happened, that is a success",
    )


def _rolled_back(what: str) -> StorageUnavailable:
    return StorageUnavailable(
        f"cannot serve: the database went back in time ({what}), so answered writes and locks are missing",
        hint="restore the right database; or, when nothing runs under lost locks: lockhouse db accept-rollback",
    )
