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
from tests.fleet.network import Space
from tests.fleet.traffic import Chain

NAMESPACE = "terraform-state"
ENCRYPTION_KEY = "encryption.key"
"""Made by the first; the others are told where it is."""


@dataclass
class Fleet:
    """The replicas, first to last."""

    directory: Path
    replicas: list[Lockhouse]
    settings: Mapping[str, str]
    shared: tuple[str, ...]
    """Flags that make them one: where the master key is."""

    def join(self, flags: Sequence[str], space: Space | None = None) -> Lockhouse:
        """One more, with these flags for its database; in `space` it is beyond the lines of that."""
        first = self.replicas[0] if self.replicas else None
        bodies = ("--encryption-key", f"file:{first.data / ENCRYPTION_KEY}") if first else ()
        replica = Lockhouse(
            self.directory / f"replica-{len(self.replicas)}",
            settings=self.settings,
            flags=(*self.shared, *bodies, *flags),
            listen=f"{space.front.there}:7373" if space else "127.0.0.1:0",
            prefix=space.prefix if space else (),
            first=first,
        )
        self.replicas.append(replica)
        return replica

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
        self, count: int, endpoints: Sequence[str], name: str = "worker"
    ) -> list[tuple[str, Protocol, Sequence[Mapping[str, str]]]]:
        """Users for `traffic`, each with a key of its own and all of these endpoints; the protocols in turn."""
        protocols = list(Protocol)
        return [
            (f"{name}-{number}", protocols[number % len(protocols)], [pair | {"endpoint": each} for each in endpoints])
            for number, pair in enumerate(self._new_key(f"{name}-{os.urandom(4).hex()}") for _ in range(count))
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
    directory.mkdir(parents=True, exist_ok=True)
    master = directory / "master.key"
    master.write_bytes(os.urandom(32))
    master.chmod(0o600)
    made = Fleet(directory, [], dict(settings or {}), ("--master-key-file", str(master)))
    try:
        for _ in range(count):
            made.join(flags)
        yield made
    finally:
        for replica in made.replicas:
            replica.abandon()
