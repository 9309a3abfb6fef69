"""One measurement of one server: how fast, how late, at what cost in CPU, memory and syncs."""

from __future__ import annotations

import gc
import math
import time
from dataclasses import dataclass

from bench.load import Load, Measured
from bench.meters import cpu_seconds, forget_peak, peak_resident, resident
from bench.servers import Server
from bench.workloads import Workload, title

_PROBE_SECONDS = 0.15
_PROBE_REQUESTS = 400
_ROOM = 1.4
_MEMORY = 600_000_000
"""Bytes that prebuilt requests may take."""


@dataclass(frozen=True)
class Sample:
    """What one measurement found. Seconds and bytes; `syncs` per request, None if not counted."""

    workload: str
    server: str
    round: int
    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float
    generator_cpu: float
    syncs: float | None
    idle_memory: int
    peak_memory: int
    megabytes: float
    connections: int


class Numbers:
    """Which serials each workload has used on each server, so that the next ones are higher."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str, int], int] = {}

    def take(self, server: Server, workload: Workload, count: int) -> int:
        """The first of `count` numbers that nobody has used."""
        key = (server.name, workload.name if workload.name == "PUT object" else "state", workload.size)
        first = self._used.get(key, 0)
        self._used[key] = first + count
        return first


def measure(
    server: Server, workload: Workload, numbers: Numbers, rates: dict[tuple[str, str], float], turn: int
) -> Sample:
    """Run it once. `rates` remembers how fast it was, so that enough requests are built beforehand."""
    name = title(workload)
    known = rates.get((server.name, name))
    if known is None and not workload.limit:
        count = max(2, min(_PROBE_REQUESTS // workload.clients, _fitting(workload)))
        known = _run(server, workload, numbers, count, _PROBE_SECONDS).rate
    count = workload.limit or max(2, math.ceil((known or 1) * workload.seconds * _ROOM / workload.clients))
    count = max(1, min(count, _fitting(workload)))
    first = numbers.take(server, workload, count)
    load = Load(server.host, server.port)
    streams = workload.streams(server, workload.clients, count, first)
    idle = resident(server.pid)
    forget_peak(server.pid)
    syncs = server.syncs.count()
    gc.collect()
    gc.disable()
    cpu = cpu_seconds(*server.pids)
    try:
        measured = load.run(streams, workload.seconds)
    finally:
        gc.enable()
    cpu = cpu_seconds(*server.pids) - cpu
    peak = peak_resident(server.pid)
    after = server.syncs.count()
    _free(server, workload)
    rates[server.name, name] = max(known or 0.0, measured.rate)
    return Sample(
        workload=name,
        server=server.name,
        round=turn,
        requests=measured.requests,
        rate=measured.rate,
        p50=measured.percentile(0.5),
        p99=measured.percentile(0.99),
        cpu=cpu / measured.requests,
        generator_cpu=measured.generator_cpu / measured.requests,
        syncs=None if after is None or syncs is None else (after - syncs) / measured.requests,
        idle_memory=idle,
        peak_memory=peak,
        megabytes=measured.rate * workload.size / 1e6,
        connections=measured.connections,
    )


def _fitting(workload: Workload) -> int:
    """How many requests of each client fit in memory and can be signed in reasonable time."""
    return max(1, int(_MEMORY / (3_000 + workload.size / 10) / workload.clients))


def _run(server: Server, workload: Workload, numbers: Numbers, count: int, seconds: float) -> Measured:
    first = numbers.take(server, workload, count)
    measured = Load(server.host, server.port).run(workload.streams(server, workload.clients, count, first), seconds)
    _free(server, workload)
    return measured


def _free(server: Server, workload: Workload) -> None:
    if workload.after is not None:
        Load(server.host, server.port).run(workload.after(server, workload.clients), 60)


def settle(seconds: float = 0.05) -> None:
    """Let the other processes come to rest between two measurements."""
    time.sleep(seconds)
