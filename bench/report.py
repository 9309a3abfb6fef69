"""What people read and what programs read: medians over the rounds, ratios against every peer, one JSON file."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure import Sample
from bench.plans import Plan
from bench.servers import OURS


@dataclass(frozen=True)
class Line:
    """One server on one workload: medians over its rounds."""

    workload: str
    server: str
    rounds: int
    rate: float
    spread: float
    """The largest rate over the smallest."""
    p50: float
    p99: float
    cpu: float
    generator_cpu: float
    syncs: float | None
    idle_memory: float
    peak_memory: float
    megabytes: float


def lines(samples: Iterable[Sample]) -> list[Line]:
    """Medians, in the order in which they were measured first."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.workload, sample.server), []).append(sample)
    made = []
    for (workload, server), group in groups.items():

        def middle(name: str, group: list[Sample] = group) -> float:
            return median(getattr(sample, name) for sample in group)

        rates = [sample.rate for sample in group]
        made.append(
            Line(
                workload,
                server,
                len(group),
                middle("rate"),
                max(rates) / min(rates),
                middle("p50"),
                middle("p99"),
                middle("cpu"),
                middle("generator_cpu"),
                None if group[0].syncs is None else middle("syncs"),
                middle("idle_memory"),
                max(sample.peak_memory for sample in group),
                middle("megabytes"),
            )
        )
    return made


def show(found: Sequence[Line], plans: Sequence[Plan], facts: dict[str, object], console: Console) -> None:
    """The tables."""
    console.print(f"[bold]Measured[/bold] {facts['date']} on {facts['machine']}")
    for name, version in dict(facts["versions"]).items():  # type: ignore[call-overload]
        console.print(f"  {name} {version}")
    console.print(f"  one writer that syncs 4 KiB each time: {facts['syncs_per_second_alone']}/s; start-up seconds:")
    console.print(
        f"  {facts['start_seconds']}; load average before {facts['load_average_before']:.1f}", highlight=False
    )
    for missing in facts["missing"]:  # type: ignore[attr-defined]
        console.print(f"[yellow]Not measured: {missing}[/yellow]")
    table = Table(box=box.SIMPLE, title="Requests, medians over the rounds")
    columns = ("", "req/s", "ours / it", "MB/s", "p50 ms", "p99 ms", "CPU us/req", "syncs/req", "peak MB", "spread")
    for column in columns:
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for workload in dict.fromkeys(line.workload for line in found):
        group = [line for line in found if line.workload == workload]
        ours = next((line for line in group if line.server == OURS), None)
        table.add_row(f"[bold]{workload}[/bold]")
        for line in group:
            ratio = "" if ours is None or line is ours else f"x{ours.rate / line.rate:.2f}"
            table.add_row(
                f"  {line.server}",
                f"{line.rate:,.0f}" if line.rate >= 100 else f"{line.rate:.1f}",
                ratio,
                f"{line.megabytes:,.0f}" if line.megabytes else "",
                f"{line.p50 * 1e3:.2f}",
                f"{line.p99 * 1e3:.2f}",
                f"{line.cpu * 1e6:,.0f}",
                "not counted" if line.syncs is None else f"{line.syncs:.3f}",
                f"{line.peak_memory / 1e6:.0f}",
                f"x{line.spread:.2f}",
            )
    console.print(table)
    if plans:
        table = Table(box=box.SIMPLE, title="terraform plan without changes, wall time")
        for column in ("backend", "median ms", "quartiles ms", "against local", "runs"):
            table.add_column(column, justify="left" if column == "backend" else "right")
        local = next(plan for plan in plans if plan.backend == "local")
        for plan in plans:
            table.add_row(
                plan.backend,
                f"{plan.median * 1e3:.0f}",
                f"{plan.lower * 1e3:.0f}-{plan.upper * 1e3:.0f}",
                f"x{plan.median / local.median:.2f}",
                str(plan.count),
            )
        console.print(table)


def machine() -> str:
    """Processor count, memory, kernel."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} CPUs, {memory:.0f} GiB, {system}"


def save(
    directory: Path, samples: Sequence[Sample], found: Sequence[Line], plans: Sequence[Plan], facts: dict[str, object]
) -> Path:
    """Everything, for programs."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
    document = {
        "facts": facts,
        "lines": [dataclasses.asdict(line) for line in found],
        "samples": [dataclasses.asdict(sample) for sample in samples],
        "plans": [dataclasses.asdict(plan) for plan in plans],
    }
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return path
