"""The child process of `runtime.facts`: prints the facts of the file named by its only argument, as JSON."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import msgspec

from lockhouse.core.bodies import read_facts


def main() -> None:
    with Path(sys.argv[1]).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        sys.stdout.buffer.write(msgspec.json.encode(read_facts(body)))


if __name__ == "__main__":
    main()
