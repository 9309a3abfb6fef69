"""Going back, and what becomes of refused writes: for whom, under which lock, and with what mark."""

from __future__ import annotations

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.audit import decode
from lockhouse.core.bodies import read_facts
from lockhouse.core.principals import Grant, Right
from lockhouse.errors import AccessDenied, ParkedNotFound, RequestInvalid, StateNotFound, VersionNotFound, WriteLocked
from lockhouse.service import history, listings, parking, uploads
from lockhouse.service.objects import Put, Refused, Written
from tests.unit.service.rooms import STATE, Rooms, body, caller, state

BOB = caller("bob")
OTHER = Address("acme", "other.tfstate")


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def having(*rights: Right, prefix: str = ""):
    return caller("eve", grants=(Grant("acme", prefix, rights),))


def restore(rooms, raw, by=None, lock_id="", highest=None):
    command = Put(STATE, body(raw), "r", read_facts(raw), lock_id=lock_id)
    there = rooms.store.read(lambda tx: tx.state(STATE))
    if highest is None:
        highest = there.highest_serial if there is not None else 0
    return rooms.store.write(lambda tx: history.restore(tx, by or caller(), command, highest))


def park(rooms, raw: bytes = b"no state", address=STATE, **more) -> str:
    result = rooms.put(raw, BOB, address, **more)
    assert isinstance(result, Refused)
    return result.parked


def accept(rooms, parked_id, by=None):
    kept = rooms.store.read(lambda tx: tx.parked(parked_id))
    return rooms.store.write(lambda tx: history.accept_parked(tx, by or caller(), parked_id, "a", kept.body))


def test_an_old_version_comes_back_as_a_new_one_whatever_its_lineage_is(rooms):
    rooms.put(state(1))
    result = restore(rooms, state(2, lineage="other"))
    assert isinstance(result, Written)
    assert (result.version.seq, result.version.origin.mark) == (2, "rollback")


def test_nothing_is_restored_under_a_serial_that_was_used_meanwhile(rooms):
    rooms.put(state(1))
    rooms.put(state(2))
    assert restore(rooms, state(2, note="old"), highest=1) is None
    assert rooms.store.read(lambda tx: tx.state(STATE)).current == 2


def test_nothing_is_restored_past_a_lock_but_by_who_names_it(rooms):
    rooms.put(state(1))
    rooms.lock(BOB)
    for by, lock_id in ((caller(), ""), (BOB, ""), (BOB, "lock-else")):
        with pytest.raises(WriteLocked):
            restore(rooms, state(2), by, lock_id)
    assert restore(rooms, state(2), BOB, "lock-bob").created


def test_only_who_may_write_restores_and_only_where_something_was(rooms):
    with pytest.raises(StateNotFound):
        restore(rooms, state(2))
    rooms.put(state(1))
    with pytest.raises(AccessDenied):
        restore(rooms, state(2), having(Right.READ, Right.LOCK))


def test_a_version_is_found_by_its_serial_the_newest_first(rooms):
    rooms.put(state(1))
    rooms.put(state(2))
    restored = restore(rooms, state(1, note="again")).version
    rooms.put(b"text", address=Address("acme", "plan"))

    def find(serial):
        return rooms.store.read(lambda tx: history.find_serial(tx, caller(), STATE, serial))

    assert (find(1), find(2)) == (restored.id, "2.n2")
    with pytest.raises(VersionNotFound):
        find(3)


def test_a_parked_write_is_seen_by_who_may_read_and_dropped_by_who_may_write(rooms):
    rooms.put(state(1))
    parked = park(rooms)
    park(rooms, address=OTHER)
    for who in (having(Right.READ, prefix="other"), having(Right.WRITE)):
        with pytest.raises(ParkedNotFound):
            rooms.store.read(lambda tx, who=who: parking.get_parked(tx, who, parked))
    reader = having(Right.READ, prefix="app/")
    assert rooms.store.read(lambda tx: parking.get_parked(tx, reader, parked)).id == parked
    assert [each.id for each in rooms.store.read(lambda tx: parking.list_parked(tx, reader))] == [parked]
    assert [each.id for each in rooms.store.read(lambda tx: parking.list_parked(tx, caller(), *STATE))] == [parked]
    with pytest.raises(AccessDenied):
        rooms.store.read(lambda tx: parking.list_parked(tx, reader, *OTHER))
    with pytest.raises(AccessDenied):
        rooms.store.write(lambda tx: parking.drop_parked(tx, reader, parked))
    rooms.store.write(lambda tx: parking.drop_parked(tx, caller(), parked))
    assert rooms.store.read(lambda tx: tx.state(STATE)).parked == 0
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())][-1]
    assert (told.action, told.subject, told.key) == ("parked.drop", parked, STATE.key)


def test_bytes_that_are_no_state_are_kept_but_never_accepted(rooms):
    rooms.put(state(1))
    parked = park(rooms)
    with pytest.raises(RequestInvalid):
        accept(rooms, parked)
    assert rooms.store.read(lambda tx: tx.parked(parked)) is not None


