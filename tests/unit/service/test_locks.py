"""Taking, showing and releasing: what is kept of a lock, what a refusal says, and what the history and the log tell."""

from __future__ import annotations

import json

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.audit import decode
from lockhouse.core.locks import Evidence, Facet, Verdict
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.errors import AccessDenied, LockHeld, LockMismatch, LockNotFound, NamespaceNotFound, StorageUnavailable
from lockhouse.service import locks
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from tests.unit.service.rooms import ALL, STATE, Rooms, caller, state

ANN, BOB = caller("ann"), caller("bob")
PLAIN = (Grant("acme", "", (Right.READ, Right.WRITE, Right.LOCK)),)
JOB = "https://ci.test/1"


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def take(rooms, by=ANN, lock_id="one", facet=Facet.TABLE, address=STATE, behind=False, **said):
    document = json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Who": "ann@laptop"} | said).encode()
    return rooms.store.write(lambda tx: locks.take(tx, by, TakeLock(address, facet, document), behind=behind))


def free(rooms, by=ANN, facet=Facet.TABLE, **said):
    return rooms.store.write(lambda tx: locks.release(tx, by, Unlock(STATE, facet, **said)))


def record(rooms, address=STATE):
    return rooms.store.read(lambda tx: tx.lock(tx.state(address)))


def history(rooms):
    return list(rooms.store.read(lambda tx: tx.lock_events(tx.state(STATE))))


def told(rooms):
    entries = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())]
    return [(each.action, each.subject, each.detail) for each in entries if each.action.startswith("lock.")]


def test_a_lock_keeps_who_took_it_from_where_and_with_what(rooms):
    who = Identity("p-1", "ci", "key-1", ALL, kind="ci-job", link=JOB)
    by = Caller(who, 1000.0, "s3", peer="192.0.2.7", agent="Terraform/1.15.5 " + "x" * 300, invocation="i-1")
    assert take(rooms, by).verdict is Verdict.GRANTED
    lock = record(rooms).lock
    assert (lock.principal, lock.name, lock.credential, lock.peer) == ("p-1", "ci", "key-1", "192.0.2.7")
    assert (lock.kind, lock.link, lock.agent) == ("ci-job", JOB, by.agent[:200])
    (hold,) = lock.holds
    assert (hold.id, hold.operation, hold.who, hold.invocation) == ("one", "OperationTypeApply", "ann@laptop", "i-1")
    (event,) = history(rooms)
    assert (event.verb, event.lock_id, event.epoch, event.facet) == ("taken", "one", 1, "table")
    assert (event.version, event.link, event.who, event.principal) == ("1.15.5", JOB, "ann@laptop", "p-1")
    assert told(rooms) == [("lock.taken", "one", JOB)]


def test_the_clients_version_is_what_its_document_says_else_what_its_agent_says(rooms):
    for number, (version, agent, kept) in enumerate(
        [("1.9.0", "Terraform/1.15.5", "1.9.0"), ("", "OpenTofu/1.10.2 (x)", "1.10.2"), ("", "curl/8", "")]
    ):
        by = msgspec.structs.replace(ANN, agent=agent)
        take(rooms, by, f"lock {number}", Version=version)
        free(rooms)
        assert [each.version for each in history(rooms) if each.lock_id == f"lock {number}"] == ["", kept]


def test_a_lock_request_makes_a_state_and_the_same_again_tells_nothing_more(rooms):
    take(rooms)
    assert rooms.store.read(lambda tx: tx.state(STATE)).is_state
    assert take(rooms).verdict is Verdict.AGAIN
    assert take(rooms, facet=Facet.LOCKFILE).verdict is Verdict.JOINED
    assert [(each.verb, each.facet) for each in history(rooms)] == [("joined", "lockfile"), ("taken", "table")]


@pytest.mark.parametrize("behind", [True, lambda: True])
def test_a_free_lock_is_left_to_those_who_wait_in_front(rooms, behind):
    assert take(rooms, behind=behind) is None
    assert record(rooms).lock is None
    take(rooms)
    assert take(rooms, behind=behind).verdict is Verdict.AGAIN


def test_a_refusal_shows_the_holders_document_its_job_and_what_speaks_for_its_being_gone(rooms):
    who = Identity("p-1", "ci", "key-1", ALL, link=JOB)
    take(rooms, msgspec.structs.replace(ANN, who=who))
    with pytest.raises(LockHeld) as refused:
        take(rooms, BOB, "two")
    problem = refused.value
    assert json.loads(problem.info)["ID"] == "one"
    assert problem.details == {"holder": "ci", "job": JOB, "stale": ""}
    assert problem.hint == f"wait, or: lockhouse lock force-unlock {STATE.words} --reason TEXT"

    held = record(rooms)
    lock = msgspec.structs.replace(held.lock, stale=Evidence("its job ended", 1000.0, "job", 0))

    def mark(tx) -> None:
        found = tx.state(STATE)
        assert tx.save_lock(found, msgspec.structs.replace(held, lock=lock), held.epoch)

    rooms.store.write(mark)
    for seen, stale in ((1000.0, "its job ended"), (1000.5, "")):
        rooms.store.write(lambda tx, seen=seen: tx.save_use("key-1", seen))
        with pytest.raises(LockHeld) as refused:
            take(rooms, BOB, "two")
        assert refused.value.details["stale"] == stale
        assert ("release --stale" in refused.value.hint) == bool(stale)


