"""Whether maintenance stands somewhere: its place and its time."""

from __future__ import annotations

import pytest

from lockhouse.core.maintenance import Maintenance, standing


def maintenance(prefix: str = "", until: float = 0.0, *, exact: bool = False, name: str = "m") -> Maintenance:
    return Maintenance(name, "acme", prefix, "moving", 100.0, "p", "ann", until, exact)


@pytest.mark.parametrize(
    ("found", "key", "stands"),
    [
        (maintenance(), "anything", True),
        (maintenance("app/"), "app/terraform.tfstate", True),
        (maintenance("app/"), "app", False),
        (maintenance("prod"), "prod-eu", True),
        (maintenance("prod", exact=True), "prod-eu", False),
        (maintenance("prod", exact=True), "prod", True),
    ],
)
def test_it_stands_at_the_keys_of_its_place(found: Maintenance, key: str, stands: bool):
    assert (standing([found], key, 150.0) is found) == stands


def test_it_ends_at_its_time_and_without_one_never():
    ending = maintenance(until=200.0)
    assert standing([ending], "key", 199.9) is ending
    assert standing([ending], "key", 200.0) is None
    assert standing([maintenance()], "key", 1e12) is not None
    assert standing([], "key", 1.0) is None


def test_of_several_the_one_that_lasts_longest_is_told():
    short, long, open_ended = (maintenance(until=each) for each in (200.0, 300.0, 0.0))
    assert standing([short, long], "key", 150.0) is long
    assert standing([long, short], "key", 150.0) is long
    assert standing([open_ended, long], "key", 150.0) is open_ended
    assert standing([short, long], "key", 250.0) is long
