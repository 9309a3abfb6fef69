"""From credentials to identities: every kind, revocation, expiry, sessions."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from lockhouse.auth import authenticator, keys, sessions
from lockhouse.auth.authenticator import Authenticator
from lockhouse.core.principals import Credential, Grant, Identity, Kind, Principal, Right
from lockhouse.errors import CredentialExpired, SlowDown
from lockhouse.service import access, teams
from lockhouse.service.access import HOUSE, NewPrincipal
from lockhouse.service.callers import Caller
from lockhouse.storage.memory import MemoryStore

MASTER = b"m" * 32
READ = (Grant("acme", "", (Right.READ,)),)
MORE = (Grant("acme", "", (Right.WRITE,)),)


class Desk:
    """A store, an authenticator and a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.store = MemoryStore()
        self.authenticator = Authenticator(self.store, MASTER, lambda: self.now)
        self.house = Caller(HOUSE, self.now, "cli")

    def add(self, name: str, kind: str = "key", trusted: tuple[str, ...] = ()) -> tuple[Principal, Credential, str]:
        made = keys.new_principal_id()
        key, token = keys.new_access_key(made, self.now), keys.new_token(made, self.now, self.now + 3600)
        credentials = (key, token.credential) if kind == "key" else ()
        new = NewPrincipal(made, name, READ, kind, credentials, trusted)
        principal = self.store.write(lambda tx: access.create(tx, self.house, new))
        return principal, key, token.text


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_access_key_answers_with_its_secret_and_its_owner(desk: Desk):
    alice, key, _ = desk.add("alice")
    found = desk.authenticator.access_key(key.id)
    assert found is not None
    secret, who = found
    assert secret == keys.secret_of(MASTER, key)
    assert (who.principal, who.name, who.credential, who.grants) == (alice.id, "alice", key.id, READ)


def test_unknown_ids_and_ids_of_other_kinds_answer_nothing(desk: Desk):
    desk.add("alice")
    token = keys.new_token("P", 1.0)
    for text in ("", "LHKAAAAAAAAAAAAAAAAA", "LHSAAAAAAAAAAAAAAAAA", token.credential.id, "ä" * 20):
        assert desk.authenticator.access_key(text) is None
        assert desk.authenticator.access_key(text, "no token of ours") is None
    assert desk.authenticator.token(token.text) is None
    assert desk.authenticator.token("nonsense") is None


def test_a_token_and_an_access_key_both_serve_as_basic_authentication(desk: Desk):
    alice, key, token = desk.add("alice")
    secret = keys.secret_of(MASTER, key).decode()
    for user, password in (("anybody", token), (key.id, secret)):
        who = desk.authenticator.basic(user, password)
        assert who is not None
        assert who.principal == alice.id
    for user, password in ((key.id, ""), (key.id, secret[:-1]), ("", secret), (key.id, token[:-2] + "zz"), ("ü", "ü")):
        assert desk.authenticator.basic(user, password) is None


def test_the_id_of_a_token_is_no_access_key(desk: Desk):
    """Ids are shown in lists and in the audit log, and a token has no secret to sign with: an empty one is none."""
    _, _, token = desk.add("alice")
    who = desk.authenticator.token(token)
    assert who is not None
    assert desk.authenticator.access_key(who.credential) is None
    for user in (who.credential, "nobody", ""):
        assert desk.authenticator.basic(user, "") is None


def test_a_token_ends_when_its_time_is_over(desk: Desk):
    _, _, token = desk.add("alice")
    assert desk.authenticator.token(token) is not None
    desk.now += 3600
    with pytest.raises(CredentialExpired):
        desk.authenticator.token(token)


def test_a_revocation_counts_at_once_after_the_change_was_told(desk: Desk):
    _, key, token = desk.add("alice")
    assert desk.authenticator.access_key(key.id) is not None
    desk.store.write(lambda tx: access.revoke(tx, desk.house, "alice"))
    desk.authenticator.changed()
    assert desk.authenticator.access_key(key.id) is None
    assert desk.authenticator.token(token) is None


