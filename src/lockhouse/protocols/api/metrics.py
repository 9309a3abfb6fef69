"""What operators watch, in Prometheus' text format. No label ever has a name of somebody's state, key or namespace."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import lockhouse
from lockhouse.core.ports import Reader
from lockhouse.errors import Problem
from lockhouse.runtime.house import House
from lockhouse.runtime.repacking import Repacking
from lockhouse.runtime.scrubbing import Scrubbing

_MOST_LOCKS = 10_000
_MOST = 1000
"""Where other counting ends, so that asking costs the same in every house."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One server's numbers. Protocols call `observe`; the rest is looked up when somebody asks."""

    def __init__(self, house: House, repacking: Repacking | None = None, scrubbing: Scrubbing | None = None) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._house = _House(house)
        self._registry.register(self._house)
        self._requests = _Requests()
        self._registry.register(self._requests)
        self.observe = self._requests.observe
        self.served = self._requests.served
        self.met = self._requests.met
        self.add_gauges = self._house.gauges.append
        self.add_refused = self._requests.refusals.append
        if repacking is not None and scrubbing is not None:
            self._registry.register(_History(repacking, scrubbing))

    async def text(self) -> bytes:
        """All numbers. Also while the storage does not answer: then those that are in it are left out."""
        await self._house.look()
        return generate_latest(self._registry)


class _Requests(Collector):
    """Requests answered and their times, counted in plain numbers: every request passes here, and hardly any scrape."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = {}
        self._times: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._problems: dict[str, int] = {}
        self.refusals: list[Mapping[str, int]] = []
        """Requests refused by the limit that they met; counted by whoever limits."""

    def met(self, code: str) -> None:
        """A request was answered with a problem of this code (`lockhouse.errors`)."""
        self._problems[code] = self._problems.get(code, 0) + 1

    def observe(self, protocol: str, status: int, seconds: float) -> None:
        """A request was answered. `protocol`: `s3`, `dynamodb`, `sts`, `iam`, `api` …"""
        key = (protocol, status)
        self._answers[key] = self._answers.get(key, 0) + 1
        times = self._times.get(protocol)
        if times is None:
            times = self._times[protocol] = [0] * (len(_SECONDS) + 1)
            self._sums[protocol] = 0.0
        times[bisect_left(_SECONDS, seconds)] += 1
        self._sums[protocol] += seconds

    def served(self) -> int:
        """Requests answered since the start."""
        return sum(self._answers.values())

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily("lockhouse_requests", "Requests answered.", labels=("protocol", "status"))
        for (protocol, status), count in sorted(self._answers.items()):
            answers.add_metric((protocol, str(status)), count)
        yield answers
        problems = CounterMetricFamily("lockhouse_problems", "Requests answered with a problem.", labels=("code",))
        for code, count in sorted(self._problems.items()):
            problems.add_metric((code,), count)
        yield problems
        limited = CounterMetricFamily("lockhouse_requests_limited", "Requests told to slow down.", labels=("limit",))
        for limit, count in (each for refused in self.refusals for each in refused.items()):
            limited.add_metric((limit,), count)
        yield limited
        times = HistogramMetricFamily(
            "lockhouse_request_seconds",
            "Time from the head of a request to the head of its answer; held lock requests count whole.",
            labels=("protocol",),
        )
        for protocol, counts in sorted(self._times.items()):
            bounds = [*(str(bound) for bound in _SECONDS), "+Inf"]
            times.add_metric((protocol,), list(zip(bounds, accumulate(counts), strict=True)), self._sums[protocol])
        yield times


class _History(Collector):
    """What became of the history since the start."""

    def __init__(self, repacking: Repacking, scrubbing: Scrubbing) -> None:
        self._repacking = repacking
        self._scrubbing = scrubbing

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        packed, scrubbed = self._repacking.total, self._scrubbing
        yield CounterMetricFamily("lockhouse_versions_packed", "Versions packed.", value=packed.versions)
        yield CounterMetricFamily("lockhouse_packing_failures", "Versions not packed: damaged.", value=packed.failed)
        yield CounterMetricFamily("lockhouse_bodies_scrubbed", "Bodies checked by scrubs.", value=scrubbed.checked)
        yield GaugeMetricFamily(
            "lockhouse_bodies_damaged", "Bodies that were damaged when last checked.", value=len(scrubbed.damaged)
        )


class _Counts(NamedTuple):
    """What the storage says."""

    held: int
    waiting: int
    parked: int
    unsealed: int
    failing: int
    skipped: int
    maintenance: int


class _House(Collector):
    """Numbers of the house at the moment of asking."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._counts: _Counts | None = None
        self._sessions: int | None = None
        self.gauges: list[tuple[str, str, Callable[[], float]]] = []
        """More numbers: name, meaning, and how it stands."""

    async def look(self) -> None:
        """Ask the storage; it may not answer. What was asked is kept all at once: others may be asking, too."""
        counts: _Counts | None = None
        sessions: int | None = None
        with suppress(Problem):
            counts = await self._house.read(self._count)
        with suppress(Problem):
            sessions = len(await self._house.sessions.of("", _MOST))
        self._counts, self._sessions = counts, sessions

    def _count(self, tx: Reader) -> _Counts:
        held = tx.held_locks(limit=_MOST_LOCKS)
        webhooks = tx.webhooks()
        return _Counts(
            held=len(held),
            waiting=self._house.locking.waiting.count,
            parked=len(tx.parked_writes(limit=_MOST)),
            unsealed=len(tx.unsealed(limit=_MOST)),
            failing=sum(progress.failures > 0 for _, progress in webhooks),
            skipped=sum(progress.skipped for _, progress in webhooks),
            maintenance=sum(each.stands(self._house.engine.now()) for each in tx.maintenances()),
        )

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        version = GaugeMetricFamily("lockhouse_info", "The version of this server.", labels=("version",))
        version.add_metric((lockhouse.__version__,), 1)
        yield version
        yield GaugeMetricFamily(
            "lockhouse_storage_up", "1 when the storage answered for these numbers, else 0.", value=counts is not None
        )
        if counts is not None:
            yield GaugeMetricFamily("lockhouse_locks_held", f"Locks held now, up to {_MOST_LOCKS}.", value=counts.held)
            yield GaugeMetricFamily("lockhouse_lock_waiters", "Lock requests being held now.", value=counts.waiting)
            yield GaugeMetricFamily(
                "lockhouse_writes_parked", f"Parked writes that wait for a person, up to {_MOST}.", value=counts.parked
            )
            yield GaugeMetricFamily(
                "lockhouse_audit_unsealed",
                f"Audit entries that are not in the chain yet, up to {_MOST}.",
                value=counts.unsealed,
            )
            yield GaugeMetricFamily(
                "lockhouse_webhooks_failing", "Webhooks whose next event could not be told yet.", value=counts.failing
            )
            yield GaugeMetricFamily(
                "lockhouse_webhooks_skipped", "Events of living webhooks that were given up.", value=counts.skipped
            )
            yield GaugeMetricFamily(
                "lockhouse_maintenance", "Places where maintenance keeps everybody out.", value=counts.maintenance
            )
        if self._sessions is not None:
            yield GaugeMetricFamily(
                "lockhouse_sessions", f"Sessions that have not ended, up to {_MOST}.", value=self._sessions
            )
        for name, meaning, ask in self.gauges:
            yield GaugeMetricFamily(name, meaning, value=ask())
