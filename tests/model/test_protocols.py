"""All protocols at once against a small model: one holder, no acknowledged version lost, no write past a lock.

The model knows who holds the lock, who was fenced when, and every version that was acknowledged. Whatever the protocols
answer must be what the model says, and every protocol must read the same bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lockhouse.core.locks import Facet
from tests.model.clients import ADDRESS, ALL, PLAIN, AwsClient, CloudClient, HttpClient, make_rig
from tests.wire.rig import state

WHO = st.integers(0, 5)
pytestmark = pytest.mark.timeout(900)
"""A failure is made smaller for up to five minutes."""


class Protocols(RuleBasedStateMachine):
    @initialize()
    def build(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lockhouse-model-"))
        self.rig = make_rig(self.directory)
        users = [self.rig.user(name, *PLAIN) for name in ("a", "b", "c", "d", "e", "f")]
        self.boss = CloudClient(self.rig, self.rig.user("boss", *ALL))
        self.boss._ask("POST", "organizations/acme/workspaces", {"data": {"attributes": {"name": "prod"}}})
        self.clients = [
            AwsClient(self.rig, users[0], Facet.TABLE),
            AwsClient(self.rig, users[1], Facet.LOCKFILE),
            HttpClient(self.rig, users[2]),
            HttpClient(self.rig, users[3]),
            CloudClient(self.rig, users[4]),
            CloudClient(self.rig, users[5]),
        ]
        self.holder: int | None = None
        self.acknowledged: list[bytes] = []
        self.fenced: dict[int, int] = {}
        self.serial = 0

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.close()
            shutil.rmtree(self.directory)

    @rule(who=WHO)
    def lock(self, who: int) -> None:
        granted = self.clients[who].lock()
        assert granted == (self.holder is None)
        if granted:
            self.holder = who
            self.fenced.pop(who, None)

    @rule(who=WHO)
    def repeat_the_lock_request(self, who: int) -> None:
        client = self.clients[who]
        if client.sends_id and client.lock_id and self.holder is not None:
            assert client.lock(client.lock_id) == (self.holder == who)

    @rule(who=WHO, again=st.booleans())
    def unlock(self, who: int, again: bool) -> None:
        for _ in range(2 if again else 1):
            self.clients[who].unlock()
        if self.holder == who:
            self.holder = None

    @rule()
    def force(self) -> None:
        self.boss.force()
        if self.holder is not None:
            self.fenced[self.holder] = len(self.acknowledged)
            self.holder = None

    @rule(who=WHO)
    def write(self, who: int) -> None:
        client = self.clients[who]
        self.serial += 1
        body = state(self.serial, by=client.name)
        allowed = self.holder == who
        if self.holder is None and not client.needs_lock and not (client.names_lock and client.lock_id):
            allowed = who not in self.fenced
        assert client.write(body) == allowed, (client.name, self.holder)
        if allowed:
            self.acknowledged.append(body)

    @rule(who=WHO)
    def write_what_is_there_already(self, who: int) -> None:
        client = self.clients[who]
        if self.acknowledged and (self.holder == who or not client.needs_lock):
            fence = self.fenced.get(who)
            overtaken = fence is not None and len(self.acknowledged) > fence
            assert client.write(self.acknowledged[-1]) != overtaken

    @rule(who=WHO, back=st.integers(0, 3))
    def write_an_older_or_equal_serial(self, who: int, back: int) -> None:
        if self.acknowledged and self.serial > back:
            current = self.rig.house.engine.store.read(lambda tx: tx.current(tx.state(ADDRESS)))
            body = state(max(0, current.facts.serial - back), by="an impostor")
            assert not self.clients[who].write(body)

    @rule()
    def let_time_pass(self) -> None:
        self.rig.now += 40

    @invariant()
    def every_protocol_reads_the_last_acknowledged_bytes(self) -> None:
        if hasattr(self, "rig"):
            wanted = self.acknowledged[-1] if self.acknowledged else None
            assert {client.read() for client in (self.clients[0], self.clients[2], self.clients[4])} == {wanted}

    @invariant()
    def no_acknowledged_version_is_lost_and_at_most_one_holds(self) -> None:
        if hasattr(self, "rig"):
            record = self.rig.store.read(lambda tx: tx.state(ADDRESS))
            assert record.versions == len(self.acknowledged)
            lock = self.rig.store.read(lambda tx: tx.lock(record).lock)
            assert (lock is None) == (self.holder is None)
            if lock is not None:
                assert lock.name == self.clients[self.holder].user.name
                assert len(lock.holds) == 1


TestProtocols = Protocols.TestCase
TestProtocols.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
@pytest.mark.timeout(3600)
class TestManyProtocols(Protocols.TestCase):  # type: ignore[name-defined, misc]
    settings = settings(
        max_examples=500, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
    )
