"""Webhooks of three servers on one PostgreSQL database: who tells is one of them, and another one when it is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lockhouse.runtime.dispatcher import NOTE_EVERY
from tests.e2e.clouds import client_environment, lockhouse_program
from tests.e2e.processes import Child
from tests.e2e.test_replicas import SPACE
from tests.e2e.test_webhooks import Receiver, state
from tests.eventually import eventually
from tests.postgres import free_port, running_cluster

COUNT = 3


class Fleet:
    """The servers by the names that they tell receivers, and a client of each."""

    def __init__(self, directory: Path, url: str) -> None:
        key = directory / "master.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o600)
        settings = {
            "LOCKHOUSE_DATABASE_URL": url,
            "LOCKHOUSE_MASTER_KEY_FILE": str(key),
            "LOCKHOUSE_ENCRYPTION_KEY": "off",
            "LOCKHOUSE_WEBHOOK_PRIVATE_NETWORKS": "true",
        }
        ports = {f"https://server-{number}.test": free_port() for number in range(COUNT)}
        self.servers = {
            name: Child(
                [lockhouse_program(), "serve", "--data", str(directory / str(port)), "--listen", f"127.0.0.1:{port}"],
                environment=client_environment() | settings | {"LOCKHOUSE_PUBLIC_URL": name},
                directory=directory,
                log=directory / f"{port}.log",
            )
            for name, port in ports.items()
        }
        for each in self.servers.values():
            each.wait_for("Lockhouse is ready at", seconds=60)
        written = next(directory.glob("*/credentials.json"))
        token = json.loads(written.read_text())["token"]
        self.clients = {
            name: httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("x", token), timeout=30, trust_env=False)
            for name, port in ports.items()
        }
        self.serial = 0

    def write(self, count: int) -> None:
        """So many versions, through one server after the other."""
        living = list(self.clients.values())
        for _ in range(count):
            self.serial += 1
            answer = living[self.serial % len(living)].post(f"{SPACE}/app.tfstate", content=state(self.serial, 1))
            assert answer.status_code == 200, answer.text

    def kill(self, name: str) -> None:
        self.servers[name].end()
        self.clients.pop(name).close()

    def end(self) -> None:
        for client in self.clients.values():
            client.close()
        for each in self.servers.values():
            each.end()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with running_cluster() as cluster:
        made = Fleet(tmp_path, cluster.url)
        yield made
        made.end()


def serials(events: list[dict]) -> list[int]:
    return [int(each["detail"].split(",")[0].removeprefix("serial ")) for each in events]


def test_everything_arrives_in_order_and_once_while_one_tells_and_goes_on_when_it_is_killed(fleet: Fleet):
    receiver = Receiver()
    ask = {"name": "all", "url": receiver.url, "events": ["version.write"]}
    made = next(iter(fleet.clients.values())).post("/lockhouse/v1/webhooks", json=ask)
    assert made.status_code == 201, made.text
    fleet.write(30)
    eventually(lambda: next(iter(fleet.clients.values())).get("/lockhouse/v1/webhooks/all").json()["failures"], 60)
    receiver.start()
    try:
        receiver.wait_for(lambda: len(receiver.got) >= 30)
        fleet.write(45)
        receiver.wait_for(lambda: len(receiver.got) >= 75)
        told = receiver.events()
        assert serials(told) == list(range(1, 76))
        leaders = {each["server"] for each in told}
        assert len(leaders) == 1

        leader = leaders.pop()
        fleet.write(10)
        receiver.wait_for(lambda: len(receiver.got) > 75)
        fleet.kill(leader)
        fleet.write(30)
        receiver.wait_for(lambda: fleet.serial in serials(receiver.events()), seconds=90)
    finally:
        receiver.stop()
    after = [each for each in receiver.events() if each["server"] != leader]
    assert len({each["server"] for each in after}) == 1
    assert serials(after) == list(range(serials(after)[0], fleet.serial + 1))
    assert set(serials(receiver.events())) == set(range(1, fleet.serial + 1))
    assert len(receiver.got) - fleet.serial <= NOTE_EVERY