def test_an_accepted_write_is_as_it_was_sent_and_keeps_the_key_of_the_version_before_it(rooms):
    ours = {"ssec_md5": "md5 of a key"}
    rooms.put(state(3), encryption=ours, content_type="application/json")
    parked = park(rooms, state(1, note="old"), content_type="application/octet-stream")
    with pytest.raises(AccessDenied):
        accept(rooms, parked, having(Right.READ))
    version = accept(rooms, parked).version
    assert (version.encryption, version.content_type) == (ours, "application/octet-stream")
    assert (version.facts.serial, version.origin.mark) == (1, "accepted")
    assert rooms.get() == state(1, note="old")
    assert rooms.store.read(lambda tx: (tx.parked(parked), tx.state(STATE).parked)) == (None, 0)
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())][-1]
    assert (told.action, told.subject) == ("parked.accept", parked)


def test_a_write_that_was_parked_before_there_was_a_state_can_be_accepted(rooms):
    rooms.lock()
    parked = park(rooms, state(1))
    rooms.unlock()
    assert accept(rooms, parked).created
    assert rooms.get() == state(1)


def test_the_lists_tell_states_plain_objects_and_deleted_ones_apart(rooms):
    for key in ("a.tfstate", "b.tfstate"):
        rooms.put(state(1), address=Address("acme", key))
    rooms.put(b"plain", address=Address("acme", "c"))
    rooms.lock(address=Address("acme", "d"))
    rooms.store.write(lambda tx: history.objects.delete(tx, caller(), Address("acme", "b.tfstate"), "d1"))

    def keys(listing, **more):
        return [each.address.key for each, _ in rooms.store.read(lambda tx: listing(tx, caller(), "acme", **more))]

    assert keys(history.list_states) == keys(history.list_states, limit=1) == ["a.tfstate"]
    assert keys(history.list_states, deleted=True) == ["b.tfstate"]
    assert keys(history.list_states, deleted=True, limit=1) == ["b.tfstate"]
    assert keys(history.list_everything) == ["a.tfstate", "b.tfstate", "c", "d"]
    assert keys(history.list_everything, prefix="b", limit=9) == ["b.tfstate"]


def test_a_list_of_states_shows_what_the_grants_cover_in_key_order_however_it_is_paged(rooms):
    for key in ("a", "apps/one", "apps/two", "net", "net/x", "z"):
        rooms.put(state(1), address=Address("acme", key))
    with pytest.raises(AccessDenied):
        rooms.store.read(lambda tx: history.list_everything(tx, having(Right.READ, prefix="a"), "acme"))
    grants = (
        Grant("acme", "net/", (Right.READ,)),
        Grant("*", "apps/", (Right.PLAN,)),
        Grant("acme", "apps/two", (Right.READ,)),
        Grant("acme", "z", (Right.LOCK,)),
        Grant("acme", "net", (Right.READ,), exact=True),
    )

    def keys(prefix="", after="", limit=1000):
        found = rooms.store.read(
            lambda tx: history.list_states(tx, caller("eve", grants=grants), "acme", prefix, after, limit)
        )
        return [each.address.key for each, _ in found]

    everything = ["apps/one", "apps/two", "net", "net/x"]
    assert keys() == everything
    for limit in (1, 2, 3):
        walked, after = [], ""
        while page := keys(after=after, limit=limit):
            walked, after = walked + page, page[-1]
        assert walked == everything
    assert (keys("apps/t"), keys("net"), keys("apps/three")) == (["apps/two"], ["net", "net/x"], [])
    with pytest.raises(AccessDenied) as refused:
        keys("z")
    assert "--rights read --on acme/z" in refused.value.hint


def test_a_list_that_must_be_whole_is_refused_with_the_prefixes_that_may_be_asked_for(rooms):
    grants = tuple(Grant("acme", each, (Right.READ,)) for each in ("net/", "apps/b'c/", "d", "e", "apps/"))
    eve = caller("eve", grants=(*grants, Grant("acme", "only", (Right.READ,), exact=True)))
    for listing in (listings.list_objects, listings.list_versions, uploads.list_uploads):
        with pytest.raises(AccessDenied) as refused:
            rooms.store.read(lambda tx, listing=listing: listing(tx, eve, "acme"))
        assert refused.value.hint == (
            "ask for less: --prefix apps/ or --prefix d or --prefix e (1 more: lockhouse status); or an administrator "
            "can grant it: lockhouse access grant eve --rights read --on acme"
        )
        with pytest.raises(AccessDenied) as refused:
            rooms.store.read(lambda tx, listing=listing: listing(tx, eve, "acme", prefix="only"))
        assert refused.value.hint.startswith("an administrator can grant it")
        rooms.store.read(lambda tx, listing=listing: listing(tx, eve, "acme", prefix="apps/b"))


def test_parked_writes_are_all_listed_behind_whole_pages_of_those_that_may_not_be_seen(rooms):
    for address in (STATE, OTHER):
        rooms.put(state(1), address=address)
    for address in (*([OTHER] * 5), STATE):
        park(rooms, state(0, note=str(rooms.count)), address=address)
    reader = having(Right.READ, prefix="app/")
    for namespace in ("", "acme"):
        found = rooms.store.read(lambda tx, namespace=namespace: parking.list_parked(tx, reader, namespace, limit=1))
        assert [each.address for each in found] == [STATE]
    with pytest.raises(AccessDenied):
        rooms.store.read(lambda tx: parking.list_parked(tx, reader, "nope"))
