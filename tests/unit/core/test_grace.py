"""What a credential that has ended may still do: the rule, over every combination of what it looks at."""

from __future__ import annotations

import pytest

from lockhouse.core.grace import Act, may_finish
from lockhouse.core.locks import TOMBSTONE_SECONDS, Facet, Fence, Hold, Lock, LockRecord, Tombstone

TAKEN, ENDED, UNTIL = 1000.0, 2000.0, 5000.0
HOLD = Hold(Facet.TABLE, "id-1", b"", TAKEN)
OWN = LockRecord(3, Lock(3, "P1", "ci", "C1", (HOLD,)))
OTHERS = LockRecord(3, Lock(3, "P2", "ann", "C2", (HOLD,)))
JOINED = LockRecord(3, Lock(3, "P1", "ci", "C2", (HOLD, Hold(Facet.HTTP, "id-2", b"", TAKEN, credential="C1"))))
LATER = LockRecord(4, Lock(4, "P1", "ci", "C1", (Hold(Facet.TABLE, "id-2", b"", ENDED + 1),)))
FREE = LockRecord(3)
ACTS = list(Act)


def may(act: Act, record: LockRecord, now: float = 3000.0, ended: float = ENDED, until: float = UNTIL) -> bool:
    return may_finish(act, record, "C1", ended, until, now)


@pytest.mark.parametrize("act", ACTS)
def test_the_holder_may_finish_all_of_it_until_the_grace_is_over(act):
    for record in (OWN, JOINED):
        assert may(act, record, ENDED)
        assert may(act, record, UNTIL - 0.001)
        assert not may(act, record, UNTIL)
        assert not may(act, record, ENDED - 0.001)


@pytest.mark.parametrize("act", ACTS)
def test_whoever_holds_nothing_may_finish_nothing(act):
    for record in (OTHERS, FREE):
        assert not may(act, record)


@pytest.mark.parametrize("act", ACTS)
def test_a_lock_that_was_taken_after_the_end_is_another_sessions(act):
    assert not may(act, LATER)


@pytest.mark.parametrize("act", ACTS)
def test_without_a_grace_nothing_is_finished(act):
    assert not may(act, OWN, ENDED, until=ENDED)


@pytest.mark.parametrize("act", ACTS)
def test_after_the_release_it_may_be_repeated_for_a_minute_and_the_state_is_out_of_reach(act):
    def released(by: str) -> LockRecord:
        return LockRecord(3, None, (), (Tombstone(HOLD.facet, HOLD.id, by, 3000.0),))

    repeats = act in (Act.UNLOCK, Act.SHOW)
    assert may(act, released("C1"), 3000.0 + TOMBSTONE_SECONDS - 1) == repeats
    assert not may(act, released("C1"), 3000.0 + TOMBSTONE_SECONDS)
    assert not may(act, released("C2"))


@pytest.mark.parametrize("act", ACTS)
def test_a_holder_whose_lock_was_taken_away_may_send_its_state_to_be_parked(act):
    fences = (Fence("C1", ("id-1",), 3, 2500.0, 1),)
    for record in (LockRecord(3, None, fences), LockRecord(4, OTHERS.lock, fences)):
        assert may(act, record) == (act is Act.WRITE)
        assert not may(act, record, UNTIL)
    assert not may(act, LockRecord(3, None, (Fence("C2", ("id-1",), 3, 2500.0, 1),)))
