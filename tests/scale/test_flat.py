"""A page, a look-up, a lock and a write cost the same in a house of any size; so do its start and its memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockhouse.storage.directory import open_directory
from lockhouse.storage.verify import verify
from tests.scale import costs
from tests.scale.costs import House
from tests.scale.houses import DATABASE, side_by_side, side_by_side_on_postgres
from tests.scale.load import load_sqlite
from tests.scale.rows import NAMESPACE, Size, document, key

RATIO = 1.5
START_SECONDS = 3.0
MEMORY = 48 * 1024 * 1024
"""Bytes that the process of a large house may take beyond that of a small one: SQLite's page cache has a bound."""
FLAT = (
    "list objects", "list folders", "list states", "show history", "head", "get", "lock and unlock", "put", "status",
    "metrics", "list workspaces", "find workspace", "miss workspace",
)  # fmt: skip
IN_CI = Size(states=4_000, versions=40_000)
WHOLE = Size(states=100_000, versions=1_000_000)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    with side_by_side(tmp_path_factory.mktemp("houses"), IN_CI) as both:
        yield both


def assert_flat(small: House, large: House, each: int) -> None:
    dear = {}
    for kind in FLAT:
        cost = costs.costs(small, large, [kind], each=each)[kind]
        if cost.ratio > RATIO:  # measured again with more rounds, to tell what is dear from what was disturbed
            cost = costs.costs(small, large, [kind], rounds=21, each=each)[kind]
        if cost.ratio > RATIO:
            dear[kind] = cost
    assert dear == {}
    assert large.server.memory() - small.server.memory() < MEMORY
    assert large.seconds_to_start < START_SECONDS


def test_requests_start_and_memory_cost_the_same_with_forty_times_the_states(houses: tuple[House, House]):
    assert_flat(*houses, each=15)


def test_the_measurement_finds_a_request_that_costs_more_in_a_large_house(
    houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
):
    def list_whole_pages(house: House) -> None:
        house._s3("GET", f"/{NAMESPACE}?list-type=2")

    monkeypatch.setitem(costs.KINDS, "whole page", list_whole_pages)
    assert costs.costs(*houses, ["whole page"], rounds=3, each=3)["whole page"].ratio > 2 * RATIO


def test_the_generated_house_is_one_that_requests_could_have_written(tmp_path: Path):
    size = Size(states=20, versions=60)
    open_directory(tmp_path).close()
    load_sqlite(tmp_path / DATABASE, size)
    directory = open_directory(tmp_path)
    try:
        findings = verify(directory.store, directory.blobs)
        assert (findings.versions, findings.problems) == (60, [])
        states = directory.store.read(lambda tx: tx.states(NAMESPACE))
        assert [state.address.key for state, _ in states] == sorted(map(key, range(20)))
        assert {state.versions for state, _ in states} == {3}
        assert {newest.facts.serial for _, newest in states if newest and newest.facts} == {3}
        assert all(len(directory.store.read(lambda tx, s=state: tx.lock_events(s))) == 6 for state, _ in states)
        assert sum(newest.size for _, newest in states if newest) == sum(len(document(n, 3)) for n in range(20))
    finally:
        directory.close()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_requests_start_and_memory_cost_the_same_with_a_hundred_thousand_states(tmp_path: Path):
    with side_by_side(tmp_path, WHOLE) as (small, large):
        assert_flat(small, large, each=50)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_requests_start_and_memory_cost_the_same_on_postgres_with_a_hundred_thousand_states(tmp_path: Path):
    with side_by_side_on_postgres(tmp_path, WHOLE) as (small, large):
        assert_flat(small, large, each=20)
