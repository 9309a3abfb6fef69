"""The console, asked by everybody: who has no living session is sent to sign in, and a page shows what the API shows."""

from __future__ import annotations

import pytest

from lockhouse.console.app import ROUTES, Access
from lockhouse.protocols.api.routes import PREFIX
from tests.wire.access.probes import CONSOLE_ASKS
from tests.wire.access.test_open_routes import everybody
from tests.wire.access.world import REVIEW, STRANGE_VISITOR, Ask, Person, World

SHOWS = {
    "GET /console/sessions": (f"{PREFIX}/sessions", "192.0.2.77"),
    "GET /console/reviews": (f"{PREFIX}/reviews", "/src/app"),
    "GET /console/reviews/{id}": (f"{PREFIX}/reviews/{REVIEW}", "/src/app"),
    "GET /console/traffic": (f"{PREFIX}/traffic/locks", "locked-by-target"),
}
"""By page: the address of the API that shows the same, and what of the world stands in one exactly when in the other."""
BY_ROUTE = {f"{route.method} {route.path}": route for route in ROUTES}
INSIDE = [name for name, route in BY_ROUTE.items() if route.access is Access.SIGNED_IN]
OUTSIDE = [name for name, route in BY_ROUTE.items() if route.access is not Access.SIGNED_IN]


def test_every_page_is_asked_and_every_page_of_the_inside_has_its_like_in_the_api():
    assert CONSOLE_ASKS.keys() == BY_ROUTE.keys()
    assert SHOWS.keys() == {name for name in INSIDE if name.startswith("GET ")}


def living(world: World) -> list[Person]:
    return [*world.people.values(), world.foreign]


@pytest.mark.parametrize("route", INSIDE)
def test_who_has_no_living_session_is_sent_to_sign_in(world: World, route: str):
    for who in everybody(world):
        answer = world.ask(who, CONSOLE_ASKS[route])
        if who in living(world):
            assert not answer.location.startswith("/console/sign-in"), who.name
        else:
            assert (answer.status, answer.body) == (303, b""), who.name
            assert answer.location.startswith("/console/sign-in"), who.name
        assert not world.changed


@pytest.mark.parametrize("route", INSIDE)
def test_no_credential_but_a_session_lets_anybody_in(world: World, route: str):
    ask = CONSOLE_ASKS[route]
    for who in living(world):
        answer = world.ask(who, Ask(ask.method, ask.path))  # with the bearer token
        assert answer.body == b"" or answer.status == 400, who.name
        assert answer.status in (303, 400), who.name


@pytest.mark.parametrize("route", SHOWS)
def test_a_page_shows_what_the_api_shows_to_the_same_caller(world: World, route: str):
    path, known = SHOWS[route]
    seen = set()
    for who in living(world):
        page, said = world.ask(who, CONSOLE_ASKS[route]), world.ask(who, Ask("GET", path))
        shown = known.encode() in page.body
        assert shown == (known.encode() in said.body), (who.name, page, said)
        seen.add(shown)
    if route != "GET /console/sessions":
        assert seen == {True, False}, "the page was not told apart by who asks"


@pytest.mark.parametrize("route", OUTSIDE)
def test_what_anybody_may_open_shows_nothing_that_is_kept_here(world: World, route: str):
    for who in everybody(world):
        answer = world.ask(who, CONSOLE_ASKS[route])
        assert answer.status < 500
        assert not any(name in answer.body for name in (b"/src/app", b"target", b"app.tfstate")), (who.name, answer)


@pytest.mark.parametrize("route", [name for name in BY_ROUTE if name.startswith("POST ")])
def test_a_form_is_believed_only_from_our_own_page(world: World, route: str):
    who = living(world)[0]
    ask = CONSOLE_ASKS[route]
    for headers, body in (
        ((("origin", "https://elsewhere.test"),), ask.body),
        ((("origin", "null"),), ask.body),
        ((), ask.body.replace(b"{form}", b"0" * 64)),
        ((), b""),
    ):
        answer = world.ask(who, Ask(ask.method, ask.path, body, headers, ask.service))
        assert answer.status == 400, (headers, body)
        assert not world.changed
    assert world.ask(who, CONSOLE_ASKS["GET /console/sessions"]).status == 200


def test_a_cookie_is_nothing_after_signing_out(world: World):
    who = living(world)[0]
    world.ask(who, CONSOLE_ASKS["POST /console/sign-out"])
    page = CONSOLE_ASKS["GET /console/reviews"]
    assert world.ask_again(who, page).location.startswith("/console/sign-in")
    assert world.ask(who, page).status == 200  # in the world as it was made


def test_a_session_of_another_cannot_be_ended_by_its_id(world: World):
    for who in living(world):
        world.ask(who, CONSOLE_ASKS["POST /console/sessions/{id}/end"])
        assert not world.changed
    assert STRANGE_VISITOR not in {who.visitor for who in everybody(world)}
