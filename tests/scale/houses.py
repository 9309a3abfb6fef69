"""Two servers side by side: one with a hundred states, one with as many as a test asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.clouds import Lockhouse
from tests.scale.costs import House
from tests.scale.load import load_sqlite
from tests.scale.rows import Size

SMALL = Size(states=100, versions=1000)
DATABASE = "lockhouse.db"
QUIET = {"LOCKHOUSE_LOCK_WAIT": "0", "LOCKHOUSE_PACKING": "false", "LOCKHOUSE_SCRUB_RATE": "0"}
"""No work in the background, which a large house has more of: what is measured is requests."""


@contextmanager
def side_by_side(directory: Path, large: Size) -> Iterator[tuple[House, House]]:
    """Both on the embedded default, started anew after their rows were put in."""
    servers: list[Lockhouse] = []
    try:
        houses = []
        for name, size in (("small", SMALL), ("large", large)):
            server = Lockhouse(directory / name, settings=QUIET)
            servers.append(server)
            server.stop()
            load_sqlite(server.data / DATABASE, size)
            server.start()
            houses.append(House(server, size))
        yield houses[0], houses[1]
    finally:
        for server in servers:
            server.abandon()
