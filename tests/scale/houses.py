"""Two servers side by side: one with a hundred states, one with as many as a test asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.clouds import Lockhouse
from tests.postgres import Cluster, running_cluster
from tests.scale.costs import House
from tests.scale.load import load_postgres, load_sqlite
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
        for house in houses:
            house.name_workspaces()
        for house in houses:
            house.connect()
        yield houses[0], houses[1]
    finally:
        for server in servers:
            server.abandon()


@contextmanager
def side_by_side_on_postgres(directory: Path, large: Size) -> Iterator[tuple[House, House]]:
    """Both on a PostgreSQL of their own, whose processor time for them counts with theirs."""
    with ExitStack() as ending:
        houses = []
        for name, size in (("small", SMALL), ("large", large)):
            cluster = ending.enter_context(running_cluster(shared_buffers="256MB", max_wal_size="4GB"))
            server = Lockhouse(directory / name, settings=QUIET, flags=("--database-url", cluster.url))
            ending.callback(server.abandon)
            server.stop()
            load_postgres(cluster.url, size)
            server.start()
            houses.append(House(server, size, lambda cluster=cluster: _backends(cluster)))
        for house in houses:
            house.name_workspaces()
        yield houses[0], houses[1]


def _backends(cluster: Cluster) -> list[int]:
    """The processes of PostgreSQL that serve connections of a server."""
    found = cluster.psql(
        "SELECT pid FROM pg_stat_activity WHERE usename = 'lockhouse' AND backend_type = 'client backend'"
    )
    return [int(row[0]) for row in found]
