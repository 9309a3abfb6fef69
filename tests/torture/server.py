"""kill -9 of the whole server while clients lock, write and unlock over HTTP.

Each client owns its states. What it was told last about one must still be true after the restart, or else the one thing
that it had asked for and not been told. Every version that was ever acknowledged in a cycle is fetched by its id.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.torture.client import Client, Refused

CLIENTS = 6
READY_SECONDS = 2.0
STATES_EACH = 2
LANES = 2
"""Servers at once: a start keeps one processor busy."""
_FILLERS = (200, 200, 5_000, 20_000, 20_000, 400_000, 400_000, 2_500_000)
"""In a row, in a blob written at the end, and in a blob written while it comes."""
_CUT = (OSError, http.client.HTTPException)


class ServerVerdict(msgspec.Struct):
    """What all cycles came to."""

    acknowledged: int = 0
    unanswered: int = 0
    lost: list[str] = []
    torn: list[str] = []
    refused: list[str] = []
    """Answers of a healthy server that no client should have had."""
    ready: list[float] = []
    """Seconds from the start of a process to its word that it is ready: of its own processor time where the system
    tells that, since tests run on busy machines."""

    @property
    def broken(self) -> list[str]:
        late = [f"ready after {max(self.ready):.2f} s"] if max(self.ready) > READY_SECONDS else []
        return [*self.lost, *self.torn, *self.refused, *late]


@dataclass
class Known:
    """What the owner of a state knows of it."""

    namespace: str
    key: str
    serial: int = 0
    digest: str = ""
    """Of the current version, as acknowledged."""
    held: str = ""
    """The lock document, as acknowledged; empty: free."""
    epoch: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    """Version id to digest, of this cycle."""
    asked_digest: str | None = None
    asked_held: str | None = None

    @property
    def lock_id(self) -> str:
        return f"{self.namespace}/{self.key}"


class Server:
    """`lockhouse serve` on a free port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("lockhouse"), "serve", "--data", data, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=(data.parent / "server.log").open("ab"),
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"is ready at (\S+)", line):
                self.endpoint = found[1]
                break
        else:
            self.kill()
            raise RuntimeError("the server ended before it was ready")
        self.ready = _processor_seconds(self._process.pid) or time.perf_counter() - started

    def access(self) -> dict[str, str]:
        return {**json.loads((self._data / "credentials.json").read_bytes()), "endpoint": self.endpoint}

    def last_words(self) -> str:
        """How the process is, and the end of its log."""
        log = (self._data.parent / "server.log").read_text(errors="replace")
        return f"exit code {self._process.poll()}, log {log[-2000:]!r}"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


def kill_repeatedly(home: Path, times: int, seed: str) -> ServerVerdict:
    """The whole show, on `LANES` servers side by side."""
    total = ServerVerdict()
    with ThreadPoolExecutor(LANES) as lanes:
        for verdict in lanes.map(_lane, *zip(*_shares(home, times, seed), strict=True)):
            for name in verdict.__struct_fields__:
                setattr(total, name, getattr(total, name) + getattr(verdict, name))
    return total


def _shares(home: Path, times: int, seed: str) -> list[tuple[Path, int, str]]:
    return [(home / f"lane-{lane}", len(range(lane, times, LANES)), f"{seed}/{lane}") for lane in range(LANES)]


def _lane(home: Path, times: int, seed: str) -> ServerVerdict:
    home.mkdir()
    verdict = ServerVerdict()
    chance = random.Random(seed)
    server = Server(home / "data")
    try:
        access = server.access()
        Client(access).create_table()
        states = [
            [Known(access["namespace"], f"{owner}/{number}/terraform.tfstate") for number in range(STATES_EACH)]
            for owner in range(CLIENTS)
        ]
        for cycle in range(times):
            _traffic(server, states, verdict, f"{seed}/{cycle}", chance.uniform(0.1, 0.4))
            server = Server(home / "data")
            verdict.ready.append(server.ready)
            client = Client(server.access())
            for known in (known for owned in states for known in owned):
                check_known(client, known, verdict)
            client.close()
            if verdict.lost or verdict.torn or verdict.refused:
                verdict.refused.append(server.last_words())
                break
    finally:
        server.kill()
    return verdict


