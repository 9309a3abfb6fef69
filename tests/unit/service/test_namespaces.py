"""Namespaces: who learns of one, what keeps one from being removed, and what is kept of one."""

from __future__ import annotations

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.audit import decode
from lockhouse.core.principals import Grant, Right
from lockhouse.errors import AccessDenied, NamespaceExists, NamespaceInvalid, NamespaceNotEmpty, NamespaceNotFound
from lockhouse.service import namespaces, objects, parking, uploads
from lockhouse.service.objects import Refused
from tests.unit.service.rooms import STATE, Rooms, caller, state


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def having(*rights: Right, namespace="acme", prefix=""):
    return caller("eve", grants=(Grant(namespace, prefix, rights),))


def create(rooms, name, by=None, **more):
    return rooms.store.write(lambda tx: namespaces.create(tx, by or caller(), name, **more))


def delete(rooms, by=None):
    rooms.store.write(lambda tx: namespaces.delete(tx, by or caller(), "acme"))


def told(rooms):
    entries = [decode(raw) for _, raw in rooms.store.read(lambda tx: tx.unsealed())]
    return [(each.action, each.namespace, each.detail) for each in entries if each.action.startswith("namespace.")]


def test_a_namespace_is_made_once_by_who_administers_its_name(rooms):
    assert create(rooms, "other", region="eu-west-1", require_lock=True).require_lock
    with pytest.raises(NamespaceExists) as refused:
        create(rooms, "other")
    assert refused.value.details["region"] == "eu-west-1"
    with pytest.raises(NamespaceInvalid):
        create(rooms, "a/b")
    with pytest.raises(AccessDenied):
        create(rooms, "third", having(Right.ADMIN))
    assert create(rooms, "third", having(Right.ADMIN, namespace="third")).name == "third"


def test_an_empty_namespace_is_removed_by_its_administrator(rooms):
    with pytest.raises(AccessDenied):
        delete(rooms, having(Right.READ, Right.WRITE, Right.LOCK))
    delete(rooms)
    with pytest.raises(NamespaceNotFound):
        delete(rooms)
    assert told(rooms)[-1] == ("namespace.delete", "acme", "")


def test_versions_and_delete_markers_keep_a_namespace(rooms):
    rooms.put(state(1))
    with pytest.raises(NamespaceNotEmpty):
        delete(rooms)
    rooms.store.write(lambda tx: objects.delete(tx, caller(), STATE, "d"))
    with pytest.raises(NamespaceNotEmpty):
        delete(rooms)


def test_a_held_lock_keeps_a_namespace(rooms):
    rooms.lock()
    with pytest.raises(NamespaceNotEmpty):
        delete(rooms)
    rooms.unlock()
    delete(rooms)


def test_a_parked_write_keeps_a_namespace_though_nothing_else_is_there(rooms):
    rooms.lock()
    result = rooms.put(state(1), caller("bob"))
    assert isinstance(result, Refused)
    rooms.unlock()
    with pytest.raises(NamespaceNotEmpty):
        delete(rooms)
    rooms.store.write(lambda tx: parking.drop_parked(tx, caller(), result.parked))
    delete(rooms)


def test_an_unfinished_upload_keeps_a_namespace(rooms):
    plan = Address("acme", "plan")
    rooms.store.write(lambda tx: uploads.create(tx, caller(), plan, "u1", uploads.Template()))
    with pytest.raises(NamespaceNotEmpty):
        delete(rooms)
    rooms.store.write(lambda tx: uploads.abort(tx, caller(), plan, "u1"))
    delete(rooms)


def test_whether_a_lock_is_required_is_set_by_an_administrator_kept_and_told(rooms):
    def require_lock(by, *, required):
        rooms.store.write(lambda tx: namespaces.set_require_lock(tx, by, "acme", required=required))
        return rooms.store.read(lambda tx: tx.namespace("acme")).require_lock

    for required in (True, False):
        assert require_lock(caller(), required=required) == required
        assert told(rooms)[-1] == ("namespace.change", "acme", f"require_lock={str(required).lower()}")
    with pytest.raises(AccessDenied):
        require_lock(having(Right.READ, Right.WRITE), required=True)


def test_a_namespace_is_seen_by_who_has_any_grant_in_it_and_hidden_from_all_others(rooms):
    for name in ("beta", "delta", "gamma"):
        create(rooms, name)
    two = caller("eve", grants=(Grant("delta", "x/", (Right.READ,)), Grant("gamma", "", (Right.LOCK,))))

    def listed(by, **more):
        return [each.name for each in rooms.store.read(lambda tx: namespaces.list_all(tx, by, **more))]

    assert listed(two) == ["delta", "gamma"]
    assert [listed(two, limit=1), listed(two, after="delta", limit=1), listed(two, after="gamma", limit=1)] == [
        ["delta"],
        ["gamma"],
        [],
    ]
    assert listed(caller()) == ["acme", "beta", "delta", "gamma"]
    for hidden in ("acme", "nowhere"):
        with pytest.raises(AccessDenied):
            rooms.store.read(lambda tx, hidden=hidden: namespaces.get(tx, two, hidden))
    with pytest.raises(NamespaceNotFound):
        rooms.store.read(lambda tx: namespaces.get(tx, caller(), "nowhere"))


def test_documents_of_a_namespace_are_read_and_set_by_its_administrators(rooms):
    def read(by, name="acme"):
        return rooms.store.read(lambda tx: namespaces.get_document(tx, by, name, "policy"))

    def write(by, body, name="acme"):
        rooms.store.write(lambda tx: namespaces.set_document(tx, by, name, "policy", body))

    write(caller(), b"{}")
    assert read(caller()) == b"{}"
    assert told(rooms)[-1][:2] == ("namespace.change", "acme")
    for act in (
        lambda: write(having(Right.READ, Right.WRITE), b"x"),
        lambda: read(having(Right.READ, prefix="a"), "b"),
    ):
        with pytest.raises(AccessDenied):
            act()
    for act in (lambda: write(caller(), b"x", "nowhere"), lambda: read(caller(), "nowhere")):
        with pytest.raises(NamespaceNotFound):
            act()
    assert read(caller()) == b"{}"
