"""Fixtures of the end-to-end tests: servers, developers with real Terraform, and points where they can be stopped.

Every test has its own bucket, table, directories and keys, so tests may run beside each other in any order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.certificates import Certificate
from tests.e2e.clouds import Cloud, Lockhouse, Moto
from tests.e2e.fault_proxy import FaultProxy
from tests.e2e.holds import Gate, Hold
from tests.e2e.terraform import Terraform

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The peer with plain AWS behaviour, one process for all tests of a worker."""
    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server.cloud
    server.stop()


@pytest.fixture(scope="session")
def lockhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lockhouse]:
    """A Lockhouse that refuses at once, one process for all tests of a worker; its end is checked too."""
    server = Lockhouse(tmp_path_factory.mktemp("lockhouse"), settings={"LOCKHOUSE_LOCK_WAIT": "0"})
    yield server
    try:
        server.stop()
    finally:
        server.abandon()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from tests.e2e.browser import running_chromium  # noqa: PLC0415 - most tests need no browser

    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that clients can be told to trust."""
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def start_lockhouse(tmp_path: Path) -> Iterator[Callable[..., Lockhouse]]:
    """Start a Lockhouse of one's own: `start_lockhouse(settings={…}, flags=(…))`."""
    started: list[Lockhouse] = []

    def start(**options) -> Lockhouse:
        started.append(Lockhouse(tmp_path / f"lockhouse-{len(started)}", **options))
        return started[-1]

    yield start
    try:
        for server in started:
            if server.child.running:
                server.stop()
    finally:
        for server in started:
            server.abandon()


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The server of a scenario: Lockhouse, or the one that the test names by parametrizing this fixture.

    `LOCKHOUSE_TEST_CLOUD=moto` plays the Shows on the peer, to see which of them plain AWS behaviour passes too.
    """
    wanted = getattr(request, "param", os.environ.get("LOCKHOUSE_TEST_CLOUD", "lockhouse"))
    server = request.getfixturevalue(wanted)
    return server.cloud if isinstance(server, Lockhouse) else server


@pytest.fixture
def developer(tmp_path: Path) -> Iterator[Callable[..., Terraform]]:
    """Make a developer with real Terraform: `developer("alice", cloud=cloud, version="1.6.6")`."""
    made: list[Terraform] = []

    def make(name: str, **options) -> Terraform:
        made.append(Terraform(tmp_path / name, **options))
        return made[-1]

    yield make
    for terraform in made:
        terraform.close()


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[str], Hold]]:
    """Make a point at which a client of Terraform 1.4 or newer stops inside its apply."""
    made: list[Hold] = []

    def make(name: str) -> Hold:
        made.append(Hold(tmp_path, name))
        return made[-1]

    yield make
    for point in made:
        point.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A point at which any client stops while it reads its data sources."""
    made = Gate()
    yield made
    made.close()


@pytest.fixture
def proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """Put a faulty line in front of an endpoint: `proxy(cloud.endpoint)`."""
    made: list[FaultProxy] = []

    def make(endpoint: str) -> FaultProxy:
        made.append(FaultProxy(endpoint))
        return made[-1]

    yield make
    for line in made:
        line.close()


def pytest_report_header() -> str:
    """Say where the client programs come from."""
    return f"clients: {os.environ.get('LOCKHOUSE_TOOLS', '.tools')}"
