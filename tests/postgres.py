"""A PostgreSQL cluster of one's own: made, started, stopped, killed and started again, and gone when the block ends.

    with running_cluster(tmp_path) as cluster:
        store = PostgresStore(cluster.url)

It listens on loopback and on a socket in its own directory; fsync is on, because what is tested is durability. The
programs of the server are those of Debian's package or of the folder that LOCKHOUSE_PG_BIN names; the server refuses to
run as root, so root starts it as the user `postgres`. A test that needs it fails loudly when it is not there.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg import sql as names

USER, DATABASE = "lockhouse", "lockhouse"
START_SECONDS = 60.0


def programs() -> Path:
    """The folder with `postgres` and `initdb`."""
    if chosen := os.environ.get("LOCKHOUSE_PG_BIN"):
        return Path(chosen)
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    assert installed, "PostgreSQL is not installed: apt-get install postgresql, or set LOCKHOUSE_PG_BIN"
    return installed[-1].parent


def free_port() -> int:
    """A port that nobody listens on, below those that the system gives to whoever asks for any: between this answer and
    its use no other test's connection can come upon it."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Cluster:
    """One cluster. `url` is that of the database `lockhouse` for a role that owns it and nothing else."""

    def __init__(self, home: Path, *, port: int = 0, settings: dict[str, str | int] | None = None) -> None:
        """`home`: an existing directory that the server's user owns; it becomes `home/data` and `home/log`."""
        self.home = home
        self.data = home / "data"
        self.log = home / "log"
        self.port = port or free_port()
        self.password = secrets.token_urlsafe(12)
        self.settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """The files of a new cluster, with the role and the database, not running."""
        _run([programs() / "initdb", "-D", self.data, "-U", "postgres", "-N", "-E", "UTF8", "--locale=C.UTF-8", "-A",
              "scram-sha-256", "--auth-local=trust"])  # fmt: skip
        self.start()
        self.psql(f"CREATE ROLE {USER} LOGIN PASSWORD '{self.password}'")
        self.create_database(DATABASE)

    def start(self, *, wait: bool = True) -> None:
        """Start the server, and wait until it answers (after a kill it first repairs itself)."""
        assert self._process is None or self._process.poll() is not None, "it is running"
        chosen = {
            "fsync": "on",
            "shared_buffers": "64MB",
            "max_connections": 200,
            "autovacuum_naptime": "10s",
            "log_line_prefix": "%m [%p] ",
        } | self.settings
        flags = [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                _as_owner([programs() / "postgres", "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port), "-k",
                           self.home, *flags]),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/",
            )  # fmt: skip
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                self.psql("SELECT 1")
            except psycopg.OperationalError as error:
                assert self._process is not None
                assert self._process.poll() is None, f"it ended:\n{self.log.read_text()[-3000:]}"
                assert time.monotonic() < end, f"it does not answer: {error}\n{self.log.read_text()[-3000:]}"
                time.sleep(0.05)
            else:
                return

    def stop(self, mode: str = "fast") -> None:
        """`smart`, `fast` (connections are closed, data is written) or `immediate` (as after a crash)."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        process.send_signal(number)
        process.wait(timeout=60)

    def kill(self) -> None:
        """SIGKILL to the server and each of its processes: nothing is written any more."""
        assert self._process is not None
        children = _children(self._process.pid)
        self._process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(timeout=30)

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def psql(self, sql: str, database: str = "postgres") -> list[tuple]:
        """Run statements as the superuser; the rows of the last one, if it has any."""
        with psycopg.connect(
            host=str(self.home), port=self.port, user="postgres", dbname=database, autocommit=True, connect_timeout=5
        ) as connection:
            cursor = connection.execute(sql.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str, template: str = "template1") -> str:
        """A new database; its URL."""
        with psycopg.connect(host=str(self.home), port=self.port, user="postgres", dbname="postgres") as connection:
            connection.autocommit = True
            connection.execute(
                names.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    names.Identifier(name), names.Identifier(USER), names.Identifier(template)
                )
            )
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def running_cluster(directory: Path | None = None, *, port: int = 0, **settings: str | int) -> Iterator[Cluster]:
    """A running cluster. `settings` are the server's own (`synchronous_commit="remote_apply"`). Its files are below
    `directory` when the server's user may read that, else in a temporary directory of their own; both go at the end."""
    home = new_home(directory)
    cluster = Cluster(home, port=port, settings=settings)
    try:
        cluster.make()
        yield cluster
    finally:
        try:
            cluster.stop("immediate")
        finally:
            shutil.rmtree(home, ignore_errors=True)


def new_home(directory: Path | None = None) -> Path:
    """An empty directory that belongs to the server's user. (The folders of pytest belong to root alone.)"""
    if os.getuid() != 0:
        return Path(tempfile.mkdtemp(prefix="pg-", dir=directory if len(str(directory or "")) < 70 else None))
    home = Path(tempfile.mkdtemp(prefix="lockhouse-pg-", dir="/tmp"))
    owner = pwd.getpwnam("postgres")
    os.chown(home, owner.pw_uid, owner.pw_gid)
    return home


def _as_owner(command: Sequence[str | Path]) -> list[str]:
    texts = [str(part) for part in command]
    if os.getuid() != 0:
        return texts
    owner = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--", *texts]


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(_as_owner(command), capture_output=True, timeout=120, cwd="/", check=False)
    assert done.returncode == 0, done.stderr.decode()


def run_as_owner(command: Sequence[str | Path], *, seconds: float = 120) -> str:
    """Run one of the server's programs (`pg_basebackup`, …) as the server's user; its output."""
    done = subprocess.run(_as_owner(command), capture_output=True, timeout=seconds, cwd="/", check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    if listed.exists():
        return [int(pid) for pid in listed.read_text().split()]
    done = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in done.stdout.split()]
