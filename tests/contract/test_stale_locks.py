"""Evidence that is kept with a lock, and the release by it, on every store."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Evidence, Facet
from lockhouse.core.ports import Store
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.core.staleness import Act, Rule
from lockhouse.errors import LockMismatch
from lockhouse.service import locks, namespaces, staleness
from lockhouse.service.access import HOUSE
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock

HELD = Address("acme", "app/prod")
ROOT = Caller(HOUSE, 1000.0, "cli")
RUN = Caller(
    Identity("P1", "ci/77", "C1", (Grant("acme", "", (Right.LOCK,)),), kind="ci-job", link="https://ci/77"),
    1000.0,
    "s3",
)
EVIDENCE = Evidence("its credential ended", 2000.0, "credential", 0, asks=True)


@pytest.fixture
def held(store: Store):
    store.write(lambda tx: namespaces.create(tx, ROOT, "acme"))
    store.write(lambda tx: locks.take(tx, RUN, TakeLock(HELD, Facet.TABLE, b'{"ID":"l-1"}')))
    found = store.read(lambda tx: tx.state_and_lock(HELD))
    assert found is not None
    return found[1].lock


def test_evidence_is_kept_with_the_lock_and_its_release_fences(store: Store, held):
    assert store.write(lambda tx: staleness.mark(tx, ROOT, HELD, held.epoch, EVIDENCE))
    ((state, record),) = store.read(lambda tx: tx.held_locks())
    assert record.lock.stale == EVIDENCE
    assert (record.lock.kind, record.lock.link) == ("ci-job", "https://ci/77")
    assert record.epoch == held.epoch
    (seen,) = store.read(lambda tx: staleness.look(tx, None, 10))
    assert (seen.lock, seen.act, seen.seen) == (record.lock, Act.SHOW, 0.0)
    store.write(lambda tx: staleness.release(tx, ROOT, HELD, seen=0.0, expected=record.lock))
    after = store.read(lambda tx: tx.lock(state))
    assert after.lock is None
    assert after.fences[0].reason == "stale: its credential ended"
    assert [each.verb for each in store.read(lambda tx: tx.lock_events(state))] == ["forced", "stale", "taken"]


def test_a_use_that_was_written_down_by_another_server_keeps_the_lock(store: Store, held):
    store.write(lambda tx: staleness.mark(tx, ROOT, HELD, held.epoch, EVIDENCE))
    lock = msgspec.structs.replace(held, stale=EVIDENCE)
    store.write(lambda tx: tx.save_use("C1", 2000.5))
    with pytest.raises(LockMismatch):
        store.write(lambda tx: staleness.release(tx, ROOT, HELD, seen=0.0, expected=lock))
    assert store.write(lambda tx: staleness.mark(tx, ROOT, HELD, held.epoch, None))
    ((_, record),) = store.read(lambda tx: tx.held_locks())
    assert record.lock == held


def test_the_rules_of_a_namespace_decide_by_the_longest_prefix(store: Store, held):
    for rule in (Rule("", Act.RELEASE), Rule("app/", Act.ASK)):
        store.write(lambda tx, r=rule: staleness.POLICIES.set_rule(tx, ROOT, "acme", r))
    assert store.read(lambda tx: staleness.look(tx, None, 10))[0].act is Act.ASK
    store.write(lambda tx: staleness.POLICIES.remove_rule(tx, ROOT, "acme", "app/"))
    assert store.read(lambda tx: staleness.look(tx, None, 10))[0].act is Act.RELEASE
    store.write(lambda tx: staleness.POLICIES.remove_rule(tx, ROOT, "acme", ""))
    assert store.read(lambda tx: staleness.POLICIES.show(tx, ROOT, "acme")).rules == ()
