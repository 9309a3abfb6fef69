"""A primary with one standby that follows it by streaming replication, synchronously or not.

with primary_with_standby(synchronous=True) as pair:
    serve(pair.url)         # both hosts are in the URL: clients go where they may write
    pair.primary.kill()
    pair.promote()
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.postgres import DATABASE, USER, Cluster, new_home, programs, run_as_owner, running_cluster

STANDBY = "standby"
_PATIENCE = 30.0


@dataclass
class Pair:
    """Both clusters. `synchronous`: whether a commit waits for the standby."""

    primary: Cluster
    standby: Cluster
    synchronous: bool

    @property
    def url(self) -> str:
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{USER}:{self.primary.password}@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def follows(self) -> bool:
        """Whether the standby streams, and synchronously where it should."""
        wanted = "sync" if self.synchronous else "async"
        return self.primary.psql("SELECT sync_state FROM pg_stat_replication") == [(wanted,)]

    def wait_until_it_follows(self) -> None:
        end = time.monotonic() + _PATIENCE
        while not self.follows():
            assert time.monotonic() < end, self.standby.log.read_text()[-3000:]
            time.sleep(0.05)

    def promote(self) -> None:
        """Make the standby the primary, as an operator or a watchdog would. Until it accepts writes."""
        self.standby.psql("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.standby.psql("SELECT pg_promote(true, 30)")

    def cut_replication(self) -> None:
        """The standby hears nothing more of the primary, and the primary goes on serving."""
        self.standby.psql("ALTER SYSTEM SET primary_conninfo = ''")
        self.standby.psql("SELECT pg_reload_conf()")
        end = time.monotonic() + _PATIENCE
        while self.primary.psql("SELECT 1 FROM pg_stat_replication"):
            assert time.monotonic() < end, "the standby still follows"
            time.sleep(0.05)


@contextlib.contextmanager
def primary_with_standby(*, synchronous: bool) -> Iterator[Pair]:
    """Both run, and the standby follows."""
    waits_for = STANDBY if synchronous else ""
    with running_cluster(wal_level="replica", max_wal_senders=4, hot_standby="on") as primary:
        home = new_home(Path("/tmp"))
        standby = Cluster(home, settings={"hot_standby": "on"})
        standby.password = primary.password
        try:
            run_as_owner([
                programs() / "pg_basebackup", "-h", str(primary.home), "-p", str(primary.port), "-U", "postgres",
                "-D", str(standby.data), "-X", "stream", "-c", "fast",
            ])  # fmt: skip
            source = f"host={primary.home} port={primary.port} user=postgres application_name={STANDBY}"
            with (standby.data / "postgresql.auto.conf").open("a") as settings:
                settings.write(f"primary_conninfo = '{source}'\n")
            (standby.data / "standby.signal").touch()
            standby.start()
            primary.psql(f"ALTER SYSTEM SET synchronous_standby_names = '{waits_for}'")
            primary.psql("SELECT pg_reload_conf()")
            pair = Pair(primary, standby, synchronous)
            pair.wait_until_it_follows()
            yield pair
        finally:
            try:
                standby.stop("immediate")
            finally:
                shutil.rmtree(home, ignore_errors=True)
