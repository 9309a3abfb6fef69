"""Deleting is soft: what was deleted comes back as it was, until the restore window is over or somebody purges it."""

from __future__ import annotations

import pytest

from lockhouse.core.audit import decode
from lockhouse.core.principals import Grant, Right
from lockhouse.core.retention import DAY_SECONDS, Rule
from lockhouse.errors import (
    AccessDenied,
    DocumentNotFound,
    RequestInvalid,
    StateDeleted,
    StateNotFound,
    VersionNotFound,
    WriteLocked,
)
from lockhouse.service import history, objects, retention, trash
from tests.unit.service.rooms import STATE, Rooms, caller, state

WRITER = caller("writer", grants=(Grant("acme", "", (Right.READ, Right.WRITE)),))


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def delete(rooms: Rooms, version_id: str = "", nonce: str = "m1") -> None:
    rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, nonce, version_id))


def undelete(rooms: Rooms, version_id: str = "", by=None):
    return rooms.store.write(lambda tx: trash.undelete(tx, by or caller(), STATE, version_id))


def record(rooms: Rooms):
    return rooms.store.read(lambda tx: tx.state(STATE))


def test_a_deleted_state_comes_back_as_it_was(rooms):
    rooms.put(state(1))
    last = rooms.put(state(2))
    before = record(rooms)
    delete(rooms)
    delete(rooms, nonce="m2")
    with pytest.raises(StateDeleted):
        rooms.get()
    found, version = undelete(rooms, by=WRITER)
    assert (version.id, rooms.get()) == (last.version.id, state(2))
    assert (found.current, found.versions, found.live) == (before.current, before.versions, True)
    with pytest.raises(RequestInvalid):
        undelete(rooms)
    rooms.put(state(3))
    assert rooms.get() == state(3)


def test_a_version_deleted_by_its_id_is_gone_at_once_and_comes_back_under_its_id(rooms):
    first = rooms.put(state(1)).version.id
    second = rooms.put(state(2)).version.id
    delete(rooms, first)
    with pytest.raises(VersionNotFound):
        rooms.get(version_id=first)
    assert [each.id for each in rooms.store.read(lambda tx: history.list_versions(tx, caller(), STATE))[1]] == [second]
    (thrown,) = rooms.store.read(lambda tx: trash.list_trash(tx, WRITER, STATE))[1]
    assert (thrown.version.id, thrown.reason, thrown.by) == (first, "deleted", "ann")
    found, _ = undelete(rooms, first)
    assert (rooms.get(version_id=first), rooms.get()) == (state(1), state(2))
    assert found.versions == 2


def test_the_newest_version_deleted_by_its_id_is_current_again_unless_something_newer_was_written(rooms):
    rooms.put(state(1))
    second = rooms.put(state(2)).version.id
    delete(rooms, second)
    assert rooms.get() == state(1)
    undelete(rooms, second)
    assert rooms.get() == state(2)
    delete(rooms, second)
    rooms.put(state(3))
    undelete(rooms, second)
    assert (rooms.get(), rooms.get(version_id=second)) == (state(3), state(2))


def test_a_state_without_any_version_left_comes_back_from_the_trash(rooms):
    only = rooms.put(state(1)).version.id
    delete(rooms, only)
    with pytest.raises(StateNotFound):
        undelete(rooms)
    undelete(rooms, only)
    assert (rooms.get(), record(rooms).live) == (state(1), True)


def test_nothing_comes_back_while_the_lock_is_held(rooms):
    first = rooms.put(state(1)).version.id
    rooms.put(state(2))
    delete(rooms, first)
    rooms.lock()
    with pytest.raises(WriteLocked):
        undelete(rooms, first)
    with pytest.raises(WriteLocked):
        undelete(rooms)


def test_only_an_administrator_purges_and_then_it_is_gone(rooms):
    first = rooms.put(state(1)).version.id
    rooms.put(state(2))
    delete(rooms, first)
    with pytest.raises(AccessDenied):
        rooms.store.write(lambda tx: trash.purge(tx, WRITER, STATE, first))
    rooms.store.write(lambda tx: trash.purge(tx, caller(), STATE, first))
    for act in (
        lambda tx: trash.purge(tx, caller(), STATE, first),
        lambda tx: trash.undelete(tx, caller(), STATE, first),
    ):
        with pytest.raises(VersionNotFound):
            rooms.store.write(act)


def test_the_trash_is_emptied_when_the_window_is_over(rooms):
    first = rooms.put(state(1)).version.id
    rooms.put(state(2))
    delete(rooms, first)
    at = caller().now

    def empty(now: float) -> int:
        return rooms.store.write(lambda tx: trash.empty(tx, now=now, window=100.0, limit=10))

    assert (empty(at + 99.0), empty(at + 100.0), empty(at + 200.0)) == (0, 1, 0)


def set_rule(rooms: Rooms, rule: Rule) -> None:
    rooms.store.write(lambda tx: retention.POLICIES.set_rule(tx, caller(), "acme", rule))


def verdict(rooms: Rooms, now: float):
    def query(tx):
        policy = retention.POLICIES.of(tx, "acme")
        return retention.decide(tx, tx.state(STATE), policy, now=now, floor=0.0)

    return rooms.store.read(query)


