"""pgbouncer in transaction mode: each transaction may get another connection of the database."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.postgres import USER, Cluster, free_port, new_home

_PATIENCE = 20.0


class Pooler:
    """One pgbouncer. `url` leads through it to the cluster's database."""

    def __init__(self, cluster: Cluster, home: Path, *, connections: int, listen: str) -> None:
        """`connections`: how many of the database all clients share."""
        self.port = free_port()
        parts = urlsplit(cluster.url)
        self.url = parts._replace(netloc=f"{USER}:{cluster.password}@{listen}:{self.port}").geturl()
        self._home = home
        self._listen = listen
        (home / "users").write_text(f'"{USER}" "{cluster.password}"\n')
        (home / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={cluster.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = {listen}\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {home / 'users'}\n"
            f"pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 500\n"
            "server_login_retry = 1\nserver_connect_timeout = 3\nquery_wait_timeout = 4\n"
            "tcp_keepidle = 2\ntcp_keepintvl = 1\ntcp_keepcnt = 2\n"
        )
        for file in (home / "users", home / "pgbouncer.ini"):
            file.chmod(0o644)
        self._start()

    def _start(self) -> None:
        command = ["pgbouncer", "-q", str(self._home / "pgbouncer.ini")]
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            command = [
                "setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--", *command,
            ]  # fmt: skip
        assert shutil.which("pgbouncer"), "pgbouncer is not installed: apt-get install pgbouncer"
        with (self._home / "pgbouncer.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/"
            )
        end = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self._listen, self.port), timeout=1):
                return
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def log(self) -> str:
        return (self._home / "pgbouncer.log").read_text()[-3000:]

    def restart(self) -> None:
        """Every connection through it ends; a new process takes its place."""
        self.stop()
        self._start()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=20)


@contextlib.contextmanager
def pooled(cluster: Cluster, *, connections: int = 4, listen: str = "127.0.0.1") -> Iterator[Pooler]:
    """A running pooler in front of a running cluster."""
    home = new_home(Path("/tmp"))
    try:
        pooler = Pooler(cluster, home, connections=connections, listen=listen)
        try:
            yield pooler
        finally:
            pooler.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
