"""The commands `kill`, `power`, `server` and `nth`; see the package. The last line is the verdict as JSON."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.torture.check import Verdict
from tests.torture.cuts import checked, under_load
from tests.torture.nth import NthVerdict, every_call
from tests.torture.power import FileSystem
from tests.torture.server import ServerVerdict, kill_repeatedly


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("what", choices=("kill", "power", "server", "nth"))
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--stride", type=int, default=1, help="of all pwrite64 calls, only each so many'th")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--synchronous", default="FULL")
    parser.add_argument("--no-fsync", action="store_true", help="write blobs without fsync")
    parser.add_argument("--home", type=Path, help="where to work (default: a temporary directory)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.home) as home:
        started = time.monotonic()
        verdict = {"kill": _kill, "power": _power, "server": _server, "nth": _nth}[chosen.what](Path(home), chosen)
        print(f"{chosen.what}: {time.monotonic() - started:.1f} s", file=sys.stderr)
    print(msgspec.json.encode(verdict).decode())
    return 1 if verdict.broken else 0


def _kill(home: Path, chosen: argparse.Namespace) -> Verdict:
    total = Verdict()
    for number in range(chosen.times):
        lines = under_load(
            home / "data",
            f"{chosen.seed}/{number}",
            lambda child: os.kill(child, signal.SIGKILL),
            synchronous=chosen.synchronous,
            durable_blobs=not chosen.no_fsync,
        )
        # Reading every body that ever was takes longer with each cut: each tenth time and at the end is enough.
        total.add(checked(home / "data", lines, whole=number % 10 == 9 or number == chosen.times - 1))
    return total


def _server(home: Path, chosen: argparse.Namespace) -> ServerVerdict:
    return kill_repeatedly(home, chosen.times, chosen.seed)


def _nth(home: Path, chosen: argparse.Namespace) -> NthVerdict:
    return every_call(home, stride=chosen.stride)


def _power(home: Path, chosen: argparse.Namespace) -> Verdict:
    total = Verdict()
    with FileSystem(home) as disk:
        for number in range(chosen.times):
            # A new directory now and then: the disk is small, and one cut must not be blamed for the next.
            path = disk.root / "data"
            lines = under_load(
                path,
                f"{chosen.seed}/{number}",
                disk.cut,
                synchronous=chosen.synchronous,
                durable_blobs=not chosen.no_fsync,
            )
            disk.restart()
            total.add(checked(path, lines))
            if total.broken or number % 5 == 4:
                shutil.rmtree(path)
    return total


if __name__ == "__main__":
    sys.exit(main())
