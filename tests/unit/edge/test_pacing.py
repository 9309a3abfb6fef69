"""Three limits, each for itself."""

from __future__ import annotations

import pytest

from lockhouse.edge.pacing import Pacing
from lockhouse.errors import SlowDown


def test_an_address_that_asks_too_often_waits_and_others_do_not():
    pacing = Pacing(address_rate=1, principal_rate=0, failure_rate=0)
    assert [pacing.arrived("192.0.2.1", 50.0) for _ in range(10)] == [None] * 10
    refusal = pacing.arrived("192.0.2.1", 50.0)
    assert refusal is not None
    assert refusal.code == "slow_down"
    assert refusal.details["retry_after"] == 1
    assert pacing.arrived("192.0.2.2", 50.0) is None
    assert pacing.arrived("192.0.2.1", 51.0) is None
    assert pacing.refused == {"address": 1, "principal": 0, "failures": 0}


def test_wrong_credentials_shut_an_address_out_for_a_while():
    pacing = Pacing(address_rate=0, principal_rate=0, failure_rate=6)
    for _ in range(6):
        assert pacing.arrived("192.0.2.1", 50.0) is None
        pacing.failed("192.0.2.1", 50.0)
    refusal = pacing.arrived("192.0.2.1", 50.0)
    assert refusal is not None
    assert refusal.details["retry_after"] == 10
    assert pacing.arrived("192.0.2.1", 60.0) is None


def test_a_principal_is_counted_wherever_it_comes_from():
    pacing = Pacing(address_rate=0, principal_rate=1, failure_rate=0, clock=lambda: 50.0)
    for _ in range(10):
        pacing.identified("p1")
    with pytest.raises(SlowDown):
        pacing.identified("p1")
    pacing.identified("p2")


def test_zero_is_no_limit():
    pacing = Pacing(address_rate=0, principal_rate=0, failure_rate=0)
    for _ in range(5000):
        pacing.failed("192.0.2.1", 50.0)
        pacing.identified("p1")
        assert pacing.arrived("192.0.2.1", 50.0) is None
