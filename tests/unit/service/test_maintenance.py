"""Maintenance: who may set it, what it refuses, what it lets finish."""

from __future__ import annotations

import json

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.audit import decode
from lockhouse.core.locks import FREE, Facet
from lockhouse.core.maintenance import Maintenance
from lockhouse.core.principals import Grant, Right
from lockhouse.errors import (
    AccessDenied,
    DeleteLocked,
    LockHeld,
    MaintenanceNotFound,
    NamespaceNotFound,
    RequestInvalid,
    UnderMaintenance,
    WriteMaintenance,
)
from lockhouse.service import history, locks, maintenance, objects, trash, workspaces
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.maintenance import OVER, Place
from lockhouse.service.versions import Put, Refused, Written
from lockhouse.service.workspaces import NewWorkspace
from tests.unit.service.rooms import STATE, Rooms, body, caller, state

OTHER = Address("acme", "other/terraform.tfstate")
APP = Place("acme", "app/")


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def start(
    rooms: Rooms, place: Place = APP, reason: str = "moving accounts", until: float = 0.0, by=None
) -> Maintenance:
    by = by or caller("root")
    return rooms.store.write(lambda tx: maintenance.start(tx, by, place, "m-1", reason, until))[0]


def end(rooms: Rooms, place: Place = APP, by=None) -> Maintenance:
    return rooms.store.write(lambda tx: maintenance.end(tx, by or caller("root"), place))


def told(rooms: Rooms) -> list[tuple[str, str, str]]:
    entries = [decode(raw) for _, raw in rooms.store.read(lambda r: r.unsealed())]
    return [(each.action, each.key, each.detail) for each in entries if each.action.startswith("maintenance")]


def test_nobody_gets_a_free_lock_there_and_the_refusal_is_a_whole_document(rooms: Rooms):
    start(rooms, until=2000.0)
    with pytest.raises(UnderMaintenance, match="moving accounts") as refused:
        rooms.lock(caller("root"))
    assert json.loads(refused.value.info) == {
        "ID": "m-1",
        "Operation": "maintenance",
        "Info": "moving accounts (until 1970-01-01T00:33:20Z)",
        "Who": "root",
        "Version": "",
        "Created": "1970-01-01T00:16:40Z",
        "Path": "acme/app/terraform.tfstate",
    }
    assert refused.value.until == 2000.0
    assert "lockhouse maintenance end acme/app/" in refused.value.hint
    rooms.lock(address=OTHER)
    assert rooms.store.read(lambda r: r.state(STATE)) is None, "nothing is made for who is refused"
    rooms.lock(caller(now=2000.0))


def test_every_facet_shows_it_and_none_can_release_it(rooms: Rooms):
    start(rooms)
    for facet in Facet:
        shown = rooms.store.read(lambda r, facet=facet: locks.show(r, caller(), STATE, facet))
        assert shown is not None
        assert shown[0] == "m-1"
        assert json.loads(shown[1])["Info"] == "moving accounts"
    for meant in ({"id": "m-1"}, {"last_read": "m-1"}, {"force": True}):
        with pytest.raises(UnderMaintenance, match="cannot unlock"):
            rooms.unlock(**meant)
    rooms.unlock(last_read="a-lock-of-before")
    assert rooms.store.read(lambda r: r.maintenances("acme"))


def test_who_holds_the_lock_finishes_and_nobody_follows(rooms: Rooms):
    rooms.put(state(1))
    rooms.lock()
    start(rooms)
    rooms.lock()
    document = b'{"ID":"lock-ann","Operation":"","Who":"ann"}'
    rooms.store.write(lambda tx: locks.take(tx, caller(), TakeLock(STATE, Facet.LOCKFILE, document)))
    assert isinstance(rooms.put(state(2)), Written)
    with pytest.raises(LockHeld) as refused:
        rooms.lock(caller("bob"))
    assert not isinstance(refused.value, UnderMaintenance), "who holds it is told first"
    rooms.unlock()
    rooms.store.write(lambda tx: locks.release(tx, caller(), Unlock(STATE, Facet.LOCKFILE)))
    assert rooms.store.read(lambda r: r.lock(r.state(STATE)).lock) is None
    for name in ("ann", "bob"):
        with pytest.raises(UnderMaintenance):
            rooms.lock(caller(name))
    end(rooms)
    rooms.lock(caller("bob"))


def test_a_write_without_the_lock_is_parked_and_can_be_accepted_afterwards(rooms: Rooms):
    first = rooms.put(state(1))
    assert isinstance(first, Written)
    start(rooms)
    refused = rooms.put(state(2))
    assert isinstance(refused, Refused)
    assert isinstance(refused.problem, WriteMaintenance)
    assert "moving accounts" in refused.problem.message
    assert isinstance(rooms.put(state(1)), Written), "the same bytes again are a success"
    assert rooms.get() == state(1), "reading goes on"
    accept = lambda: rooms.store.write(  # noqa: E731
        lambda tx: history.accept_parked(tx, caller(), refused.parked, "accepted", body(state(2)))
    )
    with pytest.raises(WriteMaintenance):
        accept()
    again = Put(STATE, body(state(3)), "again", first.version.facts)
    with pytest.raises(WriteMaintenance):
        rooms.store.write(lambda tx: history.restore(tx, caller(), again, 1))
    end(rooms)
    assert isinstance(accept(), Written)
    assert rooms.get() == state(2)


