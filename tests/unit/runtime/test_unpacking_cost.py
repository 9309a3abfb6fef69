"""What it costs to read an old version: processor time, which is wall time on a machine with a free core."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Callable
from itertools import pairwise

import pytest
from bench.history import Growing

from lockhouse.core.packing import MAX_DEPTH
from lockhouse.deltas import child
from lockhouse.deltas.workers import Chain, Layer, Worker

SIZE = 10_000_000
SECONDS = 0.4
"""The promise is half a second."""


@pytest.fixture(scope="module")
def chain() -> Callable[[int], Chain]:
    """The chain of a version of 10 MB so many steps below a whole one."""
    growing = Growing(SIZE)
    states = [growing.next() for _ in range(MAX_DEPTH + 1)]
    frames = [child.encode(states[0], None)]
    frames += [child.encode(raw, base) for base, raw in pairwise(states)]

    def of(steps: int) -> Chain:
        layers = [
            Layer("frame", len(raw), len(frame), lambda frame=frame: iter((frame,)))
            for raw, frame in zip(states[: steps + 1], frames, strict=False)
        ]
        return Chain(layers, hashlib.sha256(states[steps]).digest())

    return of


def spent() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


@pytest.mark.parametrize("steps", [7, MAX_DEPTH])
def test_a_version_of_ten_megabytes_is_unpacked_in_less_than_half_a_second(chain: Callable[[int], Chain], steps: int):
    """Seven steps is what a version has where no number is missing, `MAX_DEPTH` the most that any has."""
    wanted = chain(steps)
    least = 9.0
    for _ in range(3):
        before = spent()
        with Worker() as worker:
            size, source = worker.unpack(wanted, 0, wanted.size)
            read = source.read(size)
        least = min(least, spent() - before)
        assert hashlib.sha256(read).digest() == wanted.sha256
    assert least < SECONDS, least
    print(f"{steps} steps: {least:.3f} s")
