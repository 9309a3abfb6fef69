"""The tables of docs/reference/performance.md from a results file: `python -m bench.page bench/results/FILE.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.servers import OURS


def page(results: dict) -> str:
    """Markdown: one table for all lines of work, one for the plans."""
    parts = [
        "| work | server | req/s | ours / it | MB/s | p50 ms | p99 ms | CPU µs | syncs | peak MB |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for workload in dict.fromkeys(line["workload"] for line in results["lines"]):
        group = [line for line in results["lines"] if line["workload"] == workload]
        group.sort(key=lambda line: line["server"] != OURS)
        ours = group[0]["rate"] if group[0]["server"] == OURS else 0.0
        for line in group:
            cells = [
                workload if line is group[0] else "",
                line["server"],
                f"{line['rate']:,.0f}" if line["rate"] >= 100 else f"{line['rate']:.1f}",
                f"{ours / line['rate']:.2f}" if ours and line["server"] != OURS else "",
                f"{line['megabytes']:,.0f}" if line["megabytes"] else "",
                f"{line['p50'] * 1e3:.1f}",
                f"{line['p99'] * 1e3:.1f}",
                f"{line['cpu'] * 1e6:,.0f}",
                "" if line["syncs"] is None else f"{line['syncs']:.3f}",
                f"{line['peak_memory'] / 1e6:.0f}",
            ]
            parts.append("| " + " | ".join(cells) + " |")
    parts += ["", "| backend | median ms | quartiles | against local | runs |", "|---|--:|--:|--:|--:|"]
    local = next((plan["median"] for plan in results["plans"] if plan["backend"] == "local"), 0.0)
    for plan in results["plans"]:
        quartiles = f"{plan['lower'] * 1e3:.0f} to {plan['upper'] * 1e3:.0f}"
        against = f"{plan['median'] / local:.2f}"
        parts.append(f"| {plan['backend']} | {plan['median'] * 1e3:.0f} | {quartiles} | {against} | {plan['count']} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(page(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), end="")
