"""Who waits for a connection gets it in the order of coming, however quick others ask again."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from lockhouse.storage.sql.postgres_turns import Turns
from tests.eventually import eventually


def come(pool: ThreadPoolExecutor, turns: Turns[str], seconds: float = 60.0) -> Future[str | None]:
    """Somebody who waits for a turn by now."""
    before = turns.waiting
    coming = pool.submit(turns.borrow, seconds)
    eventually(lambda: turns.waiting == before + 1, 60)
    return coming


def test_whoever_gives_back_and_asks_again_comes_behind_those_who_wait():
    turns = Turns(["one"])
    assert turns.borrow(0) == "one"
    with ThreadPoolExecutor(3) as pool:
        first, second = come(pool, turns), come(pool, turns)
        turns.give_back("one")
        again = come(pool, turns)
        assert first.result(60) == "one"
        assert not second.done()
        turns.give_back("one")
        assert second.result(60) == "one"
        assert not again.done()
        turns.give_back("one")
        assert again.result(60) == "one"


def test_who_waits_too_long_gets_nothing_and_loses_nothing():
    turns = Turns(["one"])
    assert turns.borrow(0) == "one"
    assert turns.borrow(0) is None
    assert turns.borrow(0.01) is None
    assert turns.waiting == 0
    turns.give_back("one")
    assert turns.borrow(0) == "one"


def test_the_one_that_was_used_last_is_lent_first_and_the_idle_ones_can_be_taken_away():
    turns = Turns(["one", "two"])
    assert [turns.borrow(0), turns.borrow(0)] == ["two", "one"]
    turns.give_back("two")
    turns.give_back("one")
    assert turns.borrow(0) == "one"
    assert turns.take_all() == ["two"]
    assert turns.borrow(0) is None
    turns.give_back("one")
    assert turns.take_all() == ["one"]


@pytest.mark.parametrize("things", [1, 3])
def test_many_threads_share_a_few_things_and_none_is_with_two(things: int):
    names = [str(number) for number in range(things)]
    turns, using, wrong = Turns(names), set[str](), list[str]()
    changing = threading.Lock()

    def use() -> None:
        for _ in range(200):
            name = turns.borrow(60)
            assert name is not None
            with changing:
                if name in using:
                    wrong.append(name)
                using.add(name)
            with changing:
                using.remove(name)
            turns.give_back(name)

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(use) for _ in range(8)]:
            each.result(60)
    assert wrong == []
    assert sorted(turns.take_all()) == names
