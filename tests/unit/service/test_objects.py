"""Putting, reading and deleting states: nothing acknowledged is lost, nothing refused is thrown away."""

from __future__ import annotations

import hashlib
import json

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.audit import decode
from lockhouse.core.principals import Grant, Right
from lockhouse.core.versions import Origin, Version
from lockhouse.errors import (
    AccessDenied,
    BodyInvalid,
    ConditionFailed,
    DeleteLocked,
    EncryptionKeyInvalid,
    MethodNotAllowed,
    NamespaceNotFound,
    RequestInvalid,
    StateDeleted,
    StateNotFound,
    VersionNotFound,
    WriteLocked,
)
from lockhouse.service import history, lock_items, namespaces, objects, parking, uploads
from lockhouse.service.parking import PARKED_PER_ADDRESS
from lockhouse.service.versions import Conditions, Refused, Written
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
    (parked,) = rooms.store.read(lambda tx: parking.list_parked(tx, caller()))
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


def test_the_first_body_of_a_key_that_is_named_as_a_state_must_be_one(rooms):
    assert refused(rooms.put(b"text")).problem.code == "body.invalid"
    with pytest.raises(StateNotFound):
        rooms.get()


@pytest.mark.parametrize("key", ["", "k" * 1025])
def test_no_use_case_makes_a_state_under_an_impossible_key(rooms, key):
    address = Address("acme", key)
    for made in (
        lambda: rooms.put(state(1), address=address),
        lambda: rooms.lock(address=address),
        lambda: rooms.store.write(lambda tx: objects.may_write(tx, caller(), address)),
        lambda: rooms.store.write(lambda tx: objects.delete(tx, caller(), address, "d")),
        lambda: rooms.store.write(lambda tx: uploads.create(tx, caller(), address, "u", uploads.Template())),
    ):
        with pytest.raises(RequestInvalid):
            made()


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
    body = rooms.store.read(lambda tx: parking.get_parked(tx, caller(), parked)).body
    with pytest.raises(WriteLocked):
        rooms.store.write(lambda tx: history.accept_parked(tx, caller(), parked, "a1", body))
    rooms.unlock(caller("ann"))
    result = written(rooms.store.write(lambda tx: history.accept_parked(tx, caller(), parked, "a2", body)))
    assert (rooms.get(), result.version.origin.mark) == (state(2, note="kept"), "accepted")
    assert rooms.store.read(lambda tx: parking.list_parked(tx, caller())) == []


def test_a_dropped_parked_write_is_gone(rooms):
    rooms.put(state(1))
    parked = refused(rooms.put(state(1, note="x"))).parked
    assert parked is not None
    rooms.store.write(lambda tx: parking.drop_parked(tx, caller(), parked))
    assert rooms.store.read(lambda tx: parking.list_parked(tx, caller())) == []


def test_what_a_run_writes_after_its_lock_was_taken_away_is_parked_though_nobody_came_after_it(rooms):
    rooms.put(state(1))
    rooms.lock(BOB)
    rooms.unlock(caller("ann"), force=True, reason="test")
    late = refused(rooms.put(state(2), BOB))
    assert late.problem.code == "write.fenced"
    assert rooms.get() == state(1)
    assert late.parked is not None


def test_a_lock_may_be_required_of_a_state_and_of_a_whole_namespace(rooms):
    other = Address("acme", "other.tfstate")
    rooms.store.write(lambda tx: history.set_require_lock(tx, caller(), STATE, required=True))
    assert refused(rooms.put(state(1))).problem.code == "write.lock_required"
    assert written(rooms.put(state(1), address=other)).created
    rooms.store.write(lambda tx: history.set_require_lock(tx, caller(), STATE, required=False))
    rooms.store.write(lambda tx: namespaces.set_require_lock(tx, caller(), "acme", required=True))
    assert refused(rooms.put(state(2), address=other)).problem.code == "write.lock_required"
    rooms.lock()
    assert written(rooms.put(state(1))).created


def test_a_fenced_first_apply_that_sends_the_state_of_another_is_told_where_what_it_made_is(rooms):
    rooms.lock(BOB)
    rooms.unlock(caller("ann"), force=True, reason="test")
    rooms.put(state(1), caller("ann"))
    told = "what it made is in its errored.tfstate alone"
    assert told in refused(rooms.put(state(1), BOB)).problem.message
    assert told not in refused(rooms.put(state(2), BOB)).problem.message
    rooms.lock(caller("ann"))
    assert told not in refused(rooms.put(state(2), caller("eve"))).problem.message


