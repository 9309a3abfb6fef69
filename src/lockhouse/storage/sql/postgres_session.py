"""One connection to PostgreSQL, used for one transaction after the other, and nothing of the server's session.

A connection may be that of a transaction pooler, which gives each transaction another server process: so no prepared
statements, no SET, no session locks, no LISTEN; limits are set for one transaction each. Statements are sent ahead
(`send`) where nobody needs their answer yet, so that a command costs as many round trips as it asks questions, and one
for its commit. An error of a statement that was sent ahead is raised by a later call, at the latest by `commit`.

Who is frozen or cut off in the middle of a transaction must not hold a state for longer than `IDLE_MS`. The server's
limit for that begins only where it was told that this is all for now: so each question ends with a Sync, which commits
nothing within a transaction (after a mere Flush the server would wait for ever). Who is cut off between two statements
that were sent ahead is found by the server's keepalives.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from typing import cast

import psycopg
from psycopg import errors

from lockhouse.errors import DataInvalid, SettingInvalid, StorageUnavailable
from lockhouse.storage.sql import dialect
from lockhouse.storage.sql.records import Row

CONNECT_SECONDS = 3
STATEMENT_MS = 4000
LOCK_MS = 2000
IDLE_MS = 4000
"""How long the server lets a transaction wait for its client."""
READ_ONLY = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
READ_WRITE = b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_LIMITS = (
    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true), "
    "set_config('idle_in_transaction_session_timeout', %s, true), set_config('tcp_keepalives_idle', '2', true), "
    "set_config('tcp_keepalives_interval', '1', true), set_config('tcp_keepalives_count', '2', true), "
    "set_config('jit', 'off', true)"
)
"""Compiling a statement takes longer than any of ours."""
_OPTIONS: dict[str, str | int] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 3000,
    "client_encoding": "UTF8",
    "application_name": "lockhouse",
    "target_session_attrs": "read-write",
}
Connection = psycopg.Connection[tuple[object, ...]]
Cursor = psycopg.Cursor[tuple[object, ...]]
LOST = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow, errors.IdleInTransactionSessionTimeout,
        errors.ReadOnlySqlTransaction)  # fmt: skip
"""Errors after which the connection is of no use, beside those that have closed it."""
BUSY = (errors.LockNotAvailable, errors.QueryCanceled)
AGAIN = (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation, errors.DivisionByZero)
"""What a command meets when another was faster (a division by zero: a compare-and-set that was sent ahead)."""
# It warns of every pipeline that ends with an error; each of these errors is raised and handled here.
logging.getLogger("psycopg").setLevel(logging.ERROR)


class Lost(Exception):
    """The connection is gone. `unknown`: in the middle of a commit, which may have happened."""

    def __init__(self, reason: str, *, unknown: bool = False) -> None:
        super().__init__(reason)
        self.unknown = unknown


def options_of(url: str) -> dict[str, object]:
    """What a URL says, with our defaults for what it does not say. Errors: `setting.invalid`."""
    try:
        said = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SettingInvalid(
            "cannot use database_url: it is not a PostgreSQL URL (postgresql://USER@HOST:PORT/DATABASE)",
            hint="the password may stand in the URL, in PGPASSWORD or in a file that PGPASSFILE names",
            setting="database_url",
        ) from None
    return {**_OPTIONS, **{key: value for key, value in said.items() if value is not None}}


def reason_of(error: BaseException) -> str:
    """What went wrong, in one line, without values: a server's DETAIL may show rows."""
    text = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    return (str(text).strip().splitlines() or [type(error).__name__])[0][:300]


def unreachable(error: Exception) -> StorageUnavailable:
    """The problem to tell of a database that does not answer, or refuses."""
    return StorageUnavailable(
        f"cannot use the database: {error if isinstance(error, Lost) else reason_of(error)}",
        hint="is it running, and is database_url right?",
    )


def open_connection(options: dict[str, object]) -> Connection:
    """Errors: Lost, `data.invalid` for a database in another encoding than UTF-8."""
    try:
        connection = psycopg.connect("", autocommit=True, prepare_threshold=None, **options)  # type: ignore[arg-type]
    except (psycopg.Error, OSError) as error:
        raise Lost(f"cannot connect to the database: {reason_of(error)}") from None
    if connection.info.parameter_status("server_encoding") not in ("UTF8", None):
        connection.close()
        raise DataInvalid("cannot use this database: its encoding is not UTF8", hint="CREATE DATABASE … ENCODING UTF8")
    connection.prepare_threshold = None
    return cast("Connection", connection)


