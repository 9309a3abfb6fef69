"""What asks for no credential: it shows nothing that is kept here, and gives nothing without the proof that it names."""

from __future__ import annotations

import pytest

from lockhouse.core.needs import Proof
from lockhouse.core.principals import Right
from lockhouse.protocols.api import needs as api_needs
from lockhouse.protocols.api.routes import PREFIX
from lockhouse.protocols.sts import needs as sts_needs
from lockhouse.protocols.tfe import needs as tfe_needs
from tests.wire.access.probes import OPEN_ASKS
from tests.wire.access.world import BROWSER, KEY, NAMESPACE, Ask, Person, World

OPEN = api_needs.OPEN | tfe_needs.OPEN | sts_needs.OPEN
KEPT = (KEY, NAMESPACE, "only-read", "target", "ws-AAAA", "prj-AAAA", "vpc-1")
"""Names of what is kept here; the example's namespace does not stand in a description."""
WITHOUT_PROOF = {
    Proof.NOTHING: {200},
    Proof.JOB: {400, 401, 403},
    Proof.CODE: {400},
    Proof.VISITOR: {303},
}
"""By proof, the answers to somebody who gives none."""
GIVEN = (b"lockhouse_", b"access_token", b"AccessKeyId", b"?code=")
"""What is never in the answer to somebody who gave no proof; `lockhouse_` begins tokens, and also names of metrics."""


def everybody(world: World) -> list[Person]:
    return [world.nobody, world.foreign, world.revoked, world.expired, *world.people.values()]


def test_every_open_route_is_asked():
    assert OPEN_ASKS.keys() == OPEN.keys()


@pytest.mark.parametrize("route", OPEN)
def test_it_shows_and_gives_nothing_to_whoever_brings_no_proof(world: World, route: str):
    for who in everybody(world):
        answer = world.ask(who, world.fill(OPEN_ASKS[route], who))
        assert answer.status in WITHOUT_PROOF[OPEN[route].proof], (who.name, answer)
        assert not any(name.encode() in answer.body for name in KEPT), (who.name, answer)
        if OPEN[route].proof is not Proof.NOTHING:
            assert not any(secret in answer.body + answer.location.encode() for secret in GIVEN), (who.name, answer)
        assert not world.changed


def test_a_session_is_the_proof_that_consent_asks_for_and_only_a_living_one(world: World):
    page, form = (OPEN_ASKS[f"{method} /oauth/authorization"] for method in ("GET", "POST"))
    for who in everybody(world):
        living = who in world.people.values() or who is world.foreign
        asked, agreed = (world.ask(who, browsed(ask)) for ask in (page, form))
        assert asked.status == (200 if living else 303), who.name
        assert agreed.status == 303
        assert ("?code=" in agreed.location) == living, who.name
        assert not world.changed


def browsed(ask: Ask) -> Ask:
    return Ask(ask.method, ask.path, ask.body, (), BROWSER)


def test_a_code_is_nothing_without_its_verifier(world: World):
    who = world.people[Right.READ]
    agreed = world.ask(who, browsed(OPEN_ASKS["POST /oauth/authorization"]))
    code = agreed.location.partition("?code=")[2].partition("&")[0]
    assert code
    wrong = OPEN_ASKS["POST /oauth/token"]
    answer = world.ask(world.nobody, Ask("POST", wrong.path, wrong.body.replace(b"nothing", code.encode())))
    assert (answer.status, answer.body) == (400, b'{"error":"invalid_grant"}')


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST", "HEAD", "OPTIONS"])
def test_another_method_is_no_way_in(world: World, method: str):
    paths = {route.partition(" ")[2] for route in OPEN if " " in route} | {f"{PREFIX}/exchange", "/"}
    for path in sorted(paths):
        answer = world.ask(world.nobody, Ask(method, path))
        assert answer.status in (200, 303, 400, 401, 403, 404, 405), (path, answer)
        assert not any(name.encode() in answer.body for name in KEPT)
