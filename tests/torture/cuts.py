"""One cut: start the load in a child, wait for traffic, cut it off, check in another child.

This process never opens the data itself, so it can fork as often as it likes.
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.torture import load
from tests.torture.check import Verdict, check

FEWEST = 20
"""Acknowledgements per cut below which the cut proves nothing."""
_PATIENCE = 30.0


def under_load(
    path: Path, seed: str, cut: Callable[[int], None], *, synchronous: str = "FULL", durable_blobs: bool = True
) -> list[str]:
    """Let the load run for a moment, call `cut` with its process id, end it, and answer what it had acknowledged."""
    listening, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listening)
        in_child(lambda: load.run(path, telling, seed, synchronous=synchronous, durable_blobs=durable_blobs))
    os.close(telling)
    heard = bytearray()
    try:
        _listen(listening, heard, until=lambda: heard.count(b"\n") >= FEWEST, seconds=_PATIENCE)
        if heard.count(b"\n") < FEWEST:
            raise RuntimeError(f"the load acknowledged only {heard.count(10)} operations")
        _listen(listening, heard, until=lambda: False, seconds=random.Random(seed).uniform(0.0, 0.12))
        cut(child)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        _listen(listening, heard, until=lambda: False, seconds=_PATIENCE)
        os.close(listening)
    return heard.decode().splitlines()


def checked(path: Path, lines: list[str], *, whole: bool = True) -> Verdict:
    """`check`, in a process of its own."""
    listening, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listening)

        def answer() -> None:
            with os.fdopen(telling, "wb") as out:
                out.write(msgspec.json.encode(check(path, lines, whole=whole)))

        in_child(answer)
    os.close(telling)
    with os.fdopen(listening, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    if not answer:
        return Verdict(lost=["the data cannot be opened any more"])
    return msgspec.json.decode(answer, type=Verdict)


def _listen(source: int, heard: bytearray, *, until: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while not until() and (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                data = os.read(source, 65536)
                if not data:
                    return
                heard += data


def in_child(work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001 - a forked child must never return
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
