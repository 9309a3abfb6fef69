"""`python -m bench.inside`: what the application costs without sockets: the CPU time of a request, in one process.

Requests are put into our own connections (`lockhouse.edge.connection`) as bytes, and their answers are taken from a
transport that sends nothing; so the kernel, other processes and the generator are left out, and two commits can be
compared on a machine that others use: run both in turn, several times. `--lines` tells where the time goes, by looking
at what runs whenever so much CPU time has passed. For counts instead of times run it under `valgrind --tool=callgrind`
twice, with different numbers of requests, and divide the difference.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn
import uvloop
from uvicorn.server import ServerState

from bench.load import Broken, Request
from bench.servers import BUCKET, Server
from bench.signing import Key, Signer
from bench.workloads import WORKLOADS, Workload, kept_state, make_table, title
from lockhouse.app import build
from lockhouse.config import Settings
from lockhouse.edge.connection import Deadlines, connection_class

_HOST = "127.0.0.1:7373"
_WARM = 20
_SAMPLE_SECONDS = 0.0005
_SHOWN = 40


@dataclass
class _Here:
    """The server as the workloads know it."""

    key: Key
    name: str = "lockhouse"
    address: str = _HOST


class _Client:
    """A client with one request on the way at a time, and the transport of its connection."""

    def __init__(self, requests: Iterator[Request], make: Callable[[], Any]) -> None:
        self._requests = requests
        self._sent = Request(b"")
        self._loop = asyncio.get_running_loop()
        self._connection = make()
        self._connection.connection_made(self)
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.call_soon(self._go)

    def _go(self) -> None:
        """Send the next request, if there is one."""
        request = next(self._requests, None)
        if request is None:
            self._connection.connection_lost(None)
            self.ended.set_result(None)
        else:
            self._sent = request
            self._connection.data_received(b"".join((request.head, *request.body)))

    # What the connection asks of its transport

    def write(self, answer: bytes) -> None:
        self.writelines((answer,))

    def writelines(self, parts: Sequence[bytes]) -> None:
        if parts[0].startswith(b"HTTP/1.1 %d" % self._sent.status) and sum(map(len, parts)) >= self._sent.answer:
            self._loop.call_soon(self._go)
        else:
            self.ended.set_exception(Broken(f"answered {parts[0][:300]!r}"))

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 7373)}.get(name, default)

    def is_closing(self) -> bool:
        return False

    def nothing(self, *_: object) -> None:
        """The connection is never closed, and its flow never stopped."""

    close = abort = pause_reading = resume_reading = set_write_buffer_limits = nothing


class _Lines:
    """Where the CPU time goes: counted by line, looked at from outside of what runs."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            code = frame.f_code
            self.counts[f"{'/'.join(Path(code.co_filename).parts[-3:])}:{frame.f_lineno} {code.co_name}"] += 1


async def measure(workload: Workload, requests: int, data: Path, lines: _Lines | None) -> float:
    """Seconds of CPU time per request."""
    settings = Settings(data=data)
    server = build(settings)
    server.house.engine.start()
    said = json.loads((data / "credentials.json").read_text(encoding="utf-8"))
    here = cast("Server", _Here(Key(said["access_key_id"], said["secret_access_key"])))
    config = uvicorn.Config(
        server.handler,
        http=connection_class(Deadlines(), settings.max_body),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
    )
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")]

    def make() -> asyncio.Protocol:
        made: asyncio.Protocol = config.http_protocol_class(config=config, server_state=state, app_state={})
        return made

    async def run(streams: list[Iterator[Request]]) -> None:
        await asyncio.gather(*[_Client(stream, make).ended for stream in streams])

    used = 0

    def streams(each: int) -> list[Iterator[Request]]:
        nonlocal used
        used += each
        made = workload.streams(here, workload.clients, each, used - each)
        return [iter([one for one, _ in zip(stream, range(each), strict=False)]) for stream in made]

    bucket = Signer(here.key, "s3", here.address).head("PUT", f"/{BUCKET}", {}, "UNSIGNED-PAYLOAD", 0)
    await run(
        [iter([Request(bucket), make_table(here), *([kept_state(here, workload.size)] if workload.size else [])])]
    )
    each = max(2, requests // workload.clients) // 2 * 2
    await run(streams(min(each, _WARM)))
    prepared = streams(each)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the server does
    began = time.process_time()
    if lines is not None:
        lines.begin()
    await run(prepared)
    if lines is not None:
        lines.end()
    spent = time.process_time() - began
    server.directory.close()
    return spent / (each * workload.clients)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.inside", description=__doc__)
    parser.add_argument("work", help="a line of work, such as 'GET state 10 KB, 64 clients', or its beginning")
    parser.add_argument("--requests", type=int, default=12_800, help="how many, of all clients")
    parser.add_argument("--data", type=Path, default=None, help="where to make a data directory (default: in memory)")
    parser.add_argument("--lines", action="store_true", help="also print where the time goes")
    chosen = parser.parse_args()
    found = [each for each in WORKLOADS if title(each).startswith(chosen.work)]
    if not found:
        parser.error(f"there is no such line of work; there are: {'; '.join(map(title, WORKLOADS))}")
    place = chosen.data or (Path("/dev/shm") if Path("/dev/shm").is_dir() else None)
    data = Path(tempfile.mkdtemp(prefix="lockhouse-inside-", dir=place))
    lines = _Lines() if chosen.lines else None
    try:
        cost = uvloop.run(measure(found[0], chosen.requests, data / "data", lines))
    finally:
        shutil.rmtree(data, ignore_errors=True)
    sys.stdout.write(f"{title(found[0])}: {cost * 1e6:.1f} us of CPU time per request\n")
    if lines is not None:
        total = sum(lines.counts.values()) or 1
        for line, count in lines.counts.most_common(_SHOWN):
            sys.stdout.write(f"{count / total * cost * 1e6:8.1f} us  {line}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
