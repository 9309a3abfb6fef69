"""The child process of `runtime.facts`: prints, as JSON, the facts of the file named by its only argument; or, asked
with `-` and a size, of that many bytes from its standard input."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import msgspec

from lockhouse.core.bodies import read_facts


def main() -> None:
    if sys.argv[1] == "-":
        found = read_facts(_read(int(sys.argv[2])))
    else:
        with Path(sys.argv[1]).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
            found = read_facts(body)
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _read(size: int) -> mmap.mmap:
    body = mmap.mmap(-1, size)
    view = memoryview(body)
    while view and (count := os.readv(0, [view])):
        view = view[count:]
    if view:
        sys.exit("the body was cut off")
    return body


if __name__ == "__main__":
    main()
