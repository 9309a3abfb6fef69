"""SQLite: write-ahead log, synchronous=FULL, one thread that writes, one connection for each thread that reads.

The writer takes every queued command up to a bound, runs them in one transaction and commits once; so 64 clients share
one fsync. A group can also be offered: then its commands run in the thread that offers it, the event loop, and so does
the commit while the disk is quick; else a thread that does nothing else waits for the disk (`pace`). (Two threads that
run commands and requests at once spend more on handing the interpreter's lock to each other than on either: offering
doubled the lock requests per second of 64 clients.) Who uses the writing connection holds the turn. What it must get
right:

- A command's delivery leaves only after the commit that made it durable.
- A full disk undoes the group and tries its commands one by one; those that do not fit are refused with StorageFull.
- After any other error at a commit nobody can know whether it happened (RELIABILITY: the page may be lost or durable).
  The process ends at once: what a restart finds is the truth, and no client was told otherwise.
- Checkpoints have a thread and connection of their own (`checkpoints`), and never run inside a client's commit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar, cast

import apsw

from lockhouse.core.ports import Delivery, Reader, Transaction
from lockhouse.errors import StorageUnavailable
from lockhouse.storage.reserve import Reserve
from lockhouse.storage.sql import migrations, sqlite_schema
from lockhouse.storage.sql.checkpoints import Checkpoints
from lockhouse.storage.sql.delivering import Waiting, deliver
from lockhouse.storage.sql.pace import Pace
from lockhouse.storage.sql.records import Row
from lockhouse.storage.sql.settled import Settled
from lockhouse.storage.sql.sqlite_schema import SqliteReader
from lockhouse.storage.sql.sqlite_transaction import SqliteTransaction
from lockhouse.storage.sql.transaction import storage_full

T = TypeVar("T")
Command = Callable[[Transaction], object]
GROUP = 256
"""Most commands in one commit."""
LOG_BOUND = 64 * 1024 * 1024
"""Bytes in the log at which it is reset between two groups."""
_BUSY_MS = 10_000
_FATAL = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.NoMemError)
_log = logging.getLogger("lockhouse.storage")


def end_process(reason: str) -> NoReturn:
    """Stop without another word to any client: the outcome of the last commit is unknown."""
    _log.critical("Stopped, because the outcome of a commit is unknown reason=%s", reason)
    logging.shutdown()
    os._exit(74)


class _Session:
    """A connection with one cursor, whose statements are kept prepared by their text."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self._execute = connection.cursor().execute
        self.failure: apsw.Error | None = None
        """The error that makes the whole group impossible, even where a command swallowed it."""

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]:
        try:
            return self._execute(sql, parameters).fetchall()
        except (apsw.FullError, *_FATAL) as error:
            self.failure = error
            raise

    def change(self, sql: str, parameters: Row = ()) -> int:
        try:
            self._execute(sql, parameters)
        except (apsw.FullError, *_FATAL) as error:
            self.failure = error
            raise
        return self.connection.changes()


class _Snapshot:
    """A session for one query, whose transaction begins with the first statement."""

    __slots__ = ("_begun", "_session")

    def __init__(self, session: _Session) -> None:
        self._session = session
        self._begun = False

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]:
        if not self._begun:
            self._begun = True
            self._session.fetch("BEGIN")
        return self._session.fetch(sql, parameters)

    def change(self, sql: str, parameters: Row = ()) -> int:
        raise TypeError(f"a query changes nothing: {sql[:40]} {len(parameters)}")


class _Between:
    """The token of work that the writer does between two groups."""


class _Stop:
    """The token of the last thing in the queue."""


