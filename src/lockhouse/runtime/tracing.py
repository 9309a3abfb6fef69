"""What whoever traces requests wants to know of the engine: when a command or query was handed over, ran, was answered.

The engine asks for a `Watched` before each of them and knows nothing of who asks; without a tracer (`Engine.watch` is
None) that costs one comparison. Times are nanoseconds since 1970, as OpenTelemetry has them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

X = TypeVar("X")
T = TypeVar("T")


ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The standard variables that say where to send traces."""


def is_wanted(endpoint: str, environment: Mapping[str, str]) -> bool:
    """Whether the setting or a standard variable says where to send traces, and no other one says not to."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return bool(endpoint) or any(environment.get(each) for each in ENDPOINTS)


class Watched:
    """One command or query on its way through the store. `tell` is called once, when it was answered."""

    __slots__ = ("_tell", "answered", "began", "ended", "handed", "kind", "runs")

    def __init__(self, kind: str, tell: Callable[[Watched], object]) -> None:
        """`kind`: `transaction` or `query`."""
        self._tell = tell
        self.kind = kind
        self.handed = time.time_ns()
        self.began = self.ended = 0
        """Of the last run; 0: it never ran."""
        self.answered = 0
        self.runs = 0
        """A store may run a command again."""

    def of(self, act: Callable[[X], T]) -> Callable[[X], T]:
        """The command or query itself, which notes when it runs."""

        def watched(tx: X) -> T:
            self.runs += 1
            self.began = time.time_ns()
            try:
                return act(tx)
            finally:
                self.ended = time.time_ns()

        return watched

    def done(self) -> None:
        self.answered = time.time_ns()
        self._tell(self)
