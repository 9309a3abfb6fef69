"""Lockhouse servers that share a database."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.e2e.clouds import Lockhouse
from tests.fleet.client import Protocol
from tests.fleet.traffic import Chain

NAMESPACE = "terraform-state"


@dataclass
class Fleet:
    """The replicas, first to last."""

    replicas: list[Lockhouse]

    @property
    def endpoints(self) -> list[str]:
        return [replica.endpoint for replica in self.replicas]

    def kill(self, number: int) -> None:
        """SIGKILL."""
        self.replicas[number].child.signal(signal.SIGKILL)
        self.replicas[number].child.wait(seconds=20)

    def restart(self, number: int) -> None:
        """On the address that it had."""
        replica = self.replicas[number]
        replica.start(replica.endpoint.rpartition("/")[2])

    def new_users(
        self, count: int, endpoints: Sequence[str]
    ) -> list[tuple[str, Protocol, Sequence[Mapping[str, str]]]]:
        """Users for `traffic`, each with a key of its own and all of these endpoints; the protocols in turn."""
        protocols = list(Protocol)
        return [
            (f"worker-{number}", protocols[number % len(protocols)], [pair | {"endpoint": each} for each in endpoints])
            for number, pair in enumerate(self._new_key(f"worker-{os.urandom(4).hex()}") for _ in range(count))
        ]

    def _new_key(self, name: str) -> dict[str, str]:
        replica = self.replicas[0]
        asked = {"name": name}
        answer = httpx.post(
            f"{replica.endpoint}/lockhouse/v1/keys",
            json=asked,
            headers={"Authorization": f"Bearer {replica.token}"},
            timeout=20,
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return {name: made[name] for name in ("access_key_id", "secret_access_key")}


def chains(count: int, name: str = "shared") -> list[Chain]:
    """States that nobody has used."""
    return [Chain(NAMESPACE, f"{name}-{number}/terraform.tfstate") for number in range(count)]


@contextlib.contextmanager
def fleet(
    directory: Path,
    count: int,
    flags: Sequence[str],
    *,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Fleet]:
    """So many servers with the same flags (where the database is) and each its own data directory."""
    started: list[Lockhouse] = []
    try:
        for number in range(count):
            started.append(  # noqa: PERF401 - those started before one that fails must be ended
                Lockhouse(directory / f"replica-{number}", settings=settings, flags=tuple(flags))
            )
        yield Fleet(started)
    finally:
        for replica in started:
            replica.abandon()
