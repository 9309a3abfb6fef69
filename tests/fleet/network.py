"""A network name space of one's own with two lines into it: `front` for clients, `back` to the database.

Whoever runs inside can be cut off from one side and still be reached from the other. `cut` takes a line down, `swallow`
lets packets vanish without a word, as a broken router does. Needs root; `impossible` says why it cannot be done here.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One pair of interfaces."""

    outside: str
    """The interface on this side."""
    here: str
    """The address on this side."""
    there: str
    """The address inside."""

    def cut(self) -> None:
        _ip("link", "set", self.outside, "down")

    def swallow(self) -> None:
        """What comes from inside arrives, and every answer to it disappears."""
        _ip("route", "add", "blackhole", f"{self.there}/32")

    def heal(self) -> None:
        with contextlib.suppress(AssertionError):
            _ip("route", "del", "blackhole", f"{self.there}/32")
        _ip("link", "set", self.outside, "up")


@dataclass(frozen=True)
class Space:
    """The name space."""

    name: str
    front: Line
    back: Line

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command that is to run inside."""
        return ("ip", "netns", "exec", self.name)


def impossible() -> str:
    """Why name spaces cannot be made here; empty when they can."""
    if not shutil.which("ip"):
        return "iproute2 is not installed"
    if os.getuid() != 0:
        return "making a network name space needs root"
    name = f"lockhouse-probe-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        return f"ip netns add: {done.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


@contextlib.contextmanager
def space() -> Iterator[Space]:
    """Make it, and take it away again with everything in it."""
    mark = f"{random.randrange(16**5):05x}"
    name = f"lockhouse-{mark}"
    low = int(mark[-4:], 16) & 0xFFF8
    address = f"10.{64 + int(mark[0], 16)}.{low >> 8}.{{}}".format
    lines: list[Line] = []
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        for number, side in enumerate(("f", "b")):
            outside, inside = f"lh{side}{mark}", f"lh{side}{mark}i"
            here, there = (address((low & 0xFF) + 4 * number + place) for place in (1, 2))
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
            _ip("addr", "add", f"{here}/30", "dev", outside)
            _ip("-n", name, "addr", "add", f"{there}/30", "dev", inside)
            _ip("link", "set", outside, "up")
            _ip("-n", name, "link", "set", inside, "up")
            lines.append(Line(outside, here, there))
        yield Space(name, *lines)
    finally:
        for line in lines:
            with contextlib.suppress(AssertionError):
                _ip("route", "del", "blackhole", f"{line.there}/32")
            _ip("link", "del", line.outside)
        _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
