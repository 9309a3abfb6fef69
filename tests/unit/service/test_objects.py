"""Putting, reading and deleting states: nothing acknowledged is lost, nothing refused is thrown away."""

from __future__ import annotations

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.principals import Grant, Right
from lockhouse.errors import (
    AccessDenied,
    BodyInvalid,
    ConditionFailed,
    DeleteLocked,
    NamespaceNotFound,
    StateDeleted,
    StateNotFound,
    VersionNotFound,
    WriteLocked,
)
from lockhouse.service import history, objects
from lockhouse.service.objects import PARKED_PER_ADDRESS, Conditions, Refused, Written
from tests.unit.service.rooms import STATE, Rooms, caller, state

BOB = caller("bob")


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def refused(result: Written | Refused) -> Refused:
    assert isinstance(result, Refused)
    return result


def written(result: Written | Refused) -> Written:
    assert isinstance(result, Written)
    return result


def test_what_was_written_is_read_back_and_old_versions_stay(rooms):
    first = written(rooms.put(state(1)))
    written(rooms.put(state(2)))
    assert rooms.get() == state(2)
    assert rooms.get(version_id=first.version.id) == state(1)


def test_the_same_bytes_again_are_a_success_and_make_no_version(rooms):
    first = written(rooms.put(state(1)))
    again = written(rooms.put(state(1)))
    assert (again.created, again.version.id) == (False, first.version.id)


def test_a_write_against_somebody_elses_lock_is_refused_and_parked(rooms):
    rooms.put(state(1))
    rooms.lock(caller("ann"))
    result = refused(rooms.put(state(2, note="bob"), BOB))
    assert (result.problem.code, rooms.get()) == ("write.locked", state(1))
    (parked,) = rooms.store.read(lambda tx: history.list_parked(tx, caller()))
    assert (parked.id, parked.reason, parked.origin.name) == (result.parked, "write.locked", "bob")
    assert result.parked in result.problem.message


def test_the_second_of_two_bodies_with_one_serial_is_refused_even_from_the_holder(rooms):
    rooms.lock()
    rooms.put(state(1, note="a"))
    assert refused(rooms.put(state(1, note="b"))).problem.code == "write.serial"
    assert rooms.get() == state(1, note="a")


def test_another_lineage_replaces_a_state_only_under_a_lock_that_says_so(rooms):
    rooms.put(state(5))
    assert refused(rooms.put(state(6, lineage="other"))).problem.code == "write.lineage"
    rooms.lock(operation="state-push")
    result = written(rooms.put(state(1, lineage="other")))
    assert result.version.origin.mark == "override"


def test_a_forced_out_holder_is_refused_until_it_locks_again(rooms):
    rooms.put(state(1))
    rooms.lock(BOB)
    rooms.unlock(caller("ann"), force=True, reason="test")
    rooms.lock(caller("ann"))
    assert refused(rooms.put(state(2, note="late"), BOB)).problem.code == "write.fenced"
    rooms.put(state(2))
    rooms.unlock(caller("ann"))
    assert refused(rooms.put(state(3, note="later"), BOB)).problem.code == "write.fenced"
    rooms.lock(BOB)
    assert written(rooms.put(state(3), BOB)).created


@pytest.mark.parametrize("raw", [b"", b"hello", b"{}", state(2)[:-1]])
def test_what_is_no_whole_state_never_becomes_one(rooms, raw):
    rooms.put(state(1))
    if raw:
        assert refused(rooms.put(raw)).problem.code == "body.invalid"
    else:
        with pytest.raises(BodyInvalid):
            rooms.put(raw)
    assert rooms.get() == state(1)


def test_plain_objects_are_versioned_bytes_without_rules(rooms):
    plan = Address("acme", "plans/one.bin")
    rooms.put(b"second", address=plan)
    rooms.put(b"", address=plan)
    assert rooms.get(address=plan) == b"\0"
    rooms.lock(caller("ann"), address=STATE)
    assert written(rooms.put(b"anything", BOB, plan)).created


def test_a_body_that_is_a_state_is_treated_as_one_under_any_name(rooms):
    odd = Address("acme", "odd name")
    rooms.put(state(4), address=odd)
    assert refused(rooms.put(state(3), address=odd)).problem.code == "write.serial"
    assert refused(rooms.put(b"text", address=odd)).problem.code == "body.invalid"


def test_a_key_that_was_ever_locked_is_a_state(rooms):
    odd = Address("acme", "ws")
    rooms.lock(address=odd)
    assert refused(rooms.put(b"text", address=odd)).problem.code == "body.invalid"