def test_what_another_protocol_writes_over_a_customers_key_keeps_it_and_nobody_else_reads_it(rooms):
    ours = {"ssec_md5": "md5 of a key"}
    http = caller("ann", protocol="http")
    assert written(rooms.put(state(1), encryption=ours)).version.encryption == ours
    assert written(rooms.put(state(2), http)).version.encryption == ours
    found = rooms.store.read(lambda tx: objects.read(tx, http, STATE))
    objects.require_shared(caller("ann"), found)
    with pytest.raises(EncryptionKeyInvalid):
        objects.require_shared(http, found)
    rooms.store.write(lambda tx: history.set_share_customer_key(tx, caller(), STATE, shared=True))
    objects.require_shared(http, rooms.store.read(lambda tx: objects.read(tx, http, STATE)))
    theirs = {"ssec_md5": "md5 of another"}
    assert written(rooms.put(state(3), http, encryption=theirs)).version.encryption == theirs
    assert written(rooms.put(state(4))).version.encryption == {}
    assert written(rooms.put(state(5), http)).version.encryption == {}


def test_a_state_that_loses_resources_is_told_with_how_many_of_a_hundred(rooms):
    def resources(count: int, serial: int) -> bytes:
        block = {"mode": "managed", "type": "t", "name": "n", "instances": []}
        whole = json.loads(state(serial)) | {"terraform_version": "1.15.5", "resources": [block] * count}
        return json.dumps(whole).encode()

    for serial, count in enumerate((4, 5, 5, 2, 0), 1):
        written(rooms.put(resources(count, serial)))
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())]
    shrunk = [(each.detail, each.count) for each in told if each.action == "state.shrunk"]
    assert shrunk == [("from 5 to 2 resources", 60), ("from 2 to 0 resources", 100)]


def test_a_burst_of_readers_goes_on_with_the_version_that_it_began_with_while_that_is_there(rooms):
    first = written(rooms.put(state(1))).version
    written(rooms.put(state(2)))
    seen = rooms.store.read(lambda tx: objects.read(tx, caller(), STATE, seq=first.seq, packed=False)).version
    assert (seen.seq, seen.body.packed) == (first.seq, b"")
    rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d", first.id))
    assert rooms.store.read(lambda tx: objects.read(tx, caller(), STATE, seq=first.seq)).version.seq == 2


def test_a_version_that_never_was_is_told_from_a_state_that_never_was(rooms):
    with pytest.raises(VersionNotFound):
        rooms.get(version_id="1.nonce")
    with pytest.raises(StateNotFound):
        rooms.get()
    rooms.lock()
    with pytest.raises(StateNotFound):
        rooms.get()


def test_a_delete_marker_is_read_by_its_id_whatever_the_conditions_are(rooms):
    rooms.put(state(1))
    marker = rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d1"))
    asked = Conditions(if_match=("0" * 32,))
    found = rooms.store.read(lambda tx: objects.read(tx, caller(), STATE, marker.version_id, conditions=asked))
    assert found.version.is_delete_marker


def test_tags_are_kept_for_the_newest_version_or_the_one_that_is_named(rooms):
    def tag(version_id: str = "", **tags: str) -> None:
        rooms.store.write(lambda tx: objects.set_tags(tx, caller(), STATE, version_id, tags))

    def tags(version_id: str) -> dict[str, str]:
        return rooms.store.read(lambda tx: objects.read(tx, caller(), STATE, version_id)).version.tags

    with pytest.raises(StateNotFound):
        tag(a="1")
    with pytest.raises(VersionNotFound):
        tag("1.n1", a="1")
    first, second = written(rooms.put(state(1))).version, written(rooms.put(state(2))).version
    tag(a="1")
    tag(first.id, b="2")
    assert (tags(second.id), tags(first.id)) == ({"a": "1"}, {"b": "2"})
    marker = rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d1"))
    with pytest.raises(StateDeleted) as gone:
        tag(a="3")
    assert gone.value.details["version_id"] == marker.version_id
    with pytest.raises(MethodNotAllowed):
        tag(marker.version_id, a="3")
    tag(second.id)
    assert tags(second.id) == {}
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())]
    assert [each.subject for each in told if each.action == "version.tag"] == [second.id, first.id, second.id]


def test_who_may_read_outputs_only_is_given_no_digest_of_the_whole_state(rooms):
    rooms.put(state(1))
    digest = hashlib.md5(state(1), usedforsecurity=False).hexdigest()
    for rights, seen in [
        ((Right.READ,), digest),
        ((Right.PLAN,), digest),
        ((Right.LOCK,), digest),
        ((Right.READ_OUTPUTS, Right.WRITE), None),
    ]:
        who = caller("ci", grants=(Grant("acme", "", rights),))
        item = rooms.store.read(lambda tx, who=who: lock_items.show_digest(tx, who, STATE))
        assert item == (seen and {"LockID": f"{STATE.lock_id}-md5", "Digest": seen})


