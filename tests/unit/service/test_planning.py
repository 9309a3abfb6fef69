"""The right to plan: reading, and locks for what does not write."""

from __future__ import annotations

import pytest

from lockhouse.core.principals import Grant, Right
from lockhouse.errors import AccessDenied, LockHeld
from lockhouse.service.locks import PLANNING
from tests.unit.service.rooms import Rooms, caller, state

PLANNER = caller("plan", grants=(Grant("acme", "app/", (Right.PLAN,)),))


@pytest.mark.parametrize("operation", sorted(PLANNING))
def test_a_planner_locks_reads_and_unlocks(operation: str):
    rooms = Rooms()
    rooms.put(state(1))
    rooms.lock(PLANNER, operation=operation)
    assert rooms.get(PLANNER) == state(1)
    with pytest.raises(LockHeld):
        rooms.lock(caller("ann"))
    rooms.unlock(PLANNER)
    rooms.lock(caller("ann"))


@pytest.mark.parametrize(
    "operation", ["OperationTypeApply", "OperationTypeRefresh", "state-push", "migration destination state", "anything"]
)
def test_a_planner_gets_no_lock_for_what_writes(operation: str):
    rooms = Rooms()
    with pytest.raises(AccessDenied, match=f"for {operation}: plan may plan there and not write"):
        rooms.lock(PLANNER, operation=operation)
    rooms.lock(caller("ann"))


def test_a_planner_writes_nothing_deletes_nothing_and_ends_no_lock_of_others():
    rooms = Rooms()
    rooms.put(state(1))
    with pytest.raises(AccessDenied):
        rooms.put(state(2), PLANNER)
    rooms.lock(caller("ann"))
    with pytest.raises(AccessDenied, match="force-unlock"):
        rooms.unlock(PLANNER, id="lock-ann", force=True)
    with pytest.raises(AccessDenied):
        rooms.unlock(PLANNER)


def test_outside_of_its_grant_a_planner_is_told_that_it_may_not_lock():
    elsewhere = caller("plan", grants=(Grant("acme", "other/", (Right.PLAN,)),))
    with pytest.raises(AccessDenied, match="no grant of 'lock' there"):
        Rooms().lock(elsewhere, operation="OperationTypePlan")
