"""Whatever is written, packed, kept, deleted, had back, purged and swept: what is there reads as it was written.

The model is a plain dictionary of bytes. The store is SQLite with sealed bodies in rows and in files; the steps are the
use cases and chores that a server runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis.strategies as some
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import place_of_body
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.core.retention import Rule
from lockhouse.core.versions import Body, Facts
from lockhouse.runtime.engine import Engine
from lockhouse.runtime.outgoing import whole
from lockhouse.runtime.packing import compress
from lockhouse.runtime.repacking import Repacking
from lockhouse.runtime.scrubbing import Scrubbing
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring
from lockhouse.service import namespaces, objects, retention, trash
from lockhouse.service.callers import Caller
from lockhouse.service.versions import Put, Written
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.sql.sqlite import SqliteStore

HOME = Address("acme", "app.tfstate")
WHO = Identity("root", "root", "key", (Grant("*", "", (Right.ADMIN,)),))
RING = Ring([b"k" * 32])
BLOCKS = [random.Random(number).randbytes(300) for number in range(12)]
pytestmark = pytest.mark.timeout(900)
"""A failure is made smaller for up to five minutes, in which the machine runs thousands of times."""


class Histories(RuleBasedStateMachine):
    """One state; `living` and `thrown` are the bytes that must be there, by version id."""

    def __init__(self) -> None:
        super().__init__()
        # One loop and one thread for all steps: what is tried is the store, and a loop for each step costs more than it.
        self.loop = asyncio.Runner()
        self.loop.get_loop().set_default_executor(ThreadPoolExecutor(1))
        self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name)
        self.store = SqliteStore(path / "db", synchronous="OFF")
        self.blobs = FileBlobs(path / "blobs", durable=False)
        self.bodies = Bodies(self.blobs, RING)
        self.engine = Engine(self.store, self.blobs, now=lambda: self.now)
        self.loop.run(self.begin())
        self.now = 1_000_000.0
        self.serial = 0
        self.count = 0
        self.content = list(BLOCKS)
        self.living: dict[str, bytes] = {}
        self.thrown: dict[str, bytes] = {}
        self.order: list[str] = []
        self.deleted = False
        self.store.write(lambda tx: namespaces.create(tx, self.caller(), "acme"))

    def caller(self) -> Caller:
        return Caller(WHO, self.now, "s3")

    def nonce(self) -> str:
        self.count += 1
        return f"n{self.count}"

    async def begin(self) -> None:
        self.engine.start()

    def run(self, act: Callable[[Engine], Coroutine[object, object, object]]):
        return self.loop.run(act(self.engine))

    @rule(place=some.integers(0, 11), seed=some.integers(0, 10**6), large=some.booleans(), times=some.integers(1, 3))
    def write(self, place: int, seed: int, large: bool, times: int) -> None:
        for _ in range(times):
            self.now += 10.0
            self.serial += 1
            self.content[place] = random.Random(seed * 7 + self.serial).randbytes(300)
            raw = b"%d" % self.serial + b"".join(self.content)
            secret = self.bodies.make_secret()
            body = Body(len(raw), hashlib.md5(raw, usedforsecurity=False).digest(), hashlib.sha256(raw).digest())
            if large:
                writer = self.bodies.create(secret)
                writer.write(raw)
                body = replace(body, blob=writer.finish())
            else:
                body = replace(body, packed=self.bodies.seal(secret, compress(raw)))
            nonce = self.nonce()
            command = Put(
                HOME, self.bodies.bind(body, secret, place_of_body(HOME, nonce)), nonce, Facts(self.serial, "one")
            )
            written = self.store.write(lambda tx, command=command: objects.put(tx, self.caller(), command))
            assert isinstance(written, Written)
            self.living[written.version.id] = raw
            self.order.append(written.version.id)
            self.deleted = False

    @rule()
    def pack(self) -> None:
        report = self.run(lambda engine: Repacking(engine, self.bodies, lambda: 0).round(quiet=0.0))
        assert report.failed == 0

    @precondition(lambda self: self.living)
    @rule(chosen=some.integers(0, 10**6))
    def delete_a_version(self, chosen: int) -> None:
        version = sorted(self.living)[chosen % len(self.living)]
        self.store.write(lambda tx: objects.delete(tx, self.caller(), HOME, self.nonce(), version))
        self.thrown[version] = self.living.pop(version)

    @precondition(lambda self: self.thrown)
    @rule(chosen=some.integers(0, 10**6))
    def have_a_version_back(self, chosen: int) -> None:
        version = sorted(self.thrown)[chosen % len(self.thrown)]
        self.store.write(lambda tx: trash.undelete(tx, self.caller(), HOME, version))
        self.living[version] = self.thrown.pop(version)
        self.deleted = self._is_deleted()

    @precondition(lambda self: self.thrown)
    @rule(chosen=some.integers(0, 10**6))
    def purge(self, chosen: int) -> None:
        version = sorted(self.thrown)[chosen % len(self.thrown)]
        state = self.store.read(lambda tx: tx.state(HOME))
        self.run(lambda engine: Repacking(engine, self.bodies, lambda: 0).release(state))
        self.store.write(lambda tx: trash.purge(tx, self.caller(), HOME, version))
        del self.thrown[version]

    @precondition(lambda self: self.living and not self.deleted)
    @rule()
    def delete_the_state(self) -> None:
        self.store.write(lambda tx: objects.delete(tx, self.caller(), HOME, self.nonce()))
        self.deleted = self._is_deleted()

    @precondition(lambda self: self.living and self.deleted)
    @rule()
    def undelete_the_state(self) -> None:
        self.store.write(lambda tx: trash.undelete(tx, self.caller(), HOME))
        self.deleted = self._is_deleted()

    def _is_deleted(self) -> bool:
        state = self.store.read(lambda tx: tx.state(HOME))
        return not state.live

    @precondition(lambda self: self.living)
    @rule(keep=some.integers(1, 6))
    def retain(self, keep: int) -> None:
        def command(tx) -> set[str]:
            retention.POLICIES.set_rule(tx, self.caller(), "acme", Rule(keep_versions=keep))
            policy = retention.POLICIES.of(tx, "acme")
            verdict = retention.decide(tx, tx.state(HOME), policy, now=self.now + 100.0, floor=0.0)
            gone = {each.id for each in verdict.gone if not each.is_delete_marker}
            assert retention.apply(tx, verdict, now=self.now, limit=1000) is not None
            return gone

        before = sorted(self.living, key=lambda each: int(each.partition(".")[0], 16))
        gone = self.store.write(command)
        assert gone == set(before[:-keep])
        self.thrown |= {version: self.living.pop(version) for version in gone}

    @rule()
    def end_the_window(self) -> None:
        """What others are packed against stays until they are packed anew."""
        self.now += 10_000.0

        def command(tx) -> None:
            while trash.empty(tx, now=self.now, window=100.0, limit=3):
                pass

        self.store.write(command)
        state = self.store.read(lambda tx: tx.state(HOME))
        left = {each.version.id for each in self.store.read(lambda tx: tx.trash(state.id))} if state else set()
        assert left <= self.thrown.keys()
        self.thrown = {version: raw for version, raw in self.thrown.items() if version in left}

    @rule()
    def sweep(self) -> None:
        self.store.write(lambda tx: tx.forget_retired(self.now + 1.0))
        sweep(self.blobs, self.store, now=10**11, grace=0.0)

    @rule()
    def scrub(self) -> None:
        async def all_of_it(engine: Engine) -> int:
            scrubbing = Scrubbing(engine, self.bodies, rate=0)
            checked, cursor = 0, ""
            while True:
                part = await scrubbing.slice(cursor)
                assert part.damaged == []
                checked, cursor = checked + part.checked, part.next
                if not cursor:
                    return checked

        assert self.run(all_of_it) == len(self.living) + len(self.thrown)

    @invariant()
    def everything_reads_as_it_was_written(self) -> None:
        state = self.store.read(lambda tx: tx.state(HOME))
        if state is None:
            return

        async def main() -> None:
            for version, raw in (self.living | self.thrown).items():
                found = self.store.read(lambda tx, version=version: tx.kept(state, int(version.partition(".")[0], 16)))
                assert found is not None
                assert found.id == version
                assert await whole(found.body, self.bodies) == raw

        self.loop.run(main())
        listed = {each.id for each in self.store.read(lambda tx: tx.versions(state)) if not each.is_delete_marker}
        assert listed == self.living.keys()

    def teardown(self) -> None:
        self.loop.close()
        self.store.close()
        self.directory.cleanup()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
@pytest.mark.timeout(3600)
class TestManyHistories(Histories.TestCase):  # type: ignore[name-defined, misc]
    settings = settings(
        max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
