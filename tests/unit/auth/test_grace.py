"""Credentials of every kind after their end: let in for what they may finish, with rights on that one address."""

from __future__ import annotations

import msgspec
import pytest

from lockhouse.auth import keys
from lockhouse.auth.authenticator import Authenticator
from lockhouse.core.addresses import Address
from lockhouse.core.audit import decode
from lockhouse.core.bodies import read_facts
from lockhouse.core.grace import Act, Finish
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Grant, Identity, Kind, Principal, Right, allows
from lockhouse.errors import CredentialExpired
from lockhouse.service import access, locks, namespaces, objects
from lockhouse.service.access import HOUSE
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from lockhouse.service.versions import Put, Refused
from lockhouse.storage.memory import MemoryStore
from tests.unit.service.rooms import body, state

MASTER = b"m" * 32
BEGAN, ENDS, GRACE = 1000.0, 2000.0, 3600.0
HELD, OTHER = Address("acme", "app/prod"), Address("acme", "app/prod2")
GRANTS = (Grant("acme", "app/", (Right.READ, Right.WRITE, Right.LOCK, Right.FORCE_UNLOCK)),)


class Desk:
    """One principal with every kind of credential, all of which end at `ENDS`."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.store = MemoryStore()
        self.authenticator = Authenticator(self.store, MASTER, lambda: self.now)
        self.authenticator.grace = GRACE
        role = Principal("P2", "deployer", GRANTS, 1.0, Kind.ROLE, trusted=("P1",))
        self.key = msgspec.structs.replace(keys.new_access_key("P1", 1.0), expires_at=ENDS)
        self.lasting = keys.new_access_key("P1", 1.0)
        self.text = keys.new_token("P1", 1.0, ENDS)
        self.secret = keys.secret_of(MASTER, self.key).decode()

        def fill(tx) -> None:
            namespaces.create(tx, Caller(HOUSE, 1.0, "cli"), "acme")
            for each in (Principal("P1", "ci", GRANTS, 1.0), role):
                tx.save_principal(each)
            for each in (self.key, self.lasting, self.text.credential):
                tx.save_credential(each)

        self.store.write(fill)
        base = self.authenticator.access_key(self.lasting.id)[1]
        self.session = self.authenticator.issue_session(base, seconds=ENDS - BEGAN)
        self.assumed = self.authenticator.issue_session(base, seconds=ENDS - BEGAN, role=role, name="run-1")

    def present(self, kind: str, finish: Finish | None = None) -> Identity | None:
        ask = self.authenticator
        match kind:
            case "token":
                return ask.token(self.text.text, finish)
            case "token as password":
                return ask.basic("any", self.text.text, finish)
            case "key and secret":
                return ask.basic(self.key.id, self.secret, finish)
            case "signed holder":
                return ask.holder(self.text.credential.id, finish)
        found = {
            "key": lambda: ask.access_key(self.key.id, "", finish),
            "session": lambda: ask.access_key(self.session.access_key_id, self.session.session_token, finish),
            "role session": lambda: ask.access_key(self.assumed.access_key_id, self.assumed.session_token, finish),
        }[kind]()
        return found[1] if found is not None else None

    def caller(self, who: Identity) -> Caller:
        return Caller(who, self.now, "http")

    def take(self, who: Identity, address: Address = HELD) -> None:
        command = TakeLock(address, Facet.HTTP, b'{"ID":"lock-1"}')
        self.store.write(lambda tx: locks.take(tx, self.caller(who), command))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def finish(act: Act = Act.WRITE, address: Address = HELD) -> Finish:
    return Finish(act, lambda _tx: (address,))


KINDS = pytest.mark.parametrize(
    "kind", ["token", "token as password", "key and secret", "signed holder", "key", "session", "role session"]
)


@KINDS
def test_it_finishes_what_it_holds_and_has_no_right_anywhere_else(desk: Desk, kind: str):
    desk.take(desk.present(kind))
    desk.now = ENDS
    with pytest.raises(CredentialExpired):
        desk.present(kind)
    for act in Act:
        who = desk.present(kind, finish(act))
        assert who is not None
        assert who.ended_at == ENDS
        for right in Right:
            given = right in (Right.READ, Right.READ_OUTPUTS, Right.PLAN, Right.APPLY, Right.WRITE, Right.LOCK)
            assert allows(who.grants, right, *HELD) == given
            assert not allows(who.grants, right, *OTHER)
            assert not allows(who.grants, right, "acme")
    with pytest.raises(CredentialExpired):
        desk.present(kind, finish(address=OTHER))
    desk.now = ENDS + GRACE
    with pytest.raises(CredentialExpired):
        desk.present(kind, finish())


@KINDS
def test_who_holds_nothing_or_has_no_grace_is_refused(desk: Desk, kind: str):
    desk.now = ENDS + 1
    with pytest.raises(CredentialExpired):
        desk.present(kind, finish())
    desk.now = BEGAN
    desk.take(desk.present(kind))
    desk.now = ENDS + 1
    desk.authenticator.grace = 0.0
    with pytest.raises(CredentialExpired):
        desk.present(kind, finish())


@KINDS
@pytest.mark.parametrize("what", ["principal", "credential"])
def test_whatever_was_revoked_is_nobody(desk: Desk, kind: str, what: str):
    desk.take(desk.present(kind))
    desk.now = ENDS + 1
    if what == "principal":
        desk.store.write(lambda tx: access.revoke(tx, desk.caller(HOUSE), "ci"))
    else:
        for each in desk.store.read(lambda tx: tx.credentials("P1")):
            gone = msgspec.structs.replace(each, revoked_at=desk.now)
            desk.store.write(lambda tx, g=gone: tx.save_credential(g))
    desk.authenticator.changed()
    assert desk.present(kind, finish()) is None


def test_a_grant_that_was_taken_away_does_not_come_back(desk: Desk):
    desk.take(desk.present("token"))
    taken = (Grant("acme", "app/", (Right.WRITE,)),)
    desk.store.write(lambda tx: access.ungrant(tx, desk.caller(HOUSE), "ci", taken))
    desk.authenticator.changed()
    desk.now = ENDS + 1
    who = desk.present("token", finish())
    assert not allows(who.grants, Right.WRITE, *HELD)
    assert allows(who.grants, Right.LOCK, *HELD)


def written(serial: int = 1) -> Put:
    raw = state(serial)
    return Put(HELD, body(raw), f"n{serial}", read_facts(raw))


def test_in_the_transaction_the_lock_is_looked_at_again(desk: Desk):
    """Let in while it held the lock; by then somebody has taken it away."""
    desk.take(desk.present("token"))
    desk.now = ENDS + 1
    who = desk.caller(desk.present("token", finish()))
    desk.store.write(lambda tx: objects.put(tx, who, written(1)))
    assert desk.store.read(lambda tx: objects.read(tx, who, HELD)).version.facts.serial == 1
    assert desk.store.read(lambda tx: locks.show(tx, who, HELD, Facet.HTTP)) is not None
    force = Unlock(HELD, Facet.HTTP, force=True, reason="gone")
    desk.store.write(lambda tx: locks.release(tx, desk.caller(HOUSE), force))
    late = desk.store.write(lambda tx: objects.put(tx, who, written(2)))
    assert isinstance(late, Refused)
    assert late.problem.code == "write.fenced"
    assert late.parked is not None
    for act in (
        lambda tx: objects.read(tx, who, HELD),
        lambda tx: locks.show(tx, who, HELD, Facet.HTTP),
        lambda tx: locks.release(tx, who, Unlock(HELD, Facet.HTTP, id="lock-1")),
    ):
        with pytest.raises(CredentialExpired):
            desk.store.write(act)


def test_it_takes_no_lock_not_even_its_own_again(desk: Desk):
    desk.take(desk.present("token"))
    desk.now = ENDS + 1
    who = desk.present("token", finish())
    with pytest.raises(CredentialExpired):
        desk.take(who)


def test_what_is_finished_is_told_as_such_and_counts_as_seen(desk: Desk):
    desk.take(desk.present("token"))
    desk.now = ENDS + 90
    who = desk.caller(desk.present("token", finish()))
    desk.store.write(lambda tx: objects.put(tx, who, written()))
    desk.store.write(lambda tx: locks.release(tx, who, Unlock(HELD, Facet.HTTP, id="lock-1")))
    told = [decode(raw) for _, raw in desk.store.read(lambda tx: tx.unsealed())][-2:]
    assert [each.action for each in told] == ["version.write", "lock.released"]
    assert all(each.detail.startswith("in grace, 90 s after the end of its credential") for each in told)
    assert desk.store.read(lambda tx: tx.last_uses([desk.text.credential.id])) == {desk.text.credential.id: ENDS + 90}