def _processor_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _traffic(server: Server, states: list[list[Known]], verdict: ServerVerdict, seed: str, seconds: float) -> None:
    """Traffic for a while, then the kill in the middle of it."""
    noting = threading.Lock()
    cut = threading.Event()
    flowing = threading.Semaphore(0)

    def work(owner: int) -> None:
        chance = random.Random(f"{seed}/{owner}")
        client = Client(server.access())
        told, unanswered, refused = 0, 0, ""
        try:
            while True:
                _one(client, chance.choice(states[owner]), chance)
                told += 1
                flowing.release()
        except _CUT as error:
            unanswered = 1
            if not cut.is_set():
                refused = f"the connection ended before the kill: {error!r}; {server.last_words()}"
        except Refused as error:
            refused = str(error)
        with noting:
            verdict.acknowledged += told
            verdict.unanswered += unanswered
            verdict.refused += [refused] if refused else []
        client.close()

    threads = [threading.Thread(target=work, args=(owner,)) for owner in range(len(states))]
    for thread in threads:
        thread.start()
    for _ in range(2 * CLIENTS):
        if not flowing.acquire(timeout=30):
            verdict.refused.append("too little traffic to prove anything")
            break
    cut.wait(seconds)
    cut.set()
    server.kill()
    for thread in threads:
        thread.join(60)


def _one(client: Client, known: Known, chance: random.Random) -> None:
    """One request; the owner notes what it asks for before, and what it was told after."""
    if not known.held:
        info = json.dumps({"ID": f"{known.key}/{known.epoch + 1}", "Operation": "OperationTypeApply", "Who": "me"})
        known.asked_held = info
        client.lock(known.lock_id, info)
        known.held, known.epoch = info, known.epoch + 1
        known.asked_held = None
    elif chance.random() < 0.3:
        known.asked_held = ""
        client.unlock(known.lock_id)
        known.held = ""
        known.asked_held = None
    else:
        known.serial += 1
        body = _state(known, chance)
        digest = hashlib.sha256(body).hexdigest()
        known.asked_digest = digest
        version_id = client.put_object(known.namespace, known.key, body)
        known.digest = digest
        known.versions[version_id] = digest
        known.asked_digest = None


def _state(known: Known, chance: random.Random) -> bytes:
    filler = chance.randbytes(chance.choice(_FILLERS) // 2).hex()
    document = {"version": 4, "terraform_version": "1.9.8", "serial": known.serial, "lineage": known.key}
    return json.dumps({**document, "outputs": {}, "resources": [], "filler": filler}).encode()


def check_known(client: Client, known: Known, verdict: ServerVerdict) -> None:
    try:
        held = client.holder(known.lock_id)
        if held not in (known.held, known.asked_held):
            verdict.lost.append(f"{known.key}: the lock is {held!r}, not {known.held!r}")
        _check_current(client, known, verdict)
        for version_id, digest in known.versions.items():
            if hashlib.sha256(client.get_object(known.namespace, known.key, version_id)[1]).hexdigest() != digest:
                verdict.torn.append(f"{known.key}: version {version_id}")
    except Refused as error:
        verdict.lost.append(f"{known.key}: {error}")
        return
    known.held, known.asked_held = held, None
    known.epoch += 1
    known.versions.clear()


def _check_current(client: Client, known: Known, verdict: ServerVerdict) -> None:
    try:
        body = client.get_object(known.namespace, known.key)[1]
        digest, table = hashlib.sha256(body).hexdigest(), hashlib.md5(body).hexdigest()
    except Refused as error:
        if error.status != 404:
            raise
        digest = table = ""
    if client.digest(known.lock_id) != table:
        verdict.torn.append(f"{known.key}: the digest in the table is not that of the current version")
    if digest not in (known.digest, known.asked_digest):
        verdict.lost.append(f"{known.key}: the current version is not the one last acknowledged")
    known.digest, known.asked_digest = digest, None
