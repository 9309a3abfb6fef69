"""The queue for a lock: nobody overtakes, no wake-up is lost, the dead stand in nobody's way."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.core.addresses import Address
from lockhouse.core.queues import NOBODY, POLLER_SECONDS, Poller, Queued, head, is_behind, join, leave, living, refused

HERE = Address("acme", "app/terraform.tfstate")
COMES, LEAVES, FREED = "comes", "leaves", "freed"


def queued(name: str, replica: str = "") -> Queued:
    return Queued(name, HERE, replica, 1.0, name)


def ids(queue: tuple[Queued, ...]) -> str:
    return "".join(each.id for each in queue)


def test_who_comes_while_somebody_waits_stands_behind_all():
    assert not is_behind(NOBODY)
    one = join(NOBODY, queued("a"))
    two = join(one, queued("b"))
    assert is_behind(one)
    assert not is_behind(two, "a")
    assert is_behind(two, "b")
    assert is_behind(two)
    assert head(two) == queued("a")
    assert head(NOBODY) is None


def test_whoever_leaves_from_whatever_place_the_head_asks_next():
    queue = (queued("a"), queued("b"), queued("c"))
    for leaver, rest, asks in (("a", "bc", "b"), ("b", "ac", "a"), ("c", "ab", "a"), ("gone", "abc", "a")):
        left, following = leave(queue, leaver)
        assert (ids(left), following) == (rest, queued(asks))
    assert leave((queued("a"),), "a") == (NOBODY, None)
    assert leave(NOBODY, "a") == (NOBODY, None)


@given(st.lists(st.tuples(st.sampled_from([COMES, LEAVES, FREED]), st.integers(0, 5))))
def test_whatever_happens_the_lock_is_given_in_the_order_of_arrival_and_is_never_left_lying_beside_a_queue(steps):
    """Plays a lock and its queue: only who was told to ask asks. `LEAVES` takes anybody, in the very moment in which a
    wake-up may have been meant for it."""
    queue = NOBODY
    free, came, served = True, 0, [-1]
    asking: set[str] = set()

    def ask(name: str) -> None:
        nonlocal queue, free
        if free and not is_behind(queue, name):
            free = False
            served.append(int(name))
            depart(name)

    def depart(name: str) -> None:
        nonlocal queue
        asking.discard(name)
        queue, following = leave(queue, name)
        if following is not None:
            asking.add(following.id)

    for step, number in steps:
        if step == COMES:
            if free and not is_behind(queue):
                free = False
                served.append(came)
            else:
                queue = join(queue, queued(str(came)))
                if not is_behind(queue, str(came)):
                    asking.add(str(came))
            came += 1
        elif step == FREED and not free:
            free = True
            following = head(queue)
            if following is not None:
                asking.add(following.id)
        elif step == LEAVES and queue:
            depart(queue[number % len(queue)].id)
        if number % 2:  # who was woken asks now, or only after more has happened
            for name in sorted(asking):
                asking.discard(name)
                ask(name)
        assert not (free and queue and not asking), "a free lock, somebody waits, and nobody was told"
        assert asking <= {queue[0].id} if queue else not asking, "only the head asks"
    assert served == sorted(served)


def test_what_a_dead_replica_left_stands_in_nobodys_way_but_who_asks_is_alive():
    found = [(queued("a", "dead"), 0.0), (queued("b", "one"), 99.0), (queued("c", "two"), 95.0), (queued("d"), 94.9)]
    assert ids(living(found, 95.0)) == "bc"
    assert ids(living(found, 95.0, "d")) == "bcd"
    assert not is_behind(living(found, 95.0, "b"), "b")
    assert is_behind(living(found, 95.0, "d"), "d")
    assert not is_behind(living(found, 95.0, "a"), "a")


def poller(at: float) -> Poller:
    return Poller("ann", "127.0.0.1", "Terraform/1.9", at, at)


def test_a_poller_is_expected_for_as_long_as_it_goes_on_asking():
    first, tell = refused(None, poller(100.0), math.inf)
    assert (first, tell) == (poller(100.0), False)
    again, _ = refused(first, poller(100.0 + POLLER_SECONDS), math.inf)
    assert (again.since, again.last) == (100.0, 100.0 + POLLER_SECONDS)
    assert again.is_expected(again.last + POLLER_SECONDS)
    assert not again.is_expected(again.last + POLLER_SECONDS + 0.1)
    late, _ = refused(again, poller(again.last + POLLER_SECONDS + 0.1), math.inf)
    assert late.since == late.last


def test_somebody_is_told_once_of_a_poller_that_asks_for_long():
    found, told = None, []
    for at in range(100, 200, 10):
        found, tell = refused(found, poller(float(at)), notice=45.0)
        told += [at] if tell else []
    assert told == [150]
    anew = msgspec.structs.replace(poller(300.0), peer="elsewhere")
    assert refused(found, anew, notice=0.0) == (msgspec.structs.replace(anew, told=True), True)
