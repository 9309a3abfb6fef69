"""Who asked a while ago: what it may do now."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lockhouse.core.grants import narrowed
from lockhouse.core.principals import Credential, Grant, Kind, Right
from lockhouse.errors import CredentialExpired, CredentialUnknown
from lockhouse.service import access
from lockhouse.service.callers import Caller
from lockhouse.service.renewal import renewed
from tests.unit.service.test_access import READ_TEAM, Desk

NARROW = (Grant("acme", "team/app/x/", (Right.READ,)),)
WIDE = (Grant("acme", "", (Right.READ, Right.WRITE, Right.LOCK)),)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def now(desk: Desk, caller: Caller) -> Caller:
    return desk.store.read(lambda tx: renewed(tx, caller))


def test_nobody_changes_by_being_looked_up_again(desk: Desk):
    app = desk.add("app", READ_TEAM)
    assert now(desk, app) == app


def test_what_was_granted_or_taken_since_counts(desk: Desk):
    app = desk.add("app", WIDE)
    desk.store.write(lambda tx: tx.save_principal(replace(tx.principal("id-app"), grants=NARROW)))
    assert now(desk, app) == replace(app, who=replace(app.who, grants=NARROW))


def test_a_scope_narrows_as_ever(desk: Desk):
    app = desk.add("app", WIDE, credentials=(Credential("key-app", "id-app", "token", 1.0, scope=NARROW),))
    assert now(desk, app).who.grants == narrowed(WIDE, NARROW) != WIDE


@pytest.mark.parametrize("gone", ["credential", "principal"])
def test_who_was_revoked_may_do_nothing(desk: Desk, gone: str):
    app = desk.add("app", WIDE)
    if gone == "credential":
        desk.add("other", WIDE)
        kept = desk.store.read(lambda tx: tx.credential("key-app"))
        desk.store.write(lambda tx: tx.save_credential(replace(kept, revoked_at=2.0)))
    else:
        desk.do(access.revoke, desk.root, "app")
    with pytest.raises(CredentialUnknown, match="credential of app was revoked"):
        now(desk, app)
    with pytest.raises(CredentialUnknown):
        now(desk, replace(app, who=replace(app.who, credential="key-nobody")))


def test_a_credential_whose_time_is_over_takes_nothing_new_but_finishes(desk: Desk):
    app = desk.add("app", WIDE, credentials=(Credential("key-app", "id-app", "token", 1.0, expires_at=10.0),))
    assert now(desk, replace(app, now=9.9)).who == app.who
    with pytest.raises(CredentialExpired):
        now(desk, replace(app, now=10.0))
    finishing = replace(app, now=10.0, who=replace(app.who, ended_at=10.0, grants=NARROW, scope=NARROW))
    assert now(desk, finishing).who == replace(finishing.who, grants=narrowed(WIDE, NARROW))


def test_a_role_is_asked_for_whom_it_trusts_and_for_who_lent_it(desk: Desk):
    app = desk.add("app", READ_TEAM)
    role = desk.add("role", WIDE, kind=Kind.ROLE, credentials=(), trusted=("app",))
    session = replace(app, who=replace(role.who, credential="id-role/key-app/ci", base="key-app", grants=()))
    assert now(desk, session).who.grants == WIDE
    desk.store.write(lambda tx: tx.save_principal(replace(tx.principal("id-role"), trusted=())))
    with pytest.raises(CredentialUnknown):
        now(desk, session)
    desk.store.write(lambda tx: tx.save_principal(replace(tx.principal("id-role"), trusted=("id-app",))))
    desk.do(access.revoke, desk.root, "app")
    with pytest.raises(CredentialUnknown):
        now(desk, session)
