"""Two clients of different protocols ask for the same free lock at the same moment: exactly one gets it, every time."""

from __future__ import annotations

import itertools

import pytest

from lockhouse.core.locks import Facet
from tests.model.clients import PLAIN, AwsClient, Client, CloudClient, HttpClient, make_rig

LONG = (pytest.mark.soak, pytest.mark.timeout(3600))
KINDS = ("table", "lockfile", "http", "cloud")
PAIRS = [
    pytest.param(one, other, races, id=f"{one}-{other}-{races}", marks=LONG if races > 1000 else ())
    for one, other in itertools.combinations(KINDS, 2)
    for races in (200, 10_000)
]


def client(rig, kind: str) -> Client:
    user = rig.user(kind, *PLAIN)
    if kind == "http":
        return HttpClient(rig, user)
    return CloudClient(rig, user) if kind == "cloud" else AwsClient(rig, user, Facet(kind))


@pytest.mark.parametrize(("one", "other", "races"), PAIRS)
def test_of_two_requests_at_once_exactly_one_is_granted(tmp_path, one, other, races):
    rig = make_rig(tmp_path)
    try:
        boss = CloudClient(rig, rig.user("boss"))
        boss._ask("POST", "organizations/acme/workspaces", {"data": {"attributes": {"name": "prod"}}})
        both = [client(rig, one), client(rig, other)]
        if "cloud" in (one, other):
            assert all(each.where for each in both if isinstance(each, CloudClient))
        wins = [0, 0]
        for turn in range(races):
            order = both if turn % 2 else both[::-1]
            asked = [(each, each.new_id()) for each in order]
            answers = [(each, wanted, each.start_lock(wanted)) for each, wanted in asked]
            granted = [(each, wanted) for each, wanted, answer in answers if answer.result(30)]
            assert len(granted) == 1, (turn, granted)
            ((winner, wanted),) = granted
            winner.lock_id = wanted
            wins[both.index(winner)] += 1
            winner.unlock()
        assert min(wins) > 0
    finally:
        rig.close()
