"""The commands `generate` and `compare`; see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.scale.costs import KINDS, costs
from tests.scale.houses import DATABASE, side_by_side, side_by_side_on_postgres
from tests.scale.load import load_postgres, load_sqlite
from tests.scale.rows import Size


def main() -> int:
    parser = argparse.ArgumentParser(prog="scale")
    parser.add_argument("what", choices=("generate", "compare"))
    parser.add_argument("--states", type=int, default=10_000)
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--data", type=Path, help="a data directory that no server uses")
    parser.add_argument("--database-url", help="a database that a server has been started on")
    parser.add_argument("--postgres", action="store_true", help="compare on PostgreSQL, with its processor time")
    parser.add_argument("--each", type=int, default=30, help="requests of a kind in one round")
    chosen = parser.parse_args()
    size = Size(chosen.states, chosen.versions)
    if chosen.what == "generate":
        if chosen.database_url:
            load_postgres(chosen.database_url, size)
        else:
            load_sqlite(chosen.data / DATABASE, size)
        return 0
    with tempfile.TemporaryDirectory() as home:
        started = time.monotonic()
        beside = side_by_side_on_postgres if chosen.postgres else side_by_side
        with beside(Path(home), size) as (small, large):
            print(f"made in {time.monotonic() - started:.0f} s", file=sys.stderr)
            print(f"{'ms of processor time':22} {small.size.states:>10} {size.states:>10}  ratio")
            print(f"{'start':22} {small.seconds_to_start * 1000:10.0f} {large.seconds_to_start * 1000:10.0f}")
            for kind in KINDS:
                cost = costs(small, large, [kind], each=chosen.each)[kind]
                print(f"{kind:22} {cost.small:10.3f} {cost.large:10.3f} {cost.ratio:6.2f}", flush=True)
            memory = [house.server.memory() / 2**20 for house in (small, large)]
            print(f"{'memory, MiB':22} {memory[0]:10.0f} {memory[1]:10.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