def test_retention_moves_old_versions_to_the_trash_the_oldest_first(rooms):
    ids = [rooms.put(state(serial), caller(now=1000.0 + serial)).version.id for serial in range(1, 8)]
    set_rule(rooms, Rule(keep_versions=3))
    now = 2000.0
    left = rooms.store.write(lambda tx: retention.apply(tx, verdict(rooms, now), now=now, limit=3))
    assert len(left.gone) == 1
    assert [each.version.id for each in rooms.store.read(lambda tx: tx.trash(record(rooms).id))] == ids[2::-1]
    left = rooms.store.write(lambda tx: retention.apply(tx, left, now=now, limit=3))
    assert (left.gone, record(rooms).versions, rooms.get()) == ((), 3, state(7))
    undelete(rooms, ids[0])
    assert rooms.get(version_id=ids[0]) == state(1)


@pytest.mark.parametrize("change", ["write", "lock", "policy", "tag", "delete"])
def test_retention_does_nothing_when_anything_has_changed_since_it_decided(rooms, change):
    ids = [rooms.put(state(serial), caller(now=1000.0 + serial)).version.id for serial in range(1, 8)]
    set_rule(rooms, Rule(keep_versions=3))
    decided = verdict(rooms, 2000.0)
    match change:
        case "write":
            rooms.put(state(9))
        case "lock":
            rooms.lock()
        case "policy":
            set_rule(rooms, Rule(keep_versions=6))
        case "tag":
            rooms.store.write(lambda tx: objects.set_tags(tx, caller(), STATE, ids[0], {"keep": ""}))
        case "delete":
            delete(rooms, ids[5])
    before = record(rooms)
    assert rooms.store.write(lambda tx: retention.apply(tx, decided, now=2000.0, limit=10)) is None
    assert record(rooms) == before


def test_a_preview_lists_what_would_go_and_changes_nothing(rooms):
    ids = [rooms.put(state(serial), caller(now=1000.0 + serial)).version.id for serial in range(1, 5)]
    late = caller(now=1000.0 + 100 * DAY_SECONDS)

    def preview(rule: Rule | None) -> list[str]:
        found, after = rooms.store.read(
            lambda tx: retention.preview(tx, late, "acme", rule, limit=10, floor=DAY_SECONDS)
        )
        assert after == ""
        return [version.id for _, gone in found for version in gone]

    assert preview(None) == []
    assert preview(Rule(keep_versions=2)) == ids[1::-1]
    assert preview(Rule("other/", keep_versions=2)) == []
    set_rule(rooms, Rule(keep_versions=3))
    assert preview(None) == ids[:1]
    assert record(rooms).versions == 4
    rooms.store.write(lambda tx: retention.POLICIES.remove_rule(tx, caller(), "acme", ""))
    assert preview(None) == []
    with pytest.raises(DocumentNotFound):
        rooms.store.write(lambda tx: retention.POLICIES.remove_rule(tx, caller(), "acme", ""))


def test_rules_are_set_by_administrators_only(rooms):
    with pytest.raises(AccessDenied):
        rooms.store.write(lambda tx: retention.POLICIES.set_rule(tx, WRITER, "acme", Rule(keep_versions=1)))
    assert rooms.store.read(lambda tx: retention.POLICIES.show(tx, WRITER, "acme")).rules == ()


def test_a_guessed_id_with_the_right_number_finds_nothing_in_the_trash(rooms):
    first = rooms.put(state(1)).version
    rooms.put(state(2))
    delete(rooms, first.id)
    for guessed in (f"{first.seq:x}.guess", "no id", "2.n2"):
        with pytest.raises(VersionNotFound):
            undelete(rooms, guessed)
        with pytest.raises(VersionNotFound):
            rooms.store.write(lambda tx, guessed=guessed: trash.purge(tx, caller(), STATE, guessed))
    assert [each.version.id for each in rooms.store.read(lambda tx: trash.list_trash(tx, WRITER, STATE))[1]] == [
        first.id
    ]


def test_what_leaves_the_trash_is_told(rooms):
    ids = [rooms.put(state(serial)).version.id for serial in (1, 2, 3, 4)]
    for version_id in ids[:3]:
        delete(rooms, version_id)
    undelete(rooms, ids[0])
    rooms.store.write(lambda tx: trash.purge(tx, caller(), STATE, ids[1]))
    rooms.store.write(lambda tx: trash.empty(tx, now=caller().now + 200.0, window=100.0, limit=10))
    rooms.store.write(lambda tx: trash.empty(tx, now=caller().now + 200.0, window=100.0, limit=10))
    told = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())]
    assert [(each.action, each.subject, each.count) for each in told][-3:] == [
        ("version.undelete", ids[0], 0),
        ("version.purge", ids[1], 0),
        ("trash.empty", "", 1),
    ]


def test_nothing_comes_back_where_nothing_was_or_by_who_may_not_write(rooms):
    with pytest.raises(StateNotFound):
        undelete(rooms)
    rooms.put(state(1))
    delete(rooms)
    with pytest.raises(AccessDenied):
        undelete(rooms, by=caller("eve", grants=(Grant("acme", "", (Right.READ, Right.LOCK)),)))
