"""`python -m bench`: Lockhouse beside its peers in one run. From the top of the repository; under 10 minutes.

All servers are up at once; every round measures each of them on each line of work, in rotating order; figures are
medians over the rounds. The requests are signed before the clock runs, and the same generator sends them to everybody.
On a slow machine fewer rounds are measured rather than more time taken; the report says how many.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from tests.e2e.toolchain.clients import REPOSITORY

from bench.install import install_peers
from bench.load import Broken
from bench.measure import Numbers, Sample, measure, settle
from bench.meters import SyncCounter, compile_counter, sync_loop
from bench.plans import measure_plans
from bench.profile import Profiler
from bench.report import lines, machine, save, show
from bench.servers import CANDIDATES, OURS, Missing, Server
from bench.signing import agrees_with_botocore
from bench.workloads import WORKLOADS, Workload, speaks, title

_RESULTS = Path(__file__).parent / "results"
_DATA = REPOSITORY / ".data"
_ROUNDS_SECONDS = 450.0
"""No round is begun that would probably end after this time."""


def main() -> int:
    """Measure, print, save."""
    chosen = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    if chosen.install:
        return install_peers()
    if not agrees_with_botocore():
        console.print("error: the signatures of the generator are not those of botocore")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended
    _DATA.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=_DATA))
    servers: list[Server] = []
    try:
        missing = _start(directory, servers, chosen.only)
        for problem in missing:
            console.print(f"[yellow]Not measured: {problem}[/yellow]")
        facts: dict[str, object] = {
            "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
            "machine": machine(),
            "load_average_before": os.getloadavg()[0],
            "versions": {server.name: server.version for server in servers},
            "start_seconds": {server.name: round(server.start_seconds, 2) for server in servers},
            "missing": missing,
            "syncs_per_second_alone": round(sync_loop(directory)),
            "command": " ".join(["python -m bench", *sys.argv[1:]]),
        }
        plans = []
        if not chosen.no_plans:  # first, for if Terraform is missing nothing long was measured in vain
            plans = measure_plans(directory / "plans", servers, 3 if chosen.quick else 9, console.print)
        profiler = Profiler(servers, _RESULTS) if chosen.profile else None
        samples = _rounds(servers, _work(chosen), chosen.rounds or (1 if chosen.quick else 3), console, profiler)
        facts["rounds"] = max(sample.round for sample in samples) if samples else 0
        found = lines(samples)
        facts["load_average_after"] = os.getloadavg()[0]
        show(found, plans, facts, console)
        console.print(f"Saved in {save(_RESULTS, samples, found, plans, facts).relative_to(REPOSITORY)}")
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Lockhouse beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one round, without the largest bodies: under 90 s")
    parser.add_argument("--rounds", type=int, help="how many rounds (3, or 1 when quick)")
    parser.add_argument("--only", nargs="+", metavar="SERVER", help="such as lockhouse, moto, 'dynalite disk'")
    parser.add_argument("--work", nargs="+", metavar="TEXT", help="only lines whose name contains one of these")
    parser.add_argument("--no-plans", action="store_true", help="leave terraform plan out")
    parser.add_argument(
        "--profile", action="store_true", help="sample Lockhouse with py-spy; the rates then mean little"
    )
    parser.add_argument("--install", action="store_true", help="fetch ministack and nginx into the tools directory")
    return parser.parse_args()


def _work(chosen: argparse.Namespace) -> list[Workload]:
    work = [workload for workload in WORKLOADS if not (chosen.quick and workload.heavy)]
    if chosen.work:
        work = [workload for workload in work if any(text in title(workload) for text in chosen.work)]
    return work


def _start(directory: Path, servers: list[Server], only: list[str] | None) -> list[str]:
    """Start every candidate; what is not there is answered with its reason."""
    missing = []
    counter = compile_counter(directory)
    if counter is None:
        missing.append("syncs: install a C compiler (cc)")
    for candidate in CANDIDATES:
        if only and candidate.name not in only:
            continue
        home = directory / candidate.name.replace(" ", "-")
        home.mkdir()
        try:
            server = candidate.start(home, SyncCounter(counter, home))
        except Missing as problem:
            missing.append(f"{candidate.name}: {problem}")
            continue
        except AssertionError as problem:
            missing.append(f"{candidate.name} does not start: {str(problem).strip().splitlines()[-1]}")
            continue
        servers.append(server)
        server.prepare()
    return missing


def _rounds(
    servers: list[Server], work: list[Workload], rounds: int, console: Console, profiler: Profiler | None
) -> list[Sample]:
    samples: list[Sample] = []
    numbers = Numbers()
    rates: dict[tuple[str, str], float] = {}
    prepared: set[tuple[str, str, int]] = set()
    begin = time.monotonic()
    for turn in range(rounds):
        if turn and (time.monotonic() - begin) * (turn + 1) / turn > _ROUNDS_SECONDS:
            console.print(f"[yellow]Stopped after {turn} rounds: this machine is slow today[/yellow]")
            break
        for workload in work:
            able = [server for server in servers if any(speaks(server, need) for need in workload.needs)]
            for server in able[turn % len(able) :] + able[: turn % len(able)] if able else []:
                if workload.before and (server.name, workload.name, workload.size) not in prepared:
                    workload.before(server)
                    prepared.add((server.name, workload.name, workload.size))
                settle()
                try:
                    with profiler.watching(server, title(workload)) if profiler else contextlib.nullcontext():
                        sample = measure(server, workload, numbers, rates, turn + 1)
                except Broken as problem:
                    if server.name == OURS:
                        raise
                    console.print(f"[yellow]{server.name} cannot do {title(workload)}: {str(problem)[:300]}[/yellow]")
                    continue
                samples.append(sample)
                console.print(
                    f"{time.monotonic() - begin:5.0f} s  round {turn + 1}  {title(workload):34} {server.name:16}"
                    f"{sample.rate:10,.1f} req/s  p99 {sample.p99 * 1e3:8.2f} ms  CPU {sample.cpu * 1e6:9,.0f} us"
                    f"  generator {sample.generator_cpu * 1e6:7,.0f} us",
                    highlight=False,
                    soft_wrap=True,
                )
    return samples


if __name__ == "__main__":
    sys.exit(main())
