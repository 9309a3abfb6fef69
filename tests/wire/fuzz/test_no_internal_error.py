"""Every route of every table, with and without credentials, under requests that mean harm: never an internal error.

The rows come from the tables (`tests/wire/access/probes`), so a new route is fuzzed from its first day.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lockhouse.core.principals import Right
from tests.contract.conftest import STORES
from tests.wire.access.probes import CONSOLE_ASKS, OPEN_ASKS, all_probes
from tests.wire.access.world import Answer, Ask, Person, Sent, World
from tests.wire.fuzz.hostile import Good, signed, spoiled

ROWS: dict[str, Ask] = {str(each): each.ask for each in all_probes()}
ROWS |= {f"open {name}": ask for name, ask in OPEN_ASKS.items()} | {
    f"console {name}": ask for name, ask in CONSOLE_ASKS.items()
}
AWS = ("s3", "dynamodb", "sts", "iam")
SECONDS = 20.0
"""No request of this size keeps a server busy for longer; the machine may be."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.close()


def visitors(world: World) -> list[tuple[str, Person]]:
    """Everybody who may come; the administrator half of the time, whom nothing is refused."""
    known = [("admin", world.people[Right.ADMIN])] * 6
    known += [(f"only {right}", world.people[right]) for right in (Right.READ, Right.READ_OUTPUTS, Right.WRITE)]
    return [*known, ("foreign", world.foreign), ("revoked", world.revoked), ("nobody", world.nobody)]


def check(row: str, who: str, sent: Sent, answer: Answer) -> None:
    words = (b"<Code>NotImplemented</Code>", b'"code":"request.unsupported"')
    said = sent.method == "HEAD" or any(each in answer.body for each in words)
    not_offered = answer.status == 501 and said
    assert answer.status < 500 or not_offered, (row, who, sent, answer)
    assert b"Traceback" not in answer.body, (row, who, sent, answer)
    if who in ("nobody", "revoked"):
        assert b"vpc-1" not in answer.body, (row, who, sent, answer)


def fuzz(world: World, row: str, cases: int, dice: random.Random) -> Counter[int]:
    seen: Counter[int] = Counter()
    ask, everybody = ROWS[row], visitors(world)
    for _ in range(cases):
        name, who = dice.choice(everybody)
        filled = world.fill(ask, who)
        is_aws = filled.service in AWS
        plain = world.sent(who if not is_aws else Person(who.name), replace(filled, holding=""))
        sent = spoiled(Good(plain), dice)
        if is_aws and who.key and dice.random() < 0.95:
            sent = signed(sent, who, filled.service)
        answer = world.send(sent)
        check(row, name, sent, answer)
        seen[answer.status] += 1
    return seen


@pytest.mark.parametrize("row", ROWS)
def test_a_hostile_request_is_never_an_internal_error(world: World, row: str):
    fuzz(world, row, 24, random.Random(row))


def test_changes_come_as_deep_as_the_handlers(world: World):
    """Otherwise the other tests would prove little: of the administrator's own requests a fair part is understood."""
    total: Counter[int] = Counter()
    for row in ROWS:
        total += fuzz(world, row, 6, random.Random(f"deep {row}"))
    understood = sum(
        count for status, count in total.items() if status in (200, 201, 202, 204, 303, 404, 409, 412, 422)
    )
    assert understood > sum(total.values()) // 6, total


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_hostile_requests_to_every_route(world: World):
    total: Counter[int] = Counter()
    for row in ROWS:
        total += fuzz(world, row, 1000, random.Random(f"soak {row}"))
    print(len(ROWS), "rows", sum(total.values()), "requests", dict(sorted(total.items())))
    assert sum(total.values()) == 1000 * len(ROWS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_hostile_requests_meet_no_internal_error_of_a_database(tmp_path: Path, store: str):
    """What a database cannot keep is refused before it comes there. Each route has a house of its own."""
    total: Counter[int] = Counter()
    for number, row in enumerate(ROWS):
        place = tmp_path / str(number)
        place.mkdir()
        made = World(place, store=STORES[store](place))
        try:
            total += fuzz(made, row, 50, random.Random(f"{store} {row}"))
        finally:
            made.close()
    print(store, sum(total.values()), "requests", dict(sorted(total.items())))


def test_a_route_that_fails_inside_would_be_noticed(world: World, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    monkeypatch.setattr(world.house.locking, "show", broken)
    with pytest.raises(AssertionError):
        fuzz(world, "http show lock a lock", 40, random.Random(1))
