"""Sessions over the API: one's own, another's for who administers them, and ended ones."""

from __future__ import annotations

import asyncio

import pytest

from lockhouse.core.sessions import Method, new_session
from tests.unit.protocols.api.desk import NAMESPACE, Desk

GRANT = {"namespace": NAMESPACE, "rights": ["read"]}


def signed_in(desk: Desk, token: str, number: int) -> str:
    """A session of who has this token; its id."""
    who = desk.caller(token).who
    session = new_session(f"{number:064x}", principal=who.principal, method=Method.OIDC, now=desk.now, lifetime=3600)

    async def add() -> None:
        await desk.house.sessions.add(session, 3600)

    desk._runner.run(add())
    return session.id


@pytest.fixture
def people(desk: Desk) -> dict[str, str]:
    """Tokens by name."""
    return {"administrator": desk.credentials.token} | {name: desk.token(name, GRANT) for name in ("ann", "bob")}


def ids(answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [each["id"] for each in answer.json["sessions"]]


def test_one_sees_and_ends_ones_own_sessions(desk: Desk, people: dict[str, str]):
    mine, other = signed_in(desk, people["ann"], 1), signed_in(desk, people["bob"], 2)
    listed = desk.ask("GET", "/sessions", token=people["ann"]).json["sessions"]
    assert [(each["id"], each["name"], each["method"]) for each in listed] == [(mine, "ann", "oidc")]
    assert desk.ask("DELETE", f"/sessions/{other}", token=people["ann"]).code == "principal.not_found"
    assert desk.ask("DELETE", f"/sessions/{mine}", token=people["ann"]).json == {"ended": 1}
    assert ids(desk.ask("GET", "/sessions", token=people["ann"])) == []
    assert ids(desk.ask("GET", "/sessions", token=people["bob"])) == [other]


def test_another_s_sessions_are_for_who_administers_them(desk: Desk, people: dict[str, str]):
    first, second, other = (signed_in(desk, people[name], n) for n, name in enumerate(("ann", "ann", "bob"), 1))
    for query in ({"user": "bob"}, {"all": "true"}):
        assert desk.ask("GET", "/sessions", token=people["ann"], **query).code == "access.denied"
    assert desk.ask("DELETE", "/principals/bob/sessions", token=people["ann"]).code == "access.denied"
    assert set(ids(desk.ask("GET", "/sessions", user="ann"))) == {first, second}
    assert set(ids(desk.ask("GET", "/sessions", all="true"))) == {first, second, other}
    assert desk.ask("DELETE", "/principals/ann/sessions").json == {"ended": 2}
    assert ids(desk.ask("GET", "/sessions", all="true")) == [other]
    assert desk.ask("DELETE", f"/sessions/{other}").json == {"ended": 1}
    assert desk.ask("DELETE", f"/sessions/{other}").code == "principal.not_found"


def test_ended_sessions_are_not_listed_and_go_in_the_next_round(desk: Desk, people: dict[str, str]):
    signed_in(desk, people["ann"], 1)
    desk.now += 3600
    assert ids(desk.ask("GET", "/sessions", token=people["ann"])) == []
    desk._runner.run(asyncio.wait_for(sweep(desk), 10))
    assert desk.directory.store.read(lambda tx: tx.sessions()) == []


async def sweep(desk: Desk) -> int:
    return await desk.house.sessions.sweep(desk.now)
