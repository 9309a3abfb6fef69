"""The right to apply: planning, locks, and writing what moves a state forward; no override of any kind."""

from __future__ import annotations

import pytest

from lockhouse.core.principals import Grant, Right
from lockhouse.errors import AccessDenied
from lockhouse.service import history, objects, parking
from tests.unit.service.rooms import STATE, Rooms, caller, state
from tests.unit.service.test_objects import refused, written

APPLIER = caller("ci", grants=(Grant("acme", "app/", (Right.APPLY,)),))
WRITER = caller("ann", grants=(Grant("acme", "app/", (Right.READ, Right.WRITE, Right.LOCK)),))


def test_an_applier_locks_reads_writes_what_moves_forward_and_unlocks():
    rooms = Rooms()
    rooms.lock(APPLIER, operation="OperationTypeApply")
    assert written(rooms.put(state(1), APPLIER)).created
    assert written(rooms.put(state(2), APPLIER)).created
    assert rooms.get(APPLIER) == state(2)
    rooms.unlock(APPLIER)
    rooms.lock(WRITER)


@pytest.mark.parametrize(
    ("body", "code"), [(state(1, note="back"), "write.serial"), (state(9, lineage="other"), "write.lineage")]
)
@pytest.mark.parametrize("operation", ["state-push", "migration destination state"])
def test_what_an_applier_pushes_over_the_state_is_parked_and_it_is_told_what_it_lacks(operation, body, code):
    rooms = Rooms()
    rooms.put(state(5))
    rooms.lock(APPLIER, operation=operation)
    problem = refused(rooms.put(body, APPLIER)).problem
    assert problem.code == code
    assert "needs the right 'write' there" in problem.message
    assert rooms.get() == state(5)
    rooms.unlock(APPLIER)
    rooms.lock(WRITER, operation=operation)
    assert written(rooms.put(body, WRITER)).version.origin.mark == "override"


def test_an_applier_accepts_no_parked_write_restores_nothing_and_deletes_nothing():
    rooms = Rooms()
    rooms.put(state(5))
    parked = refused(rooms.put(state(5, note="other"), APPLIER)).parked
    assert parked is not None
    body = rooms.store.read(lambda tx: parking.get_parked(tx, APPLIER, parked)).body
    with pytest.raises(AccessDenied, match="cannot write"):
        rooms.store.write(lambda tx: history.accept_parked(tx, APPLIER, parked, "a1", body))
    with pytest.raises(AccessDenied, match="cannot write"):
        rooms.store.write(lambda tx: parking.drop_parked(tx, APPLIER, parked))
    with pytest.raises(AccessDenied, match="cannot write"):
        rooms.store.write(lambda tx: objects.delete(tx, APPLIER, STATE, "d1"))
    assert rooms.get() == state(5)
    assert rooms.store.read(lambda tx: tx.parked(parked)) is not None


def test_an_applier_ends_no_lock_of_others():
    rooms = Rooms()
    rooms.lock(WRITER)
    with pytest.raises(AccessDenied, match="force-unlock"):
        rooms.unlock(APPLIER, id="lock-ann", force=True)
    assert rooms.store.read(lambda tx: tx.lock(tx.state(STATE))).lock is not None
