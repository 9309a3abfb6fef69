"""What operators watch, in Prometheus' text format. No label ever has a name of somebody's state, key or namespace."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import lockhouse
from lockhouse.runtime.house import House
from lockhouse.runtime.repacking import Repacking
from lockhouse.runtime.scrubbing import Scrubbing

_MOST_LOCKS = 10_000
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One server's numbers. Protocols call `observe`; the rest is looked up when somebody asks."""

    def __init__(self, house: House, repacking: Repacking | None = None, scrubbing: Scrubbing | None = None) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_House(house))
        self._requests = _Requests()
        self._registry.register(self._requests)
        self.observe = self._requests.observe
        self.served = self._requests.served
        if repacking is not None and scrubbing is not None:
            self._registry.register(_History(repacking, scrubbing))

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Requests(Collector):
    """Requests answered and their times, counted in plain numbers: every request passes here, and hardly any scrape."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = {}
        self._times: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

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


class _House(Collector):
    """Numbers that are read from the house at the moment of asking."""

    def __init__(self, house: House) -> None:
        self._house = house

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        held = self._house.engine.store.read(lambda tx: tx.held_locks(limit=_MOST_LOCKS))
        waiting = sum(len(self._house.waiting.waiters(state.address)) for state, _ in held)
        version = GaugeMetricFamily("lockhouse_info", "The version of this server.", labels=("version",))
        version.add_metric((lockhouse.__version__,), 1)
        yield version
        yield GaugeMetricFamily("lockhouse_locks_held", f"Locks held now, up to {_MOST_LOCKS}.", value=len(held))
        yield GaugeMetricFamily("lockhouse_lock_waiters", "Lock requests being held now.", value=waiting)