class SqliteStore:
    """`core.ports.Store` on one SQLite file. Only one process may use it (`storage.directory` sees to that)."""

    reads_are_local = True
    in_order = True
    access_generation = 0

    def __init__(
        self,
        path: Path,
        *,
        reserve: Reserve | None = None,
        fail_stop: Callable[[str], object] = end_process,
        synchronous: str = "FULL",
        log_bound: int = LOG_BOUND,
        vfs: str | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`synchronous`, `vfs` and `clock` are for tests that must break the disk, see it broken or find it slow."""
        self._path = path
        self._reserve = reserve
        self._fail_stop = fail_stop
        self._synchronous = synchronous
        self._log_bound = log_bound
        self._vfs = vfs
        self._clock = clock
        self._queue: queue.SimpleQueue[tuple[Command | Callable[[], object] | None, object]] = queue.SimpleQueue()
        self._callback: Callable[[list[Delivery]], None] | None = None
        self._closed = False
        self._dead = ""
        self._readers = threading.local()
        self._open_readers: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        """Those of threads that still live."""
        self._opening = threading.Lock()
        self._turn = threading.Lock()
        self._writer_waits = False
        self._pace = Pace()
        self._commits: queue.SimpleQueue[tuple[list[tuple[Command, object]], list[Delivery]] | None] = (
            queue.SimpleQueue()
        )
        self._writer_connection = self._open_writer()
        self._session = _Session(self._writer_connection)
        self._settled = Settled()
        self._transaction = SqliteTransaction(self._session, self._settled)
        self._checkpoints = Checkpoints(
            self._connect(apsw.SQLITE_OPEN_READWRITE, cache_kib=1024),
            bound=log_bound,
            between_groups=lambda work: self._queue.put((work, _Between())),
            reserve=reserve,
        )
        self._writer_connection.set_wal_hook(self._checkpoints.note)
        self._writer = threading.Thread(target=self._write_groups, name="lockhouse-writer", daemon=True)
        self._committer = threading.Thread(target=self._commit_offered, name="lockhouse-commit", daemon=True)
        self._writer.start()
        self._committer.start()

    # Opening

    def _connect(self, flags: int, *, cache_kib: int) -> apsw.Connection:
        connection = apsw.Connection(str(self._path), flags=flags, vfs=self._vfs, statementcachesize=128)
        connection.set_busy_timeout(_BUSY_MS)
        for pragma in (
            f"synchronous = {self._synchronous}",
            f"cache_size = -{cache_kib}",
            "temp_store = MEMORY",
            "wal_autocheckpoint = 0",
            f"journal_size_limit = {self._log_bound}",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if sys.platform == "darwin":
            connection.execute("PRAGMA fullfsync = ON").fetchall()
            connection.execute("PRAGMA checkpoint_fullfsync = ON").fetchall()
        return connection

    def _open_writer(self) -> apsw.Connection:
        # SQLite would make it readable for everybody; its log takes the mode of the database.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, cache_kib=32 * 1024)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        try:
            execute = _Session(connection).fetch
            migrations.migrate(execute, migrations.SQLITE, str(self._path))
            sqlite_schema.migrate(execute)
        except BaseException:
            connection.execute("ROLLBACK")
            connection.close()
            raise
        connection.execute("COMMIT")
        return connection

    # The port

    def submit(self, command: Command, token: object) -> None:
        if self._closed or self._dead:
            raise self._unavailable()
        self._queue.put((command, token))

    def offer(self, group: Sequence[tuple[Command, object]]) -> bool:
        if self._closed or self._dead or self._writer_waits or not self._turn.acquire(blocking=False):
            return False
        offered = list(group)
        deliveries: list[Delivery] = []
        given = self._clock()
        try:
            deliveries = self._execute(offered, guarded=False)
        except Exception as error:  # noqa: BLE001 - the writer meets it again, and knows what to do
            _log.warning("Could not run commands where they came from error=%s", type(error).__name__)
            with contextlib.suppress(apsw.Error):
                self._roll_back()
        if not deliveries:
            self._turn.release()
            return False
        began = self._clock()
        if not self._pace.waits_here(began):
            self._commits.put((offered, deliveries))
            return True
        try:
            self._end_group()
            self._pace.took(given, began, self._clock())
        except apsw.FullError:
            self._roll_back()
            self._commits.put((offered, []))  # which may take long: each of them alone
            return True
        except Exception as error:  # noqa: BLE001 - as in `_run`: the outcome is unknown
            deliveries = self._stop(error, offered)
        self._turn.release()
        deliver(deliveries, self._callback)
        return True

    def deliver_to(self, callback: Callable[[list[Delivery]], None]) -> None:
        self._callback = callback

    def write(self, command: Callable[[Transaction], T]) -> T:
        waiting = Waiting()
        self.submit(command, waiting)
        return cast("T", waiting.result())

    def read(self, query: Callable[[Reader], T]) -> T:
        session = getattr(self._readers, "session", None)
        if session is None:
            session = self._open_reader()
        generation = self._settled.generation
        try:
            try:
                return query(SqliteReader(_Snapshot(session), self._settled, generation))
            finally:
                if session.connection.in_transaction:
                    session.fetch("COMMIT")
        except (apsw.BusyError, apsw.ConnectionClosedError, *_FATAL) as error:
            raise StorageUnavailable(
                f"cannot read the database: {type(error).__name__}", hint="send it again"
            ) from error

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._checkpoints.close()
        self._commits.put(None)
        self._queue.put((None, _Stop()))
        self._committer.join()
        self._writer.join()
        self._refuse_the_rest()
        with self._opening:
            for connection in self._open_readers:
                # One may be in the middle of a query that nobody waits for any more; it ends with the process.
                with contextlib.suppress(apsw.ThreadingViolationError):
                    connection.close()
        self._writer_connection.close()

    # Beyond the port

    def check(self) -> None:
        """StorageUnavailable unless SQLite finds its file in order."""
        connection = self._connect(apsw.SQLITE_OPEN_READONLY, cache_kib=8 * 1024)
        try:
            found = connection.execute("PRAGMA quick_check(3)").fetchall()
        finally:
            connection.close()
        if found != [("ok",)]:
            raise StorageUnavailable(
                f"cannot trust the database {self._path}: {found[0][0]}",
                hint="docs/guide/backup-and-restore.md: use the newest backup",
            )

    def _open_reader(self) -> _Session:
        with self._opening:
            if self._closed:
                raise self._unavailable()
            connection = self._connect(apsw.SQLITE_OPEN_READONLY, cache_kib=4 * 1024)
            self._open_readers.add(connection)
        session: _Session = _Session(connection)
        self._readers.session = session
        return session

    def _unavailable(self) -> StorageUnavailable:
        return StorageUnavailable(
            f"cannot use the database: {self._dead or 'it is closed'}",
            hint="send it again: a server that cannot write ends, and its start tells why",
        )

    # The writer thread

    def _write_groups(self) -> None:
        take, take_now = self._queue.get, self._queue.get_nowait
        while True:
            group: list[tuple[Command, object]] = []
            command, token = take()
            try:
                while type(token) not in (_Stop, _Between):
                    group.append((cast("Command", command), token))
                    if len(group) == GROUP:
                        break
                    command, token = take_now()
            except queue.Empty:
                pass
            if group:
                with self._in_turn():
                    deliveries = self._run(group)
                deliver(deliveries, self._callback)
            if isinstance(token, _Stop):
                return
            if isinstance(token, _Between):
                with self._in_turn():
                    cast("Callable[[], object]", command)()

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        self._writer_waits = True  # so that offers, which come all the time, let it pass
        with self._turn:
            self._writer_waits = False
            yield

    def _commit_offered(self) -> None:
        while (offered := self._commits.get()) is not None:
            group, executed = offered
            try:
                deliveries = self._run(group, executed)
            finally:
                self._turn.release()
            deliver(deliveries, self._callback)

    def _run(self, group: list[tuple[Command, object]], executed: Sequence[Delivery] = ()) -> list[Delivery]:
        """What to deliver. `executed` is what the commands of an offered group answered, to be committed."""
        if self._dead:
            return [(token, None, self._unavailable()) for _, token in group]
        try:
            if executed:
                self._end_group()
                return list(executed)
            return self._commit(group, guarded=False) or self._commit(group, guarded=True)
        except apsw.FullError:
            self._roll_back()
        except apsw.BusyError as error:
            self._roll_back()
            _log.error("Found the database locked by another program error=%s", error)
            return [
                (token, None, StorageUnavailable("cannot write: the database is busy", hint="send it again"))
                for _, token in group
            ]
        except Exception as error:  # noqa: BLE001 - whatever it is, the outcome is unknown
            return self._stop(error, group)
        _log.error("Found the disk full commands=%d", len(group))
        return [delivery for each in group for delivery in self._run_alone(each)]

    def _run_alone(self, each: tuple[Command, object]) -> list[Delivery]:
        """After a full disk: as it is, then with the reserve given up for it."""
        try:
            return self._commit([each], guarded=True)
        except apsw.FullError:
            self._roll_back()
        except Exception as error:  # noqa: BLE001 - as above
            return self._stop(error, [each])
        try:
            if self._reserve is not None:
                self._checkpoints.wake()
                with self._reserve.lent():
                    return self._commit([each], guarded=True)
        except apsw.FullError:
            self._roll_back()
        except Exception as error:  # noqa: BLE001 - as above
            return self._stop(error, [each])
        return [(each[1], None, storage_full())]

    def _commit(self, group: list[tuple[Command, object]], *, guarded: bool) -> list[Delivery]:
        """Run and commit; empty as `_execute`."""
        deliveries = self._execute(group, guarded=guarded)
        if deliveries:
            self._end_group()
        return deliveries

    def _end_group(self) -> None:
        self._session.fetch("COMMIT")
        if self._transaction.unsettled:
            self._settled.changed()

    def _execute(self, group: list[tuple[Command, object]], *, guarded: bool) -> list[Delivery]:
        """Run in a transaction that stays open. Savepoints are a good part of a small command's cost, and needed only
        when one changes something and then raises, which is rare: without `guarded` that undoes the group, and the
        answer is empty."""
        session, transaction = self._session, self._transaction
        session.failure = None
        transaction.begin(guarded=guarded)
        transaction.tight = self._reserve is not None and self._reserve.given_up
        deliveries: list[Delivery] = []
        session.fetch("BEGIN IMMEDIATE")
        for command, token in group:
            try:
                result = command(transaction)
            except BaseException as problem:  # whatever a command raises is its answer
                if session.failure is not None:
                    raise session.failure from problem
                if not transaction.undo():
                    session.fetch("ROLLBACK")
                    return []
                deliveries.append((token, None, problem))
            else:
                if session.failure is not None:
                    raise session.failure
                transaction.keep()
                deliveries.append((token, result, None))
        return deliveries

    def _roll_back(self) -> None:
        self._transaction.forget()
        if self._writer_connection.in_transaction:
            self._writer_connection.execute("ROLLBACK")

    def _stop(self, error: Exception, group: list[tuple[Command, object]]) -> list[Delivery]:
        self._dead = f"it failed ({type(error).__name__}, {getattr(error, 'extendedresult', 0)}) and needs a restart"
        self._fail_stop(f"{type(error).__name__}: {error} ({getattr(error, 'extendedresult', 0)})")
        return [(token, None, self._unavailable()) for _, token in group]

    def _refuse_the_rest(self) -> None:
        rest: list[Delivery] = []
        while not self._queue.empty():
            _, token = self._queue.get()
            rest.append((token, None, self._unavailable()))
        deliver(rest, self._callback)
