"""PostgreSQL 13 or later, shared by any number of replicas: a few threads write, each on a connection of its own.

A thread takes what is queued up to a bound and runs it in one transaction; so under load many commands share a commit,
and a lonely one starts at once. What a group cannot do without waiting is run alone. The pieces, each with its law:
`postgres_queue` (commands and answers), `postgres_writer` (a thread), `postgres_transaction` (what commands may do side
by side), `postgres_batches` (what they write), `postgres_health` (is it still that database), `postgres_session` (a
connection).

- Every command is answered within `ANSWER_SECONDS`, whatever the database and the network do.
- Nothing is served from a database that went back in time.
- A connection lost in a commit does not end the process: other replicas decide by the database, and so does this one.

Specification: `core.ports.Store`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

import psycopg

from lockhouse.core.ports import Delivery, Reader, Transaction
from lockhouse.errors import Problem, StorageUnavailable
from lockhouse.storage.sql import postgres_schema
from lockhouse.storage.sql.delivering import Waiting
from lockhouse.storage.sql.postgres_dated import Outdated, ReadOnly
from lockhouse.storage.sql.postgres_health import ANSWER_SECONDS, Health
from lockhouse.storage.sql.postgres_queue import QUEUE_SECONDS, Command, CommandQueue, busy, closed
from lockhouse.storage.sql.postgres_reader import PostgresReader
from lockhouse.storage.sql.postgres_session import (
    BUSY,
    READ_ONLY,
    READ_WRITE,
    Lost,
    Session,
    open_connection,
    options_of,
    unreachable,
)
from lockhouse.storage.sql.postgres_turns import Turns
from lockhouse.storage.sql.postgres_writer import Writer
from lockhouse.storage.sql.settled import Settled

T = TypeVar("T")
CONNECTIONS = 8
PULSE_SECONDS = 0.5
SAVE_SECONDS = 5.0
_log = logging.getLogger("lockhouse.storage")


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
        self._settled = Settled()
        self._queue = CommandQueue()
        self._health = Health(marks, clock)
        self._stopping = threading.Event()
        writers = max(1, connections // 2)
        self._readers = Turns(Session(self._options) for _ in range(max(1, connections - writers - 1)))
        self._pulse_session = Session(self._options)
        self._open(migrate=migrate)
        self._writers = [
            Writer(self._options, self._settled, self._queue, self._health, self._stopping, clock)
            for _ in range(writers)
        ]
        self._threads = [
            threading.Thread(target=writer.run, name=f"lockhouse-writer-{number}", daemon=True)
            for number, writer in enumerate(self._writers)
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
            self._health.compare(self._pulse_session)
        except (psycopg.Error, Lost) as error:
            raise unreachable(error) from None

    # The port

    def submit(self, command: Command, token: object) -> None:
        self._queue.submit(command, token)

    def offer(self, group: Sequence[tuple[Command, object]]) -> bool:
        del group  # a commit takes a round trip: never in the caller's thread
        return False

    def deliver_to(self, callback: Callable[[list[Delivery]], None]) -> None:
        self._queue.callback = callback

    def write(self, command: Callable[[Transaction], T]) -> T:
        waiting = Waiting()
        self._queue.submit(command, waiting)
        return cast("T", waiting.result())

    def read(self, query: Callable[[Reader], T]) -> T:
        end = time.monotonic() + QUEUE_SECONDS
        self._health.refuse_to_serve()
        session = self._borrow(end)
        try:
            while True:
                began = time.monotonic()
                if not session.connected and began + self._health.failing > end:
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
                    raise busy() from None
                except psycopg.Error as error:
                    raise unreachable(error) from None
        finally:
            self._give_back(session)

    def close(self) -> None:
        if not self._queue.close():
            return
        for thread in self._threads:
            thread.join(timeout=3 * ANSWER_SECONDS)
        self._stopping.set()
        for thread in self._watch:
            thread.join(timeout=ANSWER_SECONDS)
        self._health.marks.save()
        for writer in self._writers:
            writer.drop()
        self._pulse_session.drop()
        for session in self._readers.take_all():
            session.drop()

    # Beyond the port

    @property
    def access_generation(self) -> int:
        """Rises with every committed change of principals, grants or credentials by any replica; at most about
        `PULSE_SECONDS` old. What was read under a lower number is to be read anew."""
        return self._health.access

    def check(self) -> None:
        """StorageUnavailable unless the database answered a moment ago and has not gone back in time."""
        self._health.check()

    def claim_fact(self, name: str, value: bytes, *, replace: bool = False) -> bytes:
        """A fact about the house that whoever asks first decides, or who replaces it; answers what was decided."""
        session = Session(self._options)
        try:
            session.begin(READ_WRITE)
            then = "(name) DO UPDATE SET value = excluded.value" if replace else "DO NOTHING"
            session.send(f"INSERT INTO house_facts (name, value) VALUES (?, ?) ON CONFLICT {then}", (name, value))  # noqa: S608
            rows = session.fetch("SELECT value FROM house_facts WHERE name = ?", (name,))
            session.commit()
        except (psycopg.Error, Lost) as error:
            raise unreachable(error) from None
        finally:
            session.drop()
        return bytes(rows[0][0])

    # Reading

    def _borrow(self, end: float) -> Session:
        session = self._readers.borrow(end - time.monotonic())
        if session is None:
            raise busy()
        self._health.watch(session)
        return session

    def _give_back(self, session: Session) -> None:
        self._health.unwatch(session)
        self._readers.give_back(session)

    def _query(self, session: Session, query: Callable[[Reader], T]) -> T:
        if self._queue.closed:
            raise closed()
        self._health.look_at(session)
        dated = ReadOnly(session, self._settled)
        session.begin(READ_ONLY)
        try:
            dated.begin()
            try:
                result = query(PostgresReader(dated, self._settled, dated.generation))
            except Problem:
                dated.verify()
                raise
            dated.verify()
            session.commit()
        except BaseException:
            session.roll_back()
            raise
        self._health.saw(dated.house.access if dated.house is not None else 0)
        return result

    # What goes on beside

    def _watch_deadlines(self) -> None:
        """Answer what has waited too long, and cut connections on which somebody does."""
        while not self._stopping.wait(0.2):
            self._queue.refuse_late()
            self._health.cut_stuck()
            for writer in self._writers:
                writer.cut_late()

    def _pulse(self) -> None:
        health, session = self._health, self._pulse_session
        saved = time.monotonic()
        beat = 0
        away: float | None = None
        while not self._stopping.wait(PULSE_SECONDS):
            beat += 1
            try:
                if beat % 20 == 0:
                    health.compare(session)
                else:
                    health.compare(session, [writer.mark for writer in self._writers if writer.mark])
                if beat % 7200 == 1:
                    health.forget_marks(session)
            except (Lost, StorageUnavailable, psycopg.Error) as error:
                session.drop()
                if away is None:
                    away = time.monotonic() - health.silent
                    _log.warning("Cannot reach the database error=%s", error)
            else:
                if away is not None:
                    _log.warning("Reached the database again away=%.1fs", time.monotonic() - away)
                away = None
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                health.marks.save()