def test_a_new_grant_counts_at_once_after_the_change_was_told(desk: Desk):
    _, key, _ = desk.add("alice")
    assert desk.authenticator.access_key(key.id) is not None
    desk.store.write(lambda tx: access.grant(tx, desk.house, "alice", MORE))
    desk.authenticator.changed()
    found = desk.authenticator.access_key(key.id)
    assert found is not None
    assert found[1].grants == (Grant("acme", "", (Right.READ, Right.WRITE)),)


def test_what_was_read_before_a_change_is_not_kept_after_it(desk: Desk):
    """The read began before the commit and ended after the change was told: it must not be believed later."""
    _, key, _ = desk.add("alice")
    read = desk.store.read

    def read_then_change(query):
        found = read(query)
        desk.store.read = read
        desk.store.write(lambda tx: access.revoke(tx, desk.house, "alice"))
        desk.authenticator.changed()
        return found

    desk.store.read = read_then_change
    desk.authenticator.access_key(key.id)
    assert desk.authenticator.access_key(key.id) is None


def session(desk: Desk, key: Credential, name: str = "", role: Principal | None = None):
    found = desk.authenticator.access_key(key.id)
    assert found is not None
    return desk.authenticator.issue_session(found[1], seconds=900, role=role, name=name)


def test_a_session_acts_as_its_owner_and_stays_the_same_holder(desk: Desk):
    alice, key, _ = desk.add("alice")
    one, other = session(desk, key), session(desk, key)
    assert one.secret_access_key != other.secret_access_key
    found = [desk.authenticator.access_key(each.access_key_id, each.session_token) for each in (one, other)]
    assert [each[0].decode() for each in found] == [one.secret_access_key, other.secret_access_key]
    assert {(each[1].principal, each[1].credential, each[1].base) for each in found} == {(alice.id, key.id, key.id)}


def test_a_session_needs_its_own_token_and_key_id(desk: Desk):
    _, key, _ = desk.add("alice")
    one, other = session(desk, key), session(desk, key)
    assert desk.authenticator.access_key(one.access_key_id) is None
    assert desk.authenticator.access_key(one.access_key_id, other.session_token) is None
    assert desk.authenticator.access_key(key.id, one.session_token) is None
    for place in range(0, len(one.session_token), 7):
        swapped = "A" if one.session_token[place] != "A" else "B"
        changed = one.session_token[:place] + swapped + one.session_token[place + 1 :]
        assert desk.authenticator.access_key(one.access_key_id, changed) is None
    for text in ("!", "A" * 5000, "ä", "====", one.session_token + "\n", "!!!!" + one.session_token):
        assert desk.authenticator.access_key(one.access_key_id, text) is None


def test_a_session_ends_with_its_time_and_with_its_base(desk: Desk):
    _, key, _ = desk.add("alice")
    made = session(desk, key)
    desk.now += 899
    assert desk.authenticator.access_key(made.access_key_id, made.session_token) is not None
    desk.now += 2
    with pytest.raises(CredentialExpired):
        desk.authenticator.access_key(made.access_key_id, made.session_token)
    desk.store.write(lambda tx: access.revoke(tx, desk.house, "alice"))
    desk.authenticator.changed()
    assert desk.authenticator.access_key(made.access_key_id, made.session_token) is None


@pytest.mark.parametrize("name", ["aws-go-sdk-1712345678901234567", "botocore-session-1712345678"])
def test_names_that_an_sdk_makes_up_do_not_change_the_holder(desk: Desk, name: str):
    _, key, _ = desk.add("ci")
    role, _, _ = desk.add("deploy", "role", ("ci",))
    held = []
    for each in (name, name + "9"):
        made = session(desk, key, each, role)
        found = desk.authenticator.access_key(made.access_key_id, made.session_token)
        assert found is not None
        held.append(found[1].credential)
    assert held[0] == held[1] == f"{role.id}/{key.id}"


def test_role_sessions_with_names_of_their_own_are_holders_of_their_own(desk: Desk):
    _, key, _ = desk.add("ci")
    role, _, _ = desk.add("deploy", "role", ("ci",))
    found = []
    for name in ("run-1", "run-2"):
        made = session(desk, key, name, role)
        answer = desk.authenticator.access_key(made.access_key_id, made.session_token)
        assert answer is not None
        found.append(answer[1])
    assert [each.principal for each in found] == [role.id, role.id]
    assert [each.name for each in found] == ["deploy/run-1", "deploy/run-2"]
    assert found[0].credential != found[1].credential