def test_only_the_holder_or_who_may_force_unlocks_and_the_log_tells_whose_lock_it_was(rooms):
    take(rooms)
    plain = caller("bob", grants=PLAIN)
    with pytest.raises(LockMismatch) as other:
        free(rooms, last_read="else")
    assert json.loads(other.value.info)["ID"] == "one"
    with pytest.raises(AccessDenied) as refused:
        free(rooms, plain, last_read="one")
    assert refused.value.details == {"right": "force-unlock"}
    assert free(rooms, BOB, force=True, reason="stuck") is Verdict.FORCED
    assert (history(rooms)[0].verb, history(rooms)[0].reason) == ("forced", "stuck")
    assert told(rooms)[-1] == ("lock.forced", "one", "stuck; ann holds it since 1970-01-01T00:16:40Z")
    (fence,) = record(rooms).fences
    assert (fence.credential, fence.reason, fence.by) == ("key-ann", "stuck", "bob")


def test_a_force_unlock_that_gives_no_reason_says_how_it_was_done(rooms):
    take(rooms)
    free(rooms, BOB, Facet.LOCKFILE, last_read="one")
    assert history(rooms)[0].reason == "unlocked through lockfile by bob"
    take(rooms)
    free(rooms)
    assert (history(rooms)[0].verb, history(rooms)[0].reason) == ("released", "")


def test_a_fence_remembers_the_version_that_was_current(rooms):
    take(rooms)
    rooms.put(state(1))
    rooms.put(state(2))
    free(rooms, BOB, force=True)
    assert record(rooms).fences[0].seq == 2


def test_the_other_half_of_a_whole_release_is_used_up_when_it_comes(rooms):
    take(rooms)
    free(rooms, BOB, Facet.LOCKFILE, last_read="one")

    def shown():
        return rooms.store.read(lambda tx: locks.show(tx, BOB, STATE, Facet.TABLE))

    assert shown()[0] == "one"
    assert free(rooms, BOB, Facet.TABLE, last_read="one") is Verdict.NOTHING
    assert shown() is None


def test_a_release_where_nothing_is_held_does_nothing(rooms):
    def held_only():
        return rooms.store.write(lambda tx: locks.release_held(tx, ANN, Unlock(STATE, Facet.TABLE)))

    assert (free(rooms), held_only()) == (Verdict.NOTHING, None)
    take(rooms)
    assert held_only() is Verdict.RELEASED
    assert (free(rooms), held_only()) == (Verdict.NOTHING, None)
    with pytest.raises(NamespaceNotFound):
        rooms.store.write(lambda tx: locks.release(tx, ANN, Unlock(Address("nowhere", "x"), Facet.TABLE)))
    reader = caller("eve", grants=(Grant("acme", "", (Right.READ,)),))
    with pytest.raises(AccessDenied):
        free(rooms, reader)


def test_only_the_very_grant_is_given_back_that_a_client_does_not_know_of(rooms):
    def withdraw(by=ANN, epoch=1):
        granted = locks.Taken(Verdict.GRANTED, msgspec.structs.replace(taken.lock, epoch=epoch))
        rooms.store.write(lambda tx: locks.withdraw(tx, by, STATE, granted, "the client had gone"))
        return record(rooms).lock is None

    taken = take(rooms)
    nowhere = Address("acme", "nowhere")
    rooms.store.write(lambda tx: locks.withdraw(tx, ANN, nowhere, taken, "the client had gone"))
    assert not withdraw(BOB)
    assert not withdraw(epoch=0)
    take(rooms, facet=Facet.LOCKFILE)
    assert not withdraw()
    free(rooms, facet=Facet.LOCKFILE)
    stones = record(rooms).tombstones
    assert withdraw()
    assert (record(rooms).tombstones, record(rooms).epoch) == (stones, 1)
    assert (history(rooms)[0].verb, history(rooms)[0].reason) == ("withdrawn", "the client had gone")
    assert withdraw()
    assert [each.verb for each in history(rooms)].count("withdrawn") == 1


def test_a_lock_that_its_client_asked_for_again_is_not_given_back(rooms):
    taken = take(rooms)
    assert record(rooms).lock == taken.lock
    again = take(rooms)
    for each in (taken, again):
        rooms.store.write(lambda tx, each=each: locks.withdraw(tx, ANN, STATE, each, "the client had gone"))
    assert (again.verdict, record(rooms).lock) == (Verdict.AGAIN, again.lock)
    assert take(rooms).lock == again.lock


