"""What one process remembers of recent requests is bounded and ends; each refusal is explained once."""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.runtime.memory import PIN_SECONDS, REFUSAL_SECONDS, LastReads, Pins, Refusals

HERE = Address("acme", "app.tfstate")
HELD = ("L1", b"{}")


def test_the_newest_notes_are_kept_and_one_that_is_made_again_is_new():
    reads = LastReads(capacity=2)
    reads.note("a", HERE, "L1")
    reads.note("b", HERE, "L1")
    reads.note("a", HERE, "L2")
    assert (reads.get("a", HERE), reads.get("b", HERE)) == ("L2", "L1")
    reads.note("c", HERE, "L1")
    assert [reads.get(each, HERE) for each in "abc"] == ["L2", None, "L1"]
    assert reads.get("a", Address("acme", "other")) is None


def test_a_pin_ends():
    pins = Pins()
    pins.pin("a", HERE, 7, 100.0)
    assert pins.pinned("a", HERE, 100.0 + PIN_SECONDS - 0.1) == 7
    assert pins.pinned("a", HERE, 100.0 + PIN_SECONDS) == 0
    assert pins.pinned("b", HERE, 100.0) == 0


def test_each_refusal_is_explained_once_and_only_for_a_moment():
    refusals = Refusals()
    assert refusals.owed("a", HERE, 1.0) is None
    for _ in range(2):
        refusals.refused("a", HERE, *HELD, 1.0)
        assert refusals.owed("b", HERE, 1.0) is None
        assert refusals.owed("a", HERE, 1.0) == HELD
        assert refusals.owed("a", HERE, 1.0) is None
    refusals.refused("a", HERE, *HELD, 1.0)
    assert refusals.owed("a", HERE, 1.0 + REFUSAL_SECONDS) is None
    refusals.refused("a", HERE, *HELD, 1.0 + REFUSAL_SECONDS)  # the one before is over: this is one, not two
    assert refusals.owed("a", HERE, 1.0 + REFUSAL_SECONDS) == HELD
    assert refusals.owed("a", HERE, 1.0 + REFUSAL_SECONDS) is None


def test_who_was_refused_and_has_read_the_holder_is_owed_nothing_until_its_unlock_has_read_too():
    refusals = Refusals()
    refusals.refused("a", HERE, *HELD, 1.0)
    refusals.refused("a", HERE, *HELD, 1.0)
    refusals.read("a", HERE)
    refusals.read("a", HERE)  # one of the two was of an unlock by another run of this credential
    assert refusals.owed("a", HERE, 1.0) is None
    refusals.released("a", HERE)
    assert refusals.owed("a", HERE, 1.0) == HELD
    refusals.read("b", HERE)
    refusals.released("b", HERE)
    assert refusals.owed("b", HERE, 1.0) is None
