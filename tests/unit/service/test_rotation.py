"""Credentials: scopes, what one makes for oneself, rotation."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lockhouse.core.principals import Credential, Grant, Right
from lockhouse.errors import AccessDenied, PrincipalNotFound, RequestInvalid
from lockhouse.service import access
from lockhouse.service.callers import Caller
from tests.unit.service.test_access import READ_TEAM, Desk

NARROW = (Grant("acme", "team/app/x/", (Right.READ,)),)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def token(name: str, **more: object) -> Credential:
    return replace(Credential(name, "", "token", 1.0), **more)


def acting(desk: Desk, by: Caller, credential: Credential) -> Caller:
    who = replace(by.who, credential=credential.id, scope=credential.scope, expires_at=credential.expires_at)
    return replace(by, who=who)


def kept(desk: Desk, name: str) -> Credential:
    found = desk.store.read(lambda tx: tx.credential(name))
    assert found is not None
    return found


def test_what_a_credential_makes_for_itself_is_neither_wider_nor_longer(desk: Desk):
    app = desk.add("app", READ_TEAM)
    narrow = acting(desk, app, token("t-0", scope=NARROW, expires_at=100.0))
    for wish, scope, ends in (
        (token("t-1"), NARROW, 100.0),
        (token("t-2", scope=READ_TEAM, expires_at=50.0), (replace(NARROW[0], rights=(Right.READ, Right.READ_OUTPUTS)),), 50.0),
        (token("t-3", scope=(Grant("other", "", (Right.ADMIN,)),), expires_at=900.0), (), 100.0),
    ):  # fmt: skip
        desk.do(access.add_credential, narrow, "app", wish)
        assert (kept(desk, wish.id).scope, kept(desk, wish.id).expires_at) == (scope, ends)
        assert kept(desk, wish.id).by == "id-app"
    desk.do(access.add_credential, desk.lead, "app", token("t-4", scope=READ_TEAM, expires_at=900.0))
    assert (kept(desk, "t-4").scope, kept(desk, "t-4").expires_at) == (READ_TEAM, 900.0)


def test_a_scope_that_says_nothing_sensible_is_refused(desk: Desk):
    for scope in ((Grant("a b", "", (Right.READ,)),), (Grant("acme", "", ()),)):
        with pytest.raises(RequestInvalid):
            desk.do(access.add_credential, desk.root, "lead", token("t-1", scope=scope))


def test_a_rotated_credential_has_a_successor_like_itself_and_ends_after_the_grace(desk: Desk):
    desk.add("app", READ_TEAM)
    old = token("t-1", scope=NARROW, description="nightly", digest=b"old", expires_at=1001.0)
    desk.do(access.add_credential, desk.root, "app", old)
    made = desk.do(access.rotate, desk.lead, "t-1", token("t-2", digest=b"new"), 60.0)
    assert made == kept(desk, "t-2")
    assert (made.principal, made.scope, made.description, made.digest) == ("id-app", NARROW, "nightly", b"new")
    assert made.expires_at == desk.lead.now + 1000.0
    assert (kept(desk, "t-1").replaced_by, kept(desk, "t-1").expires_at) == ("t-2", desk.lead.now + 60.0)
    with pytest.raises(RequestInvalid):
        desk.do(access.rotate, desk.lead, "t-1", token("t-3"), 60.0)
    desk.do(access.rotate, desk.lead, "t-2", token("t-3"), 0.0)
    assert kept(desk, "t-2").revoked_at == desk.lead.now
    with pytest.raises(PrincipalNotFound):
        desk.do(access.rotate, desk.lead, "t-2", token("t-4"), 0.0)


def test_the_grace_never_makes_a_credential_last_longer_than_it_would_have(desk: Desk):
    desk.do(access.add_credential, desk.root, "lead", token("t-1", expires_at=10.0))
    desk.do(access.rotate, desk.root, "t-1", token("t-2"), 3600.0)
    assert kept(desk, "t-1").expires_at == 10.0


def test_a_credential_that_renews_itself_does_not_live_longer(desk: Desk):
    app = desk.add("app", READ_TEAM)
    old = token("t-1", scope=NARROW, expires_at=100.0)
    desk.do(access.add_credential, desk.root, "app", old)
    made = desk.do(access.rotate, acting(desk, app, kept(desk, "t-1")), "t-1", token("t-2"), 0.0)
    assert (made.expires_at, made.scope) == (100.0, NARROW)


def test_a_narrow_credential_cannot_take_the_place_of_a_wide_one(desk: Desk):
    app = desk.add("app", READ_TEAM)
    narrow, ending = acting(desk, app, token("t-1", scope=NARROW)), acting(desk, app, token("t-2", expires_at=50.0))
    for caller in (narrow, ending):
        with pytest.raises(AccessDenied):
            desk.do(access.rotate, caller, "key-app", Credential("key-2", "", "access_key", 1.0), 0.0)
    assert desk.do(access.rotate, app, "key-app", Credential("key-2", "", "access_key", 1.0), 0.0).id == "key-2"


def test_the_credential_of_somebody_else_does_not_exist(desk: Desk):
    app = desk.add("app", READ_TEAM)
    for caller in (app, desk.lead):
        with pytest.raises(PrincipalNotFound):
            desk.do(access.rotate, caller, "key-root", Credential("key-2", "", "access_key", 1.0), 0.0)


def test_credentials_that_are_over_do_not_count_against_the_limit(desk: Desk):
    for number in range(access.MAX_CREDENTIALS + 5):
        desk.do(access.add_credential, desk.root, "lead", token(f"t-{number}", expires_at=1.5))
    assert kept(desk, f"t-{access.MAX_CREDENTIALS + 4}").principal == "id-lead"


def test_a_credential_that_is_over_has_no_successor_and_one_of_another_kind_is_none(desk: Desk):
    for name, ends in (("t-over", desk.lead.now), ("t-nearly", desk.lead.now + 0.5)):
        desk.do(access.add_credential, desk.root, "lead", token(name, expires_at=ends))
    with pytest.raises(RequestInvalid):
        desk.do(access.rotate, desk.root, "t-over", token("t-2"), 60.0)
    with pytest.raises(ValueError, match="access_key cannot replace token"):
        desk.do(access.rotate, desk.root, "t-nearly", Credential("key-2", "", "access_key", 1.0), 60.0)
    made = desk.do(access.rotate, desk.root, "t-nearly", token("t-3"), 60.0)
    assert (made.by, made.at) == ("id-root", desk.root.now)
    assert kept(desk, "t-nearly").expires_at == desk.lead.now + 0.5
