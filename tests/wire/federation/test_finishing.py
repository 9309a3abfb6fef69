"""A run that outlasts its temporary credentials: its SDK shows the old ID token again, and may finish with what it gets.

A real issuer process; the house has a clock that the test turns.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from lockhouse.auth.signin.federation import Issuers
from lockhouse.core.addresses import Address
from lockhouse.core.federation import Trust
from lockhouse.core.grace import Act, Finish
from lockhouse.core.locks import Facet
from lockhouse.core.principals import Grant, Kind, Principal, Right
from lockhouse.errors import CredentialExpired, CredentialUnknown
from lockhouse.runtime.federation import STRANGER, Federation
from lockhouse.service import access, locks
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock, Unlock
from tests.wire.federation.test_exchange import AUDIENCE, mint
from tests.wire.rig import Rig
from tests.wire.signin.providers import ProviderProcess

HELD = Address("acme", "app/prod")
GRACE = 3600.0
FINISH = Finish(Act.WRITE, lambda _tx: (HELD,))


class Runs:
    """A house that believes the issuer, with one policy: sessions of 15 minutes."""

    def __init__(self, directory, issuer: ProviderProcess) -> None:
        self.issuer = issuer
        self.rig = Rig(directory, now=time.time())
        self.rig.authenticator.grace = GRACE
        trust = Trust(issuer.issuer, AUDIENCE, {"repository_id": "1001"}, 900)
        grants = (Grant("acme", "app/", (Right.READ, Right.WRITE, Right.LOCK)),)
        self.rig.store.write(
            lambda tx: tx.save_principal(Principal("P1", "deploy", grants, 1.0, Kind.CI_JOB, trust=trust))
        )
        self.federation = Federation(
            self.rig.house, self.rig.authenticator, lambda: Issuers([issuer.issuer], lambda: self.rig.now)
        )

    def session(self, token: str, peer: str = "192.0.2.1"):
        caller = Caller(STRANGER, self.rig.now, "sts", peer)
        asked = self.federation.session(caller, "deploy", token, None)
        return asyncio.run_coroutine_threadsafe(asked, self.rig.loop).result(30)[2]

    def who(self, session, finish: Finish | None = None):
        return self.rig.authenticator.access_key(session.access_key_id, session.session_token, finish)[1]

    def caller(self, session, finish: Finish | None = None) -> Caller:
        return Caller(self.who(session, finish), self.rig.now, "s3")

    def take(self, session) -> None:
        caller = self.caller(session)
        self.rig.store.write(lambda tx: locks.take(tx, caller, TakeLock(HELD, Facet.TABLE, b'{"ID":"l-1"}')))


@pytest.fixture
def runs(tmp_path, issuer):
    made = Runs(tmp_path, issuer)
    yield made
    made.rig.close()


def test_while_it_holds_a_lock_it_is_given_credentials_that_finish_and_do_nothing_else(runs):
    token = mint(runs.issuer)
    first = runs.session(token)
    runs.take(first)
    runs.rig.now += 1800
    again = runs.session(token)
    assert again.access_key_id != first.access_key_id
    assert again.expires_at == pytest.approx(runs.rig.now + 900, abs=1)
    for session in (first, again):
        with pytest.raises(CredentialExpired):
            runs.who(session)
        who = runs.who(session, FINISH)
        assert who.grants == (Grant("acme", "app/prod", who.grants[0].rights, exact=True),)
    caller = runs.caller(again, Finish(Act.UNLOCK, lambda _tx: (HELD,)))
    runs.rig.store.write(lambda tx: locks.release(tx, caller, Unlock(HELD, Facet.TABLE)))
    with pytest.raises(CredentialExpired):
        runs.session(token)
    with pytest.raises(CredentialExpired):
        runs.who(again, FINISH)


def test_it_is_over_with_the_grace_and_never_longer(runs):
    token = mint(runs.issuer)
    runs.take(runs.session(token))
    runs.rig.now += 900 + GRACE - 60
    last = runs.session(token)
    assert last.expires_at == pytest.approx(runs.rig.now + 60, abs=2)
    runs.rig.now += 61
    with pytest.raises(CredentialUnknown):
        runs.session(token)
    with pytest.raises(CredentialExpired):
        runs.who(last, FINISH)


def test_nobody_else_finishes_with_its_token(runs):
    token = mint(runs.issuer)
    runs.take(runs.session(token))
    runs.rig.now += 1800
    with pytest.raises(CredentialUnknown):
        runs.session(token, peer="198.51.100.9")


def test_a_token_that_was_never_used_is_over_with_its_time(runs):
    token = mint(runs.issuer)
    runs.take(runs.session(mint(runs.issuer)))
    runs.rig.now += 1800
    with pytest.raises(CredentialExpired):
        runs.session(token)


def test_a_run_without_a_lock_or_a_house_without_grace_gives_nothing(runs):
    token = mint(runs.issuer)
    first = runs.session(token)
    runs.rig.now += 1800
    with pytest.raises(CredentialExpired):
        runs.session(token)
    runs.rig.now -= 1800
    runs.take(first)
    runs.rig.now += 1800
    runs.rig.authenticator.grace = 0.0
    with pytest.raises(CredentialExpired):
        runs.session(token)


def test_a_policy_that_was_deleted_ends_it(runs):
    token = mint(runs.issuer)
    runs.take(runs.session(token))
    runs.rig.now += 1800
    runs.rig.store.write(lambda tx: access.revoke(tx, runs.rig.caller(), "deploy"))
    runs.rig.authenticator.changed()
    with pytest.raises(CredentialUnknown):
        runs.session(token)
