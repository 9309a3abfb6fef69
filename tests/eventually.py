"""Waiting for what comes true in its own time: asked again and again, and never slept through."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(holds: Callable[[], T], seconds: float, *, every: float = 0.05, seen: Callable[[], object] = str) -> T:
    """What it answers once that is true. Where it is not in time the test fails, and tells what `seen` answers."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"it did not come true: {seen()}"
        time.sleep(every)
    return answer
