"""Who must slow down: decided before a request is looked at, and again when it is known who asks.

Three allowances, each for itself: requests of a network address (before any signature is computed), requests of a
principal (when a room has found out who asks), and wrong credentials of a network address. The answer is a SlowDown
(`slow_down`) that each protocol says in its own form. Limits of one process: replicas do not add theirs up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from lockhouse.core.rates import Rate
from lockhouse.edge.addresses import counted
from lockhouse.errors import SlowDown

BURST_SECONDS = 10
"""Requests of so many seconds may come at once."""
WRONG = frozenset({"credential.unknown", "credential.expired", "signature.mismatch"})
"""What a credential that was presented and not accepted is called."""


class Pacing:
    """See the module."""

    def __init__(
        self,
        *,
        address_rate: float,
        principal_rate: float,
        failure_rate: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Requests of an address and of a principal per second; wrong credentials of an address per minute. 0: no
        limit. `clock`: seconds, and never goes back; where a time is passed in, it is its."""
        self._clock = clock
        self._addresses = Rate(address_rate, address_rate * BURST_SECONDS)
        self._principals = Rate(principal_rate, principal_rate * BURST_SECONDS)
        self._failures = Rate(failure_rate / 60, failure_rate)
        self._failed = False
        """Whether a wrong credential ever came."""
        self.refused = {"address": 0, "principal": 0, "failures": 0}
        """Requests refused since the start, by the limit that they met."""

    def arrived(self, peer: str, now: float) -> SlowDown | None:
        """A request came."""
        name = counted(peer)
        wait = self._addresses.take(name, now)
        if wait:
            return self._refuse("address", wait, "too many requests come from your network address")
        if self._failed:
            wait = self._failures.wait(name, now)
            if wait:
                return self._refuse("failures", wait, "too many wrong credentials came from your network address")
        return None

    def failed(self, peer: str, now: float) -> None:
        """A credential was presented and not accepted."""
        self._failed = True
        self._failures.take(counted(peer), now)

    def identified(self, principal: str) -> None:
        """A request's principal is known. Errors: `slow_down`."""
        wait = self._principals.take(principal, self._clock())
        if wait:
            raise self._refuse("principal", wait, "too many requests come from this principal")

    def _refuse(self, limit: str, wait: float, why: str) -> SlowDown:
        self.refused[limit] += 1
        return SlowDown(
            f"cannot serve this request now: {why}",
            hint="docs/reference/limits.md says which setting raises this limit",
            retry_after=math.ceil(wait),
        )