def test_a_delete_says_what_it_removed_and_is_told(rooms):
    first = written(rooms.put(state(1))).version
    marker = rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d1"))
    assert (marker.version_id, marker.marker) == ("2.d1", True)
    for version_id, was_marker in ((marker.version_id, True), (first.id, False)):
        done = rooms.store.write(lambda tx, name=version_id: objects.delete(tx, caller(), STATE, "d2", name))
        assert (done.version_id, done.marker) == (version_id, was_marker)
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())]
    assert [(each.action, each.subject) for each in told][-3:] == [
        ("state.delete", marker.version_id),
        ("version.delete", marker.version_id),
        ("version.delete", first.id),
    ]
    assert rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d3")) is None
    with pytest.raises(StateNotFound):
        rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d3", conditions=Conditions(if_match=("*",))))


@pytest.mark.parametrize(
    ("asked", "there", "nothing"),
    [
        (Conditions(), "", ""),
        (Conditions(if_match=("e",)), "", "state.not_found"),
        (Conditions(if_match=("x", "e")), "", "state.not_found"),
        (Conditions(if_match=("*",)), "", "state.not_found"),
        (Conditions(if_match=("x",)), "match", "state.not_found"),
        (Conditions(if_match=("e",), if_unmodified_since=1.0), "", "state.not_found"),
        (Conditions(if_unmodified_since=100.0), "", ""),
        (Conditions(if_unmodified_since=99.0), "match", ""),
        (Conditions(if_none_match=("e",)), "none_match", ""),
        (Conditions(if_none_match=("x", "e")), "none_match", ""),
        (Conditions(if_none_match=("*",)), "none_match", ""),
        (Conditions(if_none_match=("x",)), "", ""),
        (Conditions(if_none_match=("x",), if_modified_since=100.0), "", ""),
        (Conditions(if_modified_since=100.0), "none_match", ""),
        (Conditions(if_modified_since=99.0), "", ""),
        (Conditions(if_match=("e",), if_none_match=("e",)), "none_match", "state.not_found"),
    ],
)
def test_preconditions_hold_as_rfc_9110_says(asked, there, nothing):
    current = Version(1, "n", 100.5, Origin(), etag="e")
    assert (_unmet(current, asked), _unmet(None, asked)) == (there, nothing)


def _unmet(current: Version | None, asked: Conditions) -> str:
    try:
        objects.check_conditions(STATE, current, asked)
    except ConditionFailed as problem:
        return str(problem.details["when"])
    except StateNotFound as problem:
        return problem.code
    return ""


def test_the_counters_of_a_state_follow_what_is_written_and_removed(rooms):
    def counted() -> tuple[int, int, bool, int]:
        found = rooms.store.read(lambda tx: tx.state(STATE))
        return found.current, found.versions, found.live, found.highest_serial

    def delete(version_id: str = "") -> str:
        return rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d", version_id)).version_id

    first, second = (written(rooms.put(state(serial))).version for serial in (7, 9))
    assert counted() == (2, 2, True, 9)
    marker = delete()
    assert counted() == (3, 3, False, 9)
    third = written(rooms.put(state(1))).version
    assert (third.origin.mark, counted()) == ("override", (4, 4, True, 9))
    delete(third.id)
    assert counted() == (3, 3, False, 9)
    delete(first.id)
    assert counted() == (3, 2, False, 9)
    delete(marker)
    assert counted() == (2, 1, True, 9)
    delete(second.id)
    assert counted() == (0, 0, False, 9)
    assert written(rooms.put(state(2**64 - 1))).version.seq == 5
    assert counted() == (5, 1, True, 2**63 - 1)


def test_what_comes_back_behind_several_deletions_is_an_override_too(rooms):
    rooms.put(state(5))
    for nonce in ("d1", "d2"):
        rooms.store.write(lambda tx, nonce=nonce: objects.delete(tx, caller(), STATE, nonce))
    assert written(rooms.put(state(5, note="back"))).version.origin.mark == "override"


def test_a_parked_write_keeps_what_came_with_it_and_says_how_to_look_at_it(rooms):
    rooms.lock(caller("ann"))
    result = refused(rooms.put(state(2), BOB, content_type="application/json", lock_id="lock-bob"))
    parked = rooms.store.read(lambda tx: parking.get_parked(tx, caller(), result.parked))
    assert (parked.content_type, parked.origin.lock_id, parked.facts.serial) == ("application/json", "lock-bob", 2)
    assert result.problem.hint == f"lockhouse state parked show {result.parked}"
    assert result.problem.details["parked"] == result.parked
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())][-1]
    assert (told.action, told.subject, told.code) == ("version.park", result.parked, "write.locked")


def test_a_write_is_told_with_its_serial_its_size_and_its_mark(rooms):
    plan = Address("acme", "plan")
    first = written(rooms.put(state(1))).version
    rooms.lock()
    second = written(rooms.put(state(2))).version
    third = written(rooms.put(b"1234", address=plan)).version
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())]
    size = len(state(1))
    assert [(each.subject, each.detail) for each in told if each.action == "version.write"] == [
        (first.id, f"serial 1, {size} bytes, unlocked"),
        (second.id, f"serial 2, {size} bytes"),
        (third.id, "4 bytes"),
    ]
