"""The guarded delete: a state that still describes something is deleted by who says that he means it."""

from __future__ import annotations

import json

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.principals import Grant, Right
from lockhouse.errors import AccessDenied, DeleteGuarded, DeleteLocked, StateNotFound
from lockhouse.service import deletions
from tests.unit.service.rooms import STATE, Rooms, caller, state

BLOCK = {"mode": "managed", "type": "terraform_data", "name": "one", "instances": []}


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def describing(resources: int, serial: int = 1) -> bytes:
    return json.dumps(json.loads(state(serial)) | {"resources": [BLOCK] * resources}).encode()


def delete(rooms, by=None, address=STATE, *, known=False):
    by = by or caller()
    return rooms.store.write(lambda tx: deletions.delete(tx, by, address, "d", resources_known=known))


@pytest.mark.parametrize(("resources", "words"), [(1, "1 resource"), (2, "2 resources")])
def test_a_state_with_resources_is_deleted_only_by_who_says_so(rooms, resources, words):
    rooms.put(describing(resources))
    with pytest.raises(DeleteGuarded) as refused:
        delete(rooms)
    assert refused.value.details == {"resources": resources}
    assert refused.value.message.endswith(f"it still describes {words}")
    assert rooms.get() == describing(resources)
    assert delete(rooms, known=True).marker


def test_a_state_of_which_nobody_knows_what_it_describes_is_guarded_too(rooms):
    rooms.put(b'{"encrypted_data":"eA==","encryption_version":"v0","serial":1,"lineage":"l"}')
    with pytest.raises(DeleteGuarded) as refused:
        delete(rooms)
    assert refused.value.details == {"resources": -1}


def test_an_empty_state_and_a_plain_object_are_deleted_at_once(rooms):
    rooms.put(describing(0))
    plan = Address("acme", "plan")
    rooms.put(b"bytes", address=plan)
    assert delete(rooms).marker
    assert delete(rooms, address=plan).marker


def test_what_is_not_there_is_not_deleted_again(rooms):
    with pytest.raises(StateNotFound):
        delete(rooms, known=True)
    rooms.put(describing(0))
    delete(rooms)
    with pytest.raises(StateNotFound):
        delete(rooms, known=True)


def test_to_say_so_is_no_grant_and_no_unlock(rooms):
    rooms.put(describing(1))
    reader = caller("eve", grants=(Grant("acme", "", (Right.READ,)),))
    with pytest.raises(AccessDenied):
        delete(rooms, reader, known=True)
    rooms.lock()
    with pytest.raises(DeleteLocked):
        delete(rooms, known=True)
