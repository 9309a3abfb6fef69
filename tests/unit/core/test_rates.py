"""Allowances that fill up again."""

from __future__ import annotations

import time

from lockhouse.core.rates import Rate


def test_a_burst_may_come_at_once_and_then_one_at_a_time():
    rate = Rate(2.0, 5)
    assert [rate.take("a", 100.0) for _ in range(5)] == [0.0] * 5
    assert rate.take("a", 100.0) == 0.5
    assert rate.wait("a", 100.25) == 0.25
    assert rate.take("a", 100.5) == 0.0
    assert rate.take("a", 100.5) == 0.5


def test_a_refusal_takes_nothing():
    rate = Rate(1.0, 1)
    rate.take("a", 100.0)
    assert [rate.take("a", 100.0) for _ in range(50)] == [1.0] * 50
    assert rate.take("a", 101.0) == 0.0


def test_names_have_their_own_allowances():
    rate = Rate(1.0, 1)
    assert rate.take("a", 100.0) == 0.0
    assert rate.take("b", 100.0) == 0.0
    assert rate.take("a", 100.0) > 0
    assert rate.wait("c", 100.0) == 0.0


def test_over_a_long_time_exactly_the_rate_is_let_through():
    rate = Rate(10.0, 20)
    passed = sum(rate.take("a", 100.0 + step / 1000) == 0.0 for step in range(100_000))
    assert 1000 + 18 <= passed <= 1000 + 20


def test_no_rate_is_no_limit_and_keeps_nothing():
    rate = Rate(0.0, 0)
    assert {rate.take("a", 1.0) for _ in range(1000)} == {0.0}
    assert len(rate) == 0


def test_memory_is_bounded_and_the_busy_are_not_forgotten_by_one_generation():
    rate = Rate(1.0, 2, max_names=100)
    rate.take("busy", 100.0)
    rate.take("busy", 100.0)
    for number in range(150):
        rate.take(f"other {number}", 100.0)
    assert rate.take("busy", 100.0) > 0
    for number in range(10_000):
        rate.take(f"more {number}", 100.0)
        assert len(rate) <= 200


def test_a_check_costs_less_than_a_few_microseconds():
    rate = Rate(1e9, 1e9)
    names = [f"192.0.2.{number}" for number in range(200)]
    best = min(_time_of(rate, names) for _ in range(20))
    assert best < 5e-6  # about 0.3 µs; the bound only catches another order of growth


def _time_of(rate: Rate, names: list[str]) -> float:
    began = time.perf_counter()
    for name in names:
        rate.take(name, began)
    return (time.perf_counter() - began) / len(names)