def test_a_role_session_ends_when_its_trust_or_its_role_ends(desk: Desk):
    _, key, _ = desk.add("ci")
    desk.add("other")
    role, _, _ = desk.add("deploy", "role", ("ci",))
    made = session(desk, key, "run", role)
    desk.store.write(lambda tx: access.trust(tx, desk.house, "deploy", ["other"]))
    desk.authenticator.changed()
    assert desk.authenticator.access_key(made.access_key_id, made.session_token) is None
    desk.store.write(lambda tx: access.trust(tx, desk.house, "deploy", ["ci"]))
    desk.authenticator.changed()
    assert desk.authenticator.access_key(made.access_key_id, made.session_token) is not None
    desk.store.write(lambda tx: access.revoke(tx, desk.house, "deploy"))
    desk.authenticator.changed()
    assert desk.authenticator.access_key(made.access_key_id, made.session_token) is None


def test_another_master_key_knows_nobody(desk: Desk):
    _, key, _ = desk.add("alice")
    made = session(desk, key)
    stranger = Authenticator(desk.store, b"n" * 32, lambda: desk.now)
    assert stranger.access_key(made.access_key_id, made.session_token) is None
    found = stranger.access_key(key.id)
    assert found is not None
    assert found[0] != keys.secret_of(MASTER, key)


def test_when_a_credential_was_used_last_is_remembered(desk: Desk):
    _, key, token = desk.add("alice")
    who = desk.authenticator.token(token)
    assert who is not None
    assert desk.authenticator.last_used == {who.credential: desk.now}
    desk.authenticator.basic(key.id, "wrong")
    assert key.id not in desk.authenticator.last_used


def test_a_scoped_credential_does_what_both_its_principal_and_its_scope_allow(desk: Desk):
    alice, _, _ = desk.add("alice")
    key, token = keys.new_access_key("", desk.now), keys.new_token("", desk.now)
    narrow = (Grant("acme", "app/", (Right.READ, Right.WRITE)),)
    for credential in (key, token.credential):
        scoped = msgspec.structs.replace(credential, scope=narrow)
        desk.store.write(lambda tx, each=scoped: access.add_credential(tx, desk.house, "alice", each))
    expected = (Grant("acme", "app/", (Right.READ, Right.READ_OUTPUTS)),)
    who = desk.authenticator.token(token.text)
    found = desk.authenticator.access_key(key.id)
    assert who is not None
    assert found is not None
    assert (who.principal, who.grants, found[1].grants) == (alice.id, expected, expected)
    session = desk.authenticator.issue_session(found[1], seconds=900)
    assert _of_session(desk, session).grants == expected


def test_the_session_of_a_role_that_was_assumed_by_a_scoped_key_keeps_its_scope(desk: Desk):
    desk.add("alice")
    role, _, _ = desk.add("deploy", kind="role", trusted=("alice",))
    key = msgspec.structs.replace(keys.new_access_key("", desk.now), scope=(Grant("acme", "app/", (Right.ADMIN,)),))
    desk.store.write(lambda tx: access.add_credential(tx, desk.house, "alice", key))
    found = desk.authenticator.access_key(key.id)
    assert found is not None
    session = desk.authenticator.issue_session(found[1], seconds=900, role=role, name="run-1")
    assert _of_session(desk, session).grants == (Grant("acme", "app/", (Right.READ, Right.READ_OUTPUTS)),)


def test_an_access_key_that_ends_takes_its_sessions_with_it(desk: Desk):
    desk.add("alice")
    key = msgspec.structs.replace(keys.new_access_key("", desk.now), expires_at=desk.now + 60)
    desk.store.write(lambda tx: access.add_credential(tx, desk.house, "alice", key))
    found = desk.authenticator.access_key(key.id)
    assert found is not None
    secret, who = found
    session = desk.authenticator.issue_session(who, seconds=900)
    desk.now += 60
    for attempt in (
        lambda: desk.authenticator.access_key(key.id),
        lambda: desk.authenticator.basic(key.id, secret.decode()),
        lambda: _of_session(desk, session),
    ):
        with pytest.raises(CredentialExpired):
            attempt()