class Session:
    """A connection and the transaction that is open on it. For one thread at a time, but for `cut`."""

    def __init__(self, options: dict[str, object]) -> None:
        self._options = options
        self._connection: Connection | None = None
        self._pipeline: contextlib.AbstractContextManager[psycopg.Pipeline] | None = None
        self._ahead: psycopg.Pipeline | None = None
        """What statements are sent through, while a transaction is open."""
        self.failure: Exception | None = None
        """The error that has ended the transaction, even where a command swallowed it."""

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise Lost("the connection was lost")
        return self._connection

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def connect(self) -> Connection:
        """The connection, made if need be. Errors: as `open_connection`."""
        if self._connection is None:
            self._connection = open_connection(self._options)
        return self._connection

    def begin(self, kind: bytes, *, lock_ms: int = LOCK_MS, statement_ms: int = STATEMENT_MS, first: str = "") -> None:
        """Send the beginning of a transaction, and the call of a function `first`, for which its limit of waiting holds
        already. Errors: as `open_connection`, Lost."""
        connection = self.connect()
        self.failure = None
        with self._translated():
            self._pipeline = connection.pipeline()
            self._ahead = self._pipeline.__enter__()
            self._run(connection, kind)
            limits = f"{_LIMITS}, {first}" if first else _LIMITS
            self._run(connection, limits.encode(), (str(lock_ms), str(statement_ms), str(IDLE_MS)))

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]:
        """The rows. Errors: Lost, others of psycopg."""
        return self.rows(self.send(sql, parameters))

    def change(self, sql: str, parameters: Row = ()) -> int:
        """How many rows changed."""
        cursor = self.send(sql, parameters)
        with self._translated():
            self._await(cursor)
            return cursor.rowcount

    def send(self, sql: str, parameters: Row = ()) -> Cursor:
        """Send a statement; its answer is read later, if at all."""
        with self._translated():
            return self._run(self._open, dialect.statement(sql), _kept(parameters))

    def rows(self, cursor: Cursor) -> list[Row]:
        """The rows of a statement that was sent."""
        with self._translated():
            self._await(cursor)
            found = cursor.fetchall()
        for row in found:
            for value in row:
                if type(value) is str and "\x01" in value:
                    return [tuple(dialect.given(v) if type(v) is str else v for v in row) for row in found]
        return found

    def commit(self) -> None:
        """Errors: Lost (`unknown`: whether it happened), others of psycopg: nothing happened."""
        assert self._pipeline is not None
        pipeline, sent = self._pipeline, False
        try:
            cursor = self._run(self._open, b"COMMIT")
            sent, self._pipeline, self._ahead = True, None, None
            pipeline.__exit__(None, None, None)
        except psycopg.Error as error:
            if self._is_lost(error):
                self.drop()
                raise Lost(reason_of(error), unknown=sent) from error
            raise
        if cursor.statusmessage != "COMMIT":
            raise errors.InFailedSqlTransaction("the transaction had failed already")

    def roll_back(self) -> None:
        """Undo what is open; a connection that cannot do that is given up."""
        pipeline, self._pipeline, self._ahead = self._pipeline, None, None
        if self._connection is None:
            return
        try:
            if pipeline is not None:
                with contextlib.suppress(psycopg.Error):
                    pipeline.__exit__(None, None, None)
            self._connection.execute(b"ROLLBACK")
        except psycopg.Error:
            self.drop()

    def drop(self) -> None:
        """Give the connection up."""
        connection, self._connection, self._pipeline, self._ahead = self._connection, None, None, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                connection.close()

    def cut(self) -> None:
        """From another thread: end whatever waits for the server on this connection."""
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(psycopg.Error, OSError):
            other = socket.socket(fileno=os.dup(connection.fileno()))
            with contextlib.closing(other):
                other.shutdown(socket.SHUT_RDWR)

    def _await(self, cursor: Cursor) -> None:
        if cursor.pgresult is None and self._ahead is not None:
            self._ahead.sync()

    def _run(self, connection: Connection, sql: bytes, parameters: Sequence[object] = ()) -> Cursor:
        cursor = connection.cursor(binary=True)
        cursor.execute(sql, parameters or None)
        return cursor

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            self.failure = error
            if self._is_lost(error):
                self.drop()
                self.failure = Lost(reason_of(error))
                raise self.failure from error
            raise

    def _is_lost(self, error: psycopg.Error) -> bool:
        return isinstance(error, LOST) or self._connection is None or self._connection.broken or self._connection.closed


def _kept(parameters: Row) -> Row:
    for value in parameters:
        texts = value if type(value) is list else (value,)
        if any(type(text) is str and ("\x00" in text or "\x01" in text) for text in texts):
            return tuple([_kept_text(each) for each in v] if type(v) is list else _kept_text(v) for v in parameters)
    return parameters


def _kept_text(value: object) -> object:
    return dialect.kept(value) if type(value) is str else value
