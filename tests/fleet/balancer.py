"""nginx in front of the replicas, in turns and without stickiness, by the configuration that the documentation gives.

The file that is tested is the one that is documented: `infrastructure/nginx/lockhouse.conf`, with the addresses and the
certificate of the test in place of those in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.toolchain.clients import REPOSITORY
from tests.postgres import free_port

CONFIGURATION = REPOSITORY / "infrastructure" / "nginx" / "lockhouse.conf"
_PATIENCE = 20.0


class Balancer:
    """One nginx. `endpoint` is plain http, `secure` https; both lead to every replica in turn."""

    def __init__(self, home: Path, replicas: Sequence[str], certificate: Path, certificate_key: Path) -> None:
        self._home = home
        ports = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        self.secure = f"https://127.0.0.1:{ports[1]}"
        site = self._site(replicas, ports, certificate, certificate_key)
        (home / "nginx.conf").write_text(
            f"daemon off;\nworker_processes 1;\npid {home}/pid;\nerror_log {home}/error.log warn;\n"
            "events { worker_connections 1024; }\n"
            f"http {{\n  access_log off;\n"
            + "".join(f"  {name}_temp_path {home}/{name};\n" for name in ("client_body", "proxy"))
            + f"{site}\n}}\n"
        )
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "nginx is not installed: apt-get install nginx-light"
        with (home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self._wait(ports)

    @staticmethod
    def _site(replicas: Sequence[str], ports: tuple[int, int], certificate: Path, certificate_key: Path) -> str:
        text = CONFIGURATION.read_text(encoding="utf-8")
        servers = "".join(f"    server {urlsplit(each).netloc} max_fails=1 fail_timeout=1s;\n" for each in replicas)
        for pattern, wanted in (
            (r"(?m)^    server [a-z0-9.]+:\d+ .*;\n(    server .*;\n)*", servers),
            (r"listen 80;", f"listen 127.0.0.1:{ports[0]};"),
            (r"listen 443 ssl;", f"listen 127.0.0.1:{ports[1]} ssl;"),
            (r"ssl_certificate .*;", f"ssl_certificate {certificate};"),
            (r"ssl_certificate_key .*;", f"ssl_certificate_key {certificate_key};"),
        ):
            text, count = re.subn(pattern, wanted, text)
            assert count == 1, (pattern, count)
        return text

    def _wait(self, ports: tuple[int, int]) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[1]), timeout=1):
                return
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def log(self) -> str:
        files = [self._home / name for name in ("log", "error.log")]
        return "".join(file.read_text()[-3000:] for file in files if file.exists())

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=20)


@contextlib.contextmanager
def balanced(home: Path, replicas: Sequence[str], certificate: Path, certificate_key: Path) -> Iterator[Balancer]:
    """A running nginx for these endpoints."""
    home.mkdir()
    home.chmod(0o755)
    balancer = Balancer(home, replicas, certificate, certificate_key)
    try:
        yield balancer
    finally:
        balancer.stop()