def test_a_member_of_a_team_acts_with_its_grants_from_the_next_request_on(desk: Desk):
    _, _, token = desk.add("alice")
    team = NewPrincipal("T", "writers", MORE, Kind.TEAM)
    desk.store.write(lambda tx: access.create(tx, desk.house, team))
    assert desk.authenticator.token(token).grants == READ
    desk.store.write(lambda tx: teams.add_member(tx, desk.house, "writers", "alice"))
    desk.authenticator.changed()
    assert desk.authenticator.token(token).grants == (Grant("acme", "", (Right.READ, Right.WRITE)),)
    desk.store.write(lambda tx: access.revoke(tx, desk.house, "writers"))
    desk.authenticator.changed()
    assert desk.authenticator.token(token).grants == READ


def test_a_team_has_tokens_of_its_own(desk: Desk):
    token = keys.new_token("T", desk.now)
    team = NewPrincipal("T", "writers", MORE, Kind.TEAM, (token.credential,))
    desk.store.write(lambda tx: access.create(tx, desk.house, team))
    who = desk.authenticator.token(token.text)
    assert (who.principal, who.grants) == ("T", MORE)


def _of_session(desk: Desk, session: sessions.SessionCredentials) -> Identity:
    found = desk.authenticator.access_key(session.access_key_id, session.session_token)
    assert found is not None
    return found[1]


def test_a_credential_of_a_principal_that_was_revoked_is_none(desk: Desk):
    alice, key, _ = desk.add("alice")
    desk.store.write(lambda tx: tx.save_principal(msgspec.structs.replace(alice, revoked_at=desk.now)))
    assert desk.authenticator.access_key(key.id) is None


def test_a_session_from_a_session_stands_on_the_lasting_credential_which_is_what_is_used(desk: Desk):
    _, key, _ = desk.add("ci")
    role, _, _ = desk.add("deploy", "role", ("ci",))
    who = _of_session(desk, session(desk, key, "run", role))
    again = _of_session(desk, desk.authenticator.issue_session(who, seconds=900, role=role, name="run"))
    assert (again.base, again.credential) == (key.id, who.credential)
    desk.authenticator.seen(again)
    assert desk.authenticator.take_uses() == {key.id: desk.now}
    assert desk.authenticator.take_uses() == {}
    assert desk.authenticator.last_used == {key.id: desk.now}


def test_who_asks_too_often_is_known_by_the_principal(desk: Desk):
    alice, _, token = desk.add("alice")

    def limited(principal: str) -> None:
        assert principal == alice.id
        raise SlowDown("cannot", hint="", retry_after=1)

    desk.authenticator.identified = limited
    with pytest.raises(SlowDown):
        desk.authenticator.token(token)
    assert desk.authenticator.last_used == {}
    assert desk.authenticator.token("lkh_" + "A" * 16 + "_" + "a" * 43) is None


def test_what_is_remembered_of_credentials_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(authenticator, "_MAX_CACHED", 2)
    for name in ("a", "b", "c", "d", "e"):
        _, _, token = desk.add(name)
        assert desk.authenticator.token(token) is not None
        assert len(desk.authenticator._known) <= 2
        assert len(desk.authenticator.last_used) <= 2


class Elsewhere(MemoryStore):
    """A database over a network."""

    reads_are_local = False


def test_the_event_loop_waits_for_no_database(desk: Desk):
    _, key, _ = desk.add("ci")
    role, _, _ = desk.add("deploy", "role", ("ci",))
    made = session(desk, key, "run", role)
    desk.store.__class__ = Elsewhere
    desk.authenticator = Authenticator(desk.store, MASTER, lambda: desk.now)
    asked = []

    async def elsewhere(question):
        asked.append(question)
        return await asyncio.to_thread(question)

    desk.authenticator.elsewhere = elsewhere

    async def ask() -> list[Identity]:
        question = lambda: desk.authenticator.access_key(made.access_key_id, made.session_token)  # noqa: E731
        found = [await desk.authenticator.asking(question) for _ in range(3)]
        desk.authenticator.changed()
        return [each[1] for each in (*found, await desk.authenticator.asking(question))]

    first, *rest = asyncio.run(ask())
    assert first.principal == role.id
    assert rest == [first] * 3
    assert len(asked) == 2  # what is in memory is answered at once, until something changes
