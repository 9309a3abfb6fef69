"""Rounds over held locks: what is marked, told, taken back and released, with a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.audit import Entry, decode
from lockhouse.core.federation import Run, Trust
from lockhouse.core.jobs import UNKNOWN, JobState, Report
from lockhouse.core.locks import Verdict
from lockhouse.core.principals import Credential, Grant, Identity, Kind, Principal, Right
from lockhouse.core.staleness import QUIET_SECONDS, Act, Rule
from lockhouse.errors import AccessDenied, LockHeld, LockMismatch, LockNotFound
from lockhouse.runtime import staleness as rounds
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.staleness import Staleness
from lockhouse.service import locks, staleness
from lockhouse.service.access import HOUSE
from lockhouse.service.callers import Caller
from lockhouse.storage.blobs.files import FileBlobs
from tests.unit.service.rooms import STATE, Rooms, caller, state

BEGAN = 2_000_000.0
ENDS = BEGAN + 600
SILENCE = 1800.0
GRANTS = (Grant("acme", "", (Right.READ, Right.WRITE, Right.LOCK)),)
ISSUER = "https://ci.example.com"


class Provider:
    """Answers what it is told to, and counts."""

    def __init__(self) -> None:
        self.report = UNKNOWN
        self.asked: list[Mapping[str, str]] = []

    def knows(self, issuer: str) -> bool:
        return issuer == ISSUER

    async def ask(self, issuer: str, claims: Mapping[str, str]) -> Report:
        self.asked.append(claims)
        return self.report


class World:
    """A house with one CI job that holds the lock, and the task that looks."""

    def __init__(self, tmp_path, act: Act | None = None) -> None:
        self.now = BEGAN
        self.rooms = Rooms()
        self.store = self.rooms.store
        run = Run("77", "https://ci.example.com/77", "192.0.2.7", {"job_id": "77"})
        job = Principal("P1", "deploy", GRANTS, 1.0, Kind.CI_JOB, trust=Trust(ISSUER, "a", {"x": "y"}))
        held = Credential("C1", "P1", "token", 1.0, expires_at=ENDS, run=run)
        self.store.write(lambda tx: (tx.save_principal(job), tx.save_credential(held)))
        if act is not None:
            self.store.write(lambda tx: staleness.POLICIES.set_rule(tx, self.house(), "acme", Rule("", act)))
        self.provider = Provider()
        self.memory: dict[str, float] = {}
        self.woken: list[Address] = []
        self.engine = Engine(self.store, FileBlobs(tmp_path), now=lambda: self.now)
        self.task = Staleness(
            self.engine,
            seen=lambda name: self.memory.get(name, 0.0),
            silence=SILENCE,
            jobs=self.provider,
            released=self.woken.append,
        )
        self.take()

    def house(self) -> Caller:
        return Caller(HOUSE, self.now, "lockhouse")

    def holder(self) -> Caller:
        who = Identity("P1", "deploy/77", "C1", GRANTS, kind="ci-job", link="https://ci.example.com/77")
        return Caller(who, self.now, "http", "192.0.2.7", "Terraform/1.15.5")

    def take(self) -> None:
        self.rooms.lock(self.holder(), "lock-1")

    def round(self, after: float = 0.0) -> None:
        self.now += after

        async def run() -> None:
            self.engine.start()
            await self.task.round(self.now)

        asyncio.run(run())

    @property
    def lock(self):
        found = self.store.read(lambda tx: tx.state_and_lock(STATE))
        return found[1].lock if found else None

    def told(self) -> list[Entry]:
        entries = [decode(raw) for _, raw in self.store.read(lambda tx: tx.unsealed())]
        return [each for each in entries if each.action.startswith("lock.")]


def test_a_holder_whose_credential_ended_is_shown_as_gone_and_keeps_the_lock(tmp_path):
    world = World(tmp_path)
    world.round()
    for _ in range(10):
        world.round(600)
    assert world.lock is not None
    assert world.lock.stale is not None
    assert world.lock.stale.source == "credential"
    assert not world.lock.stale.asks
    assert [each.action for each in world.told()] == ["lock.taken", "lock.stale"]
    assert world.told()[0].detail == "https://ci.example.com/77"
    assert "deploy/77 holds it since" in world.told()[1].detail
    assert "(job: https://ci.example.com/77)" in world.told()[1].detail
    assert world.task.found == 1
    with pytest.raises(LockHeld) as refusal:
        world.rooms.lock(caller("ann", now=world.now), "lock-2")
    assert "job: https://ci.example.com/77" in refusal.value.message
    assert "stale: its credential ended at" in refusal.value.message
    refused = world.rooms.put(state(1), caller("ann", now=world.now))
    assert "deploy/77 (job: https://ci.example.com/77) holds its lock" in refused.problem.message


def test_nothing_is_judged_before_the_silence_has_lasted(tmp_path):
    world = World(tmp_path, Act.RELEASE)
    world.round()
    world.round(600 + SILENCE - 1)
    assert world.lock is not None
    assert world.lock.stale is None


def test_a_policy_that_asks_says_what_to_type_and_a_person_confirms_it_once(tmp_path):
    world = World(tmp_path, Act.ASK)
    world.round()
    world.round(600 + SILENCE)
    world.round(3600)
    assert world.lock is not None
    assert world.lock.stale is not None
    assert world.lock.stale.asks
    stale = [each for each in world.told() if each.action == "lock.stale"]
    assert len(stale) == 1
    assert "lockhouse lock release --stale acme app/terraform.tfstate" in stale[0].detail
    may_not = caller("eve", grants=GRANTS, now=world.now)
    with pytest.raises(AccessDenied):
        world.store.write(lambda tx: staleness.release(tx, may_not, STATE, seen=0.0))
    may = caller("ann", grants=(Grant("acme", "", (Right.FORCE_UNLOCK,)),), now=world.now)
    released = world.store.write(lambda tx: staleness.release(tx, may, STATE, seen=0.0))
    assert released.lock.name == "deploy/77"
    assert world.lock is None
    forced = world.told()[-1]
    assert (forced.action, forced.name) == ("lock.forced", "ann")
    assert forced.detail.startswith("stale: its credential ended at")
    with pytest.raises(LockNotFound):
        world.store.write(lambda tx: staleness.release(tx, may, STATE, seen=0.0))


def test_a_policy_that_releases_waits_until_any_use_would_be_known_and_fences_the_holder(tmp_path):
    world = World(tmp_path, Act.RELEASE)
    world.round()
    world.round(600 + SILENCE)
    world.round(QUIET_SECONDS - 1)
    assert world.lock is not None
    world.round(1)
    assert world.lock is None
    assert world.woken == [STATE]
    record = world.store.read(lambda tx: tx.state_and_lock(STATE))[1]
    (fence,) = record.fences
    assert fence.credential == "C1"
    assert fence.by == "lockhouse"
    assert fence.reason.startswith("stale: its credential ended at")
    assert [each.action for each in world.told()] == ["lock.taken", "lock.stale", "lock.forced"]


@pytest.mark.parametrize("where", ["here", "elsewhere", "a write"])
def test_a_holder_that_is_seen_again_keeps_its_lock(tmp_path, where):
    world = World(tmp_path, Act.RELEASE)
    world.round()
    world.round(600 + SILENCE)
    assert world.lock.stale is not None
    world.now += 100
    if where == "here":
        world.memory["C1"] = world.now
    elif where == "elsewhere":
        world.store.write(lambda tx: tx.save_use("C1", world.now))
    else:
        world.rooms.put(state(1), world.holder())
    world.round(QUIET_SECONDS)
    assert world.lock is not None
    assert world.lock.stale is None
    assert world.told()[-1].action == "lock.seen-again"


@pytest.mark.parametrize("what", ["seen", "another lock", "a write", "other evidence"])
def test_what_changes_between_the_look_and_the_release_is_compared_in_the_transaction(tmp_path, what):
    world = World(tmp_path, Act.RELEASE)
    world.round()
    world.round(600 + SILENCE)
    lock, seen = world.lock, 0.0
    world.now += QUIET_SECONDS
    if what == "seen":
        seen = world.now
    elif what == "another lock":
        world.rooms.unlock(world.holder())
        world.take()
    elif what == "a write":
        world.rooms.put(state(1), world.holder())
    else:
        other = msgspec.structs.replace(lock.stale, why="another reason")
        world.store.write(lambda tx: staleness.mark(tx, world.house(), STATE, lock.epoch, other))
    with pytest.raises(LockMismatch):
        world.store.write(lambda tx: staleness.release(tx, world.house(), STATE, seen=seen, expected=lock))
    assert world.lock is not None


def test_a_job_that_its_provider_calls_ended_is_evidence_at_once(tmp_path):
    world = World(tmp_path)
    world.provider.report = Report(JobState.ENDED, BEGAN + 30, "cancelled")
    world.round()
    assert world.provider.asked == []
    world.round(QUIET_SECONDS)
    assert world.provider.asked == [{"job_id": "77"}]
    assert world.lock.stale is not None
    assert world.lock.stale.why.startswith("its CI job ended at")
    world.round(60)
    assert len(world.provider.asked) == 1


def test_a_running_job_is_asked_about_more_and_more_seldom_and_its_lock_is_left(tmp_path):
    world = World(tmp_path, Act.RELEASE)
    world.provider.report = Report(JobState.RUNNING)
    world.round()
    for _ in range(240):
        world.round(60)
    assert world.lock is not None
    assert world.lock.stale is None
    assert 15 < len(world.provider.asked) < 25


def test_one_round_asks_about_so_many_jobs_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "ASKED", 2)
    world = World(tmp_path)
    for number in range(5):
        name, key = f"C{number + 2}", f"app{number}.tfstate"
        run = Run("78", "", "", {"job_id": name})
        world.store.write(lambda tx, n=name, r=run: tx.save_credential(Credential(n, "P1", "token", 1.0, run=r)))
        who = Caller(Identity("P1", "deploy/78", name, GRANTS), world.now, "http")
        world.rooms.lock(who, address=Address("acme", key))
    world.round()
    world.round(QUIET_SECONDS)
    assert len(world.provider.asked) == 2
    world.round(10)
    assert len(world.provider.asked) == 4


def test_a_clock_that_jumps_years_ahead_steals_no_lock(tmp_path):
    """Silence is counted anew from the jump on, so a living holder is seen before anything follows from it."""
    world = World(tmp_path, Act.RELEASE)

    async def look(steady: float) -> None:
        world.engine.start()
        await world.task.round(steady)

    asyncio.run(look(0.0))
    world.now += 10 * 365 * 86_400
    for steady in (60.0, 120.0, 600.0):
        asyncio.run(look(steady))
        assert world.lock is not None
        assert world.lock.stale is None


def test_evidence_is_lost_with_the_lock_and_a_new_lock_is_clean(tmp_path):
    world = World(tmp_path)
    world.round()
    world.round(600 + SILENCE)
    assert world.lock.stale is not None
    assert (
        world.store.write(lambda tx: locks.release(tx, world.holder(), locks.Unlock(STATE, world.lock.holds[0].facet)))
        is Verdict.RELEASED
    )
    world.take()
    assert world.lock.stale is None
    assert not world.store.write(lambda tx: staleness.mark(tx, world.house(), STATE, world.lock.epoch - 1, None))


def test_of_two_servers_that_both_look_one_releases(tmp_path):
    world = World(tmp_path, Act.RELEASE)
    other = Staleness(world.engine, seen=lambda _: 0.0, silence=SILENCE, released=world.woken.append)

    async def both() -> None:
        world.engine.start()
        await asyncio.gather(world.task.round(world.now), other.round(world.now))

    for later in (0.0, 600 + SILENCE, QUIET_SECONDS, 60.0):
        world.now += later
        asyncio.run(both())
    assert world.lock is None
    assert world.woken == [STATE]
    assert [each.action for each in world.told()].count("lock.forced") == 1


@pytest.mark.parametrize("how", ["writes", "is seen"])
def test_a_holder_that_is_there_while_its_provider_is_asked_is_not_said_to_be_gone(tmp_path, how):
    world = World(tmp_path)
    world.provider.report = Report(JobState.ENDED, BEGAN, "failed")

    async def ask(issuer: str, claims: Mapping[str, str]) -> Report:
        del issuer, claims
        if how == "writes":
            world.rooms.put(state(1), world.holder(), lock_id="lock-1")
        else:
            world.memory["C1"] = world.now + 1.0
        return world.provider.report

    world.provider.ask = ask
    world.round(QUIET_SECONDS + 1)
    assert (world.lock.stale, world.task.found) == (None, 0)
    assert [each.action for each in world.told()] == ["lock.taken"]