def test_a_state_cannot_be_deleted_while_any_lock_is_held_not_even_by_the_holder(rooms):
    rooms.put(state(1))
    rooms.lock()
    with pytest.raises(DeleteLocked):
        rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d1"))
    rooms.unlock()
    done = rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d2"))
    assert done is not None
    assert done.marker
    with pytest.raises(StateDeleted):
        rooms.get()


def test_after_a_delete_a_new_lineage_may_begin(rooms):
    rooms.put(state(9))
    rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d1"))
    assert written(rooms.put(state(1, lineage="new"))).created


def test_removing_the_newest_version_brings_back_the_one_before(rooms):
    rooms.put(state(1))
    second = written(rooms.put(state(2)))
    rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d", second.version.id))
    assert rooms.get() == state(1)
    with pytest.raises(VersionNotFound):
        rooms.get(version_id=second.version.id)


def test_removing_a_delete_marker_brings_the_state_back(rooms):
    rooms.put(state(1))
    marker = rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d1"))
    assert marker is not None
    rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d2", marker.version_id))
    assert rooms.get() == state(1)


def test_a_guessed_version_id_with_the_right_number_is_not_found(rooms):
    rooms.put(state(1))
    with pytest.raises(VersionNotFound):
        rooms.get(version_id="1.guess")


def test_without_a_grant_the_answer_is_the_same_whether_or_not_the_state_exists(rooms):
    rooms.put(state(1))
    nobody = caller("eve", grants=(Grant("acme", "eve/", (Right.READ,)),))
    for address in (STATE, Address("acme", "nothing.tfstate")):
        with pytest.raises(AccessDenied):
            rooms.get(nobody, address)
    stranger = caller("mal", grants=(Grant("other", "", (Right.READ,)),))
    for namespace in ("acme", "unknown"):
        with pytest.raises(AccessDenied):
            rooms.get(stranger, Address(namespace, "x"))


def test_a_missing_state_and_a_missing_namespace_are_told_apart_by_who_may_know(rooms):
    with pytest.raises(StateNotFound):
        rooms.get()
    with pytest.raises(NamespaceNotFound):
        rooms.get(address=Address("nowhere", "x"))


def test_preconditions_are_checked_in_the_same_transaction(rooms):
    first = written(rooms.put(state(1)))
    with pytest.raises(ConditionFailed):
        rooms.put(state(2), conditions=Conditions(if_none_match=("*",)))
    with pytest.raises(ConditionFailed):
        rooms.put(state(2), conditions=Conditions(if_match=("0" * 32,)))
    assert written(rooms.put(state(2), conditions=Conditions(if_match=(first.version.etag,)))).created


def test_parked_writes_have_a_quota_and_say_when_it_is_full(rooms):
    rooms.put(state(1))
    rooms.lock(caller("ann"))
    for number in range(PARKED_PER_ADDRESS):
        assert refused(rooms.put(state(2, note=str(number)), BOB)).parked
    last = refused(rooms.put(state(2, note="more"), BOB))
    assert last.parked is None
    assert "not parked" in last.problem.message


def test_a_parked_write_is_accepted_byte_for_byte_once_nobody_holds_the_lock(rooms):
    rooms.put(state(1))
    rooms.lock(caller("ann"))
    parked = refused(rooms.put(state(2, note="kept"), BOB)).parked
    assert parked is not None
    body = rooms.store.read(lambda tx: history.get_parked(tx, caller(), parked)).body
    with pytest.raises(WriteLocked):
        rooms.store.write(lambda tx: history.accept_parked(tx, caller(), parked, "a1", body))
    rooms.unlock(caller("ann"))
    result = written(rooms.store.write(lambda tx: history.accept_parked(tx, caller(), parked, "a2", body)))
    assert (rooms.get(), result.version.origin.mark) == (state(2, note="kept"), "accepted")
    assert rooms.store.read(lambda tx: history.list_parked(tx, caller())) == []


def test_a_dropped_parked_write_is_gone(rooms):
    rooms.put(state(1))
    parked = refused(rooms.put(state(1, note="x"))).parked
    assert parked is not None
    rooms.store.write(lambda tx: history.drop_parked(tx, caller(), parked))
    assert rooms.store.read(lambda tx: history.list_parked(tx, caller())) == []


def test_what_a_run_writes_after_its_lock_was_taken_away_is_parked_though_nobody_came_after_it(rooms):
    rooms.put(state(1))
    rooms.lock(BOB)
    rooms.unlock(caller("ann"), force=True, reason="test")
    late = refused(rooms.put(state(2), BOB))
    assert late.problem.code == "write.fenced"
    assert rooms.get() == state(1)
    assert late.parked is not None
