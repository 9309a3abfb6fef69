"""The candidates: how each is found, started on a free port of the loopback interface, prepared and ended.

Lockhouse runs as people run it (`lockhouse serve` on an empty directory). A peer that is not installed is left out,
with one line that says what would bring it in; nothing is measured against a guess.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import boto3
import botocore.config
from tests.e2e.clouds import client_environment, lockhouse_program
from tests.e2e.processes import Child
from tests.e2e.toolchain.clients import node_modules, tools
from tests.postgres import Cluster, new_home, programs

from bench.meters import SyncCounter
from bench.signing import REGION, Key

_START_SECONDS = 30
_STOP_SECONDS = 10
TABLE = "bench-locks"
BUCKET = "bench-states"
OURS = "lockhouse"
"""The name of the candidate that all others are compared with."""


class Missing(Exception):
    """A candidate is not installed; the text says how to get it."""


@dataclass
class Server:
    """A candidate that runs."""

    name: str
    version: str
    child: Child
    host: str
    port: int
    syncs: SyncCounter
    directory: Path
    key: Key = field(default_factory=lambda: Key("AKIAEXAMPLE", "example-secret"))
    tables: bool = False
    objects: bool = False
    start_seconds: float = 0.0
    database: Cluster | None = None
    """A PostgreSQL that works for this server alone."""

    @property
    def pids(self) -> list[int]:
        """What does its work: each with all that it has started."""
        return [self.pid] if self.database is None else [self.pid, self.database.pid]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        return self.child.pid

    def sdk(self, service: str):
        """A boto3 client."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.key.access_key_id,
            aws_secret_access_key=self.key.secret_access_key,
            config=botocore.config.Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def prepare(self) -> None:
        """A versioned bucket and a lock table, made by the calls of AWS."""
        if self.objects:
            s3 = self.sdk("s3")
            s3.create_bucket(Bucket=BUCKET)
            s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        if self.tables:
            self.sdk("dynamodb").create_table(
                TableName=TABLE,
                AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
            self.sdk("dynamodb").get_waiter("table_exists").wait(
                TableName=TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 10}
            )

    def stop(self) -> None:
        """End it, politely first."""
        self.child.signal(signal.SIGTERM)
        try:
            self.child.wait(seconds=_STOP_SECONDS)
        except AssertionError:
            self.child.end()
        if self.database is not None:
            self.database.stop("immediate")
            shutil.rmtree(self.database.home, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Candidate:
    """One line of the comparison."""

    name: str
    start: Callable[[Path, SyncCounter], Server]


def _launch(
    command: list[str | Path], directory: Path, syncs: SyncCounter, environment: Mapping[str, str] | None = None
) -> Child:
    return Child(
        command,
        environment=client_environment() | dict(environment or {}) | syncs.environment,
        directory=directory,
        log=directory / "log",
    )


def _await_port(child: Child, port: int) -> float:
    """Seconds until it accepts connections."""
    begin = time.monotonic()
    while time.monotonic() - begin < _START_SECONDS:
        if not child.running:
            raise AssertionError(f"`{child.title}` ended: {child.said()[-2000:]}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.monotonic() - begin
        time.sleep(0.01)
    raise AssertionError(f"`{child.title}` does not listen after {_START_SECONDS} s")


def lockhouse(directory: Path, syncs: SyncCounter) -> Server:
    """Lockhouse on the embedded default: SQLite and files, durable; every request verified."""
    return _lockhouse("lockhouse", directory, syncs)


def lockhouse_on_postgres(directory: Path, syncs: SyncCounter) -> Server:
    """Lockhouse on a PostgreSQL of its own on the same machine, as durable. Its processor time counts too; its syncs do
    not (it runs as a user who may not read what is preloaded)."""
    del syncs
    try:
        programs()
    except AssertionError as problem:
        raise Missing(str(problem)) from None
    database = Cluster(new_home(directory))
    try:
        database.make()
        return _lockhouse("lockhouse on PostgreSQL", directory, SyncCounter(None, directory), database)
    except BaseException:
        database.stop("immediate")
        shutil.rmtree(database.home, ignore_errors=True)
        raise


def _lockhouse(name: str, directory: Path, syncs: SyncCounter, database: Cluster | None = None) -> Server:
    program = lockhouse_program()
    if not program.exists():
        raise Missing("run `make setup`")
    begin = time.monotonic()
    command: list[str | Path] = [program, "serve", "--data", directory / "data", "--listen", "127.0.0.1:0"]
    command += [] if database is None else ["--database-url", database.url]
    child = _launch(command, directory, syncs)
    try:
        endpoint = child.wait_for(r"Lockhouse is ready at (\S+)", seconds=_START_SECONDS)[1]
    except AssertionError:
        child.end()
        raise
    took = time.monotonic() - begin
    first = json.loads((directory / "data" / "credentials.json").read_text(encoding="utf-8"))
    return Server(
        name=name,
        version=metadata.version("lockhouse"),
        child=child,
        host="127.0.0.1",
        port=int(endpoint.rstrip("/").rpartition(":")[2]),
        syncs=syncs,
        directory=directory,
        key=Key(first["access_key_id"], first["secret_access_key"]),
        tables=True,
        objects=True,
        start_seconds=took,
        database=database,
    )


def moto(directory: Path, syncs: SyncCounter) -> Server:
    """moto_server, in memory."""
    port = free_port()
    command: list[str | Path] = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    child = _launch(command, directory, syncs)
    took = _await_port(child, port)
    return Server(
        "moto",
        metadata.version("moto"),
        child,
        "127.0.0.1",
        port,
        syncs,
        directory,
        tables=True,
        objects=True,
        start_seconds=took,
    )


def ministack(directory: Path, syncs: SyncCounter) -> Server:
    """ministack, in memory, from an environment of its own."""
    home = tools() / "bench-peers"
    program = home / "bin" / "ministack"
    if not program.exists():
        raise Missing("run `python -m bench --install`")
    port = free_port()
    child = _launch([program], directory, syncs, {"GATEWAY_PORT": str(port), "LOG_LEVEL": "WARNING"})
    took = _await_port(child, port)
    done = subprocess.run(
        [home / "bin" / "python", "-c", "from importlib import metadata; print(metadata.version('ministack'))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return Server(
        "ministack",
        done.stdout.strip(),
        child,
        "127.0.0.1",
        port,
        syncs,
        directory,
        tables=True,
        objects=True,
        start_seconds=took,
    )


def _dynalite(name: str, *options: str) -> Callable[[Path, SyncCounter], Server]:
    def start(directory: Path, syncs: SyncCounter) -> Server:
        home = node_modules() / "dynalite"
        node = shutil.which("node")
        if node is None or not home.exists():
            raise Missing("install Node.js 18 or newer, then run `python tests/e2e/toolchain/install.py --only node`")
        port = free_port()
        command: list[str | Path] = [node, home / "cli.js", "--port", str(port), "--host", "127.0.0.1", *options]
        child = _launch([*command, "--createTableMs", "0"], directory, syncs)
        took = _await_port(child, port)
        version = json.loads((home / "package.json").read_text(encoding="utf-8"))["version"]
        return Server(name, version, child, "127.0.0.1", port, syncs, directory, tables=True, start_seconds=took)

    return start


def nginx_program() -> Path | None:
    """nginx of the system, or unpacked below the tools directory."""
    unpacked = tools() / "bench-nginx" / "usr" / "sbin" / "nginx"
    found = shutil.which("nginx")
    return Path(found) if found else unpacked if unpacked.exists() else None


def nginx(directory: Path, syncs: SyncCounter) -> Server:
    """nginx with sendfile and one worker: the ceiling for reading large bodies."""
    program = nginx_program()
    if program is None:
        raise Missing("install Debian's package nginx, or run `python -m bench --install`")
    port = free_port()
    (directory / "root").mkdir()
    (directory / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
        events {{ worker_connections 512; }}
        http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
          client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
          uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
          server {{ listen 127.0.0.1:{port}; root {directory}/root; }} }}""",
        encoding="utf-8",
    )
    user = "user root;" if os.geteuid() == 0 else ""
    child = _launch([program, "-p", directory, "-c", directory / "nginx.conf", "-g", user], directory, syncs)
    took = _await_port(child, port)
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True, timeout=10).stderr
    return Server(
        "nginx",
        said.rpartition("/")[2].strip(),
        child,
        "127.0.0.1",
        port,
        syncs,
        directory,
        start_seconds=took,
    )


def hello(directory: Path, syncs: SyncCounter) -> Server:
    """uvicorn with the smallest application: what our stack costs before we do anything."""
    port = free_port()
    command: list[str | Path] = [sys.executable, "-m", "uvicorn", "hello:application", "--no-access-log"]
    command += ["--app-dir", Path(__file__).parent, "--log-level", "warning", "--port", str(port)]
    child = _launch([*command, "--loop", "uvloop", "--http", "httptools"], directory, syncs)
    took = _await_port(child, port)
    return Server(
        "uvicorn hello",
        metadata.version("uvicorn"),
        child,
        "127.0.0.1",
        port,
        syncs,
        directory,
        start_seconds=took,
    )


CANDIDATES = (
    Candidate("lockhouse", lockhouse),
    Candidate("lockhouse on PostgreSQL", lockhouse_on_postgres),
    Candidate("moto", moto),
    Candidate("ministack", ministack),
    Candidate("dynalite memory", _dynalite("dynalite memory")),
    Candidate("dynalite disk", _dynalite("dynalite disk", "--path", "level")),
    Candidate("nginx", nginx),
    Candidate("uvicorn hello", hello),
)