def test_a_lock_that_is_given_back_leaves_its_credential_as_fenced_as_before(rooms):
    take(rooms)
    rooms.unlock(BOB, force=True, reason="test")
    fenced = record(rooms)
    again = take(rooms)
    assert record(rooms).fences == ()
    rooms.store.write(lambda tx: locks.withdraw(tx, ANN, STATE, again, "the client had gone"))
    assert (record(rooms).lock, record(rooms).fences) == (None, fenced.fences)
    assert [each.credential for each in fenced.fences] == [ANN.who.credential]


def test_a_lock_is_shown_to_who_may_read_lock_or_force_and_to_nobody_else(rooms):
    take(rooms)
    for right in Right:
        who = caller("eve", grants=(Grant("acme", "", (right,)),))
        asked = [
            lambda tx, who=who: locks.show(tx, who, STATE, Facet.TABLE),
            lambda tx, who=who: locks.inspect(tx, who, STATE)[0].lock,
        ]
        may = right not in (Right.WRITE, Right.READ_OUTPUTS)
        for ask in asked:
            if may:
                assert rooms.store.read(ask) is not None
            else:
                with pytest.raises(AccessDenied):
                    rooms.store.read(ask)
        listed, _ = rooms.store.read(lambda tx, who=who: locks.list_held(tx, who))
        assert [each.address for each in listed] == [STATE] * may


def test_a_lock_that_never_was_is_not_found(rooms):
    with pytest.raises(LockNotFound):
        rooms.store.read(lambda tx: locks.inspect(tx, ANN, STATE))
    with pytest.raises(NamespaceNotFound):
        rooms.store.read(lambda tx: locks.inspect(tx, ANN, Address("nowhere", "x")))


def test_held_locks_are_listed_in_pages_of_what_the_caller_may_see(rooms):
    for number in range(7):
        take(rooms, lock_id=f"lock {number}", address=Address("acme", f"{'ab'[number % 2]}/{number}"))
    rooms.store.write(lambda tx: tx.save_use("key-ann", 1234.0))
    sees_a = caller("eve", grants=(Grant("acme", "a/", (Right.READ,)),))
    seen, after = [], None
    while True:
        page, after = rooms.store.read(lambda tx, after=after: locks.list_held(tx, sees_a, after=after, limit=2))
        seen += [(each.address.key, each.lock.id, each.last_seen) for each in page]
        assert len(page) <= 2
        if after is None:
            break
    assert seen == [(f"a/{number}", f"lock {number}", 1234.0) for number in (0, 2, 4, 6)]
    below, _ = rooms.store.read(lambda tx: locks.list_held(tx, ANN, "acme", "b/"))
    assert [each.address.key for each in below] == ["b/1", "b/3", "b/5"]


def test_a_lock_that_changed_under_the_request_is_not_granted_and_nothing_of_the_request_is_kept(rooms):
    document = b'{"ID":"two"}'

    def command(tx):
        def other_is_faster():
            locks.take(tx, BOB, TakeLock(STATE, Facet.TABLE, document))
            return False

        return locks.take(tx, ANN, TakeLock(STATE, Facet.TABLE, b'{"ID":"one"}'), behind=other_is_faster)

    with pytest.raises(StorageUnavailable):
        rooms.store.write(command)
    assert rooms.store.read(lambda tx: tx.state(STATE)) is None


def test_a_lock_of_another_protocol_is_shown_with_the_path_that_clients_expect(rooms):
    take(rooms, facet=Facet.HTTP, Path="")
    lock_id, document = rooms.store.read(lambda tx: locks.show(tx, BOB, STATE, Facet.TABLE))
    assert (lock_id, json.loads(document)["Path"]) == ("one", STATE.lock_id)


def test_a_holder_was_seen_when_any_of_its_credentials_was(rooms):
    for end in ("source", "destination"):
        who = Identity("p-1", "ann", f"key of {end}", ALL)
        by = msgspec.structs.replace(ANN, who=who)
        take(rooms, by, end, Operation=f"migration {end} state")
    for credential, at in (("key of source", 1300.0), ("key of destination", 1200.0)):
        rooms.store.write(lambda tx, credential=credential, at=at: tx.save_use(credential, at))
    assert rooms.store.read(lambda tx: locks.last_seen(tx, record(rooms).lock)) == 1300.0


def test_a_history_names_the_page_of_a_job_where_it_locked_and_nowhere_else(rooms):
    by = msgspec.structs.replace(ANN, who=Identity("p-1", "ci", "key-1", ALL, link=JOB))
    take(rooms, by)
    free(rooms, by)
    assert [(each.verb, each.link) for each in history(rooms)] == [("released", ""), ("taken", JOB)]


def test_who_releases_without_a_word_is_told_of_without_one(rooms):
    take(rooms)
    free(rooms)
    assert told(rooms) == [("lock.taken", "one", ""), ("lock.released", "one", "")]