def test_even_an_override_is_refused(rooms: Rooms):
    rooms.put(state(1))
    start(rooms)
    assert isinstance(rooms.put(state(2), override=True, unconditional=True), Refused)


def test_states_are_not_deleted_nor_brought_back_there_and_plain_objects_are_as_ever(rooms: Rooms):
    rooms.store.write(lambda tx: workspaces.create(tx, caller(), "acme", NewWorkspace("ws-1", "prod")))
    rooms.put(state(1))
    gone = Address("acme", "gone.tfstate")
    rooms.put(state(1), address=gone)
    rooms.store.write(lambda tx: objects.delete(tx, caller(), gone, "marker"))
    plan = Address("acme", "app/plan")
    start(rooms, Place("acme"))
    for nonce, version in (("m", ""), ("", rooms.store.read(lambda r: r.current(r.state(STATE))).id)):
        with pytest.raises(DeleteLocked, match="moving accounts"):
            rooms.store.write(lambda tx, n=nonce, v=version: objects.delete(tx, caller(), STATE, n, v))
    with pytest.raises(DeleteLocked, match="moving accounts"):
        rooms.store.write(lambda tx: workspaces.delete(tx, caller(), "ws-1", "nonce", guarded=False))
    with pytest.raises(WriteMaintenance):
        rooms.store.write(lambda tx: trash.undelete(tx, caller(), gone))
    put = Put(plan, body(b"plan"), "p1")
    assert isinstance(rooms.store.write(lambda tx: objects.put(tx, caller(), put)), Written)
    assert rooms.store.write(lambda tx: objects.delete(tx, caller(), plan, "p2"))


def test_again_at_the_same_place_changes_reason_and_end_and_keeps_its_beginning(rooms: Rooms):
    made = start(rooms, until=1500.0)
    later = caller("eve", now=1200.0)
    changed, before = rooms.store.write(lambda tx: maintenance.start(tx, later, APP, "m-2", "longer", 1800.0))
    assert before == made
    assert changed == msgspec.structs.replace(made, reason="longer", until=1800.0, principal="eve", name="eve")
    after_its_end = caller(now=1800.0)
    anew, before = rooms.store.write(lambda tx: maintenance.start(tx, after_its_end, APP, "m-3", "anew"))
    assert (anew.id, anew.at, before) == ("m-3", 1800.0, None)


def test_it_needs_admin_on_the_place(rooms: Rooms):
    def admin(prefix: str, *, exact: bool = False):
        return caller("part", grants=(Grant("acme", prefix, (Right.ADMIN,), exact),))

    start(rooms, APP, by=admin("app/"))
    start(rooms, Place("acme", "app/x/"), by=admin("app/"))
    start(rooms, Place("acme", STATE.key, exact=True), by=admin(STATE.key, exact=True))
    for place, by in (
        (Place("acme"), admin("app/")),
        (Place("acme", "ap"), admin("app/")),
        (Place("acme", STATE.key), admin(STATE.key, exact=True)),
        (APP, caller("rest", grants=(Grant("acme", "", tuple(set(Right) - {Right.ADMIN})),))),
    ):
        with pytest.raises(AccessDenied):
            start(rooms, place, by=by)
        with pytest.raises(AccessDenied):
            end(rooms, place, by=by)


def test_what_makes_no_sense_is_refused(rooms: Rooms):
    for wrong in ({"reason": " "}, {"reason": "x" * 501}, {"until": 1000.0}, {"place": Place("acme", "", exact=True)}):
        with pytest.raises(RequestInvalid):
            start(rooms, **wrong)
    with pytest.raises(NamespaceNotFound):
        start(rooms, Place("nowhere"))
    start(rooms)
    for place in (Place("acme"), Place("acme", "app/", exact=True)):
        with pytest.raises(MaintenanceNotFound, match="none stands at this very place"):
            end(rooms, place)


def test_it_is_shown_to_those_whom_it_concerns(rooms: Rooms):
    made = start(rooms)

    def seen(prefix: str, now: float = 1000.0, namespace: str = "acme") -> list[Maintenance]:
        by = caller("part", grants=(Grant(namespace, prefix, (Right.READ,)),), now=now)
        return list(rooms.store.read(lambda r: maintenance.list_all(r, by)))

    assert seen("") == seen("app/one/") == seen("ap") == [made]
    assert seen("other/") == seen("", namespace="elsewhere") == []


def test_the_log_tells_of_its_beginning_its_changes_and_both_kinds_of_end(rooms: Rooms):
    start(rooms, until=1500.0)
    start(rooms, reason="longer")
    end(rooms)
    start(rooms, Place("acme"), until=1500.0)
    assert rooms.store.write(lambda tx: maintenance.end_those_over(tx, 1499.0)) == 0
    assert rooms.store.write(lambda tx: maintenance.end_those_over(tx, 1500.0)) == 1
    assert told(rooms) == [
        ("maintenance.start", "app/", "moving accounts, until 1970-01-01T00:25:00Z"),
        ("maintenance.change", "app/", "longer"),
        ("maintenance.end", "app/", "longer"),
        ("maintenance.start", "", "moving accounts, until 1970-01-01T00:25:00Z"),
        ("maintenance.end", "", OVER),
    ]
    assert not rooms.store.read(lambda r: r.maintenances())


def test_a_lock_that_never_was_is_shown_as_free_under_maintenance(rooms: Rooms):
    start(rooms)
    assert rooms.store.read(lambda r: locks.inspect(r, caller(), STATE)) == (FREE, ())
