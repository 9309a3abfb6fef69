"""What a sign-in under way brings back, and what does not count."""

from __future__ import annotations

import base64
import hashlib

import pytest

from lockhouse.auth.signin import pledge
from lockhouse.auth.signin.person import Admission, Person, admit
from lockhouse.errors import AccessDenied

KEY = pledge.key_of(bytes(32))
NAME, OTHER = "a" * 64, "b" * 64
BACK = "https://locks.example/console/sign-in/callback"
NOW = 1_800_000_000.0


def begun(name: str = NAME, salt: bytes = b"s" * 16):
    return pledge.make(KEY, name, target="/console/traffic", redirect_uri=BACK, now=NOW, salt=salt)


def test_the_same_visitor_finishes_on_any_replica_with_the_same_key():
    ask = begun()
    assert pledge.redeem(KEY, NAME, ask.state, redirect_uri=BACK, now=NOW + 599) == (ask, "/console/traffic")
    digest = base64.urlsafe_b64encode(hashlib.sha256(ask.verifier.encode()).digest()).decode().rstrip("=")
    assert (ask.challenge, len(ask.verifier)) == (digest, 43)


def test_every_sign_in_has_its_own_state_nonce_and_verifier():
    asks = [begun(), begun(salt=b"t" * 16), begun(OTHER)]
    for field in ("state", "nonce", "verifier", "challenge"):
        assert len({getattr(each, field) for each in asks}) == 3
    assert asks[0].nonce not in asks[0].state
    assert asks[0].verifier not in asks[0].state


def test_a_state_is_worth_nothing_elsewhere_later_or_changed():
    state = begun().state
    assert pledge.redeem(KEY, OTHER, state, redirect_uri=BACK, now=NOW) is None
    assert pledge.redeem(KEY, NAME, state, redirect_uri=BACK, now=NOW + 600) is None
    assert pledge.redeem(pledge.key_of(b"x" * 32), NAME, state, redirect_uri=BACK, now=NOW) is None
    for wrong in ("", "x", state[:-4], state + "AAAA", "A" * 5000, "é", state.swapcase(), "!!!!" + state):
        assert pledge.redeem(KEY, NAME, wrong, redirect_uri=BACK, now=NOW) is None


@pytest.mark.parametrize(
    ("rule", "email", "organization", "comes_in"),
    [
        (Admission(), "", "", True),
        (Admission(domains=("example.com",)), "ann@example.com", "", True),
        (Admission(domains=("example.com",)), "ann@EXAMPLE.com", "", True),
        (Admission(domains=("example.com",)), "ann@sub.example.com", "", False),
        (Admission(domains=("example.com",)), "ann@notexample.com", "", False),
        (Admission(domains=("example.com",)), "example.com", "", True),
        (Admission(domains=("example.com",)), "ann@example.com@evil.example", "", False),
        (Admission(domains=("example.com",)), "", "", False),
        (Admission(organizations=("org_1",)), "", "org_1", True),
        (Admission(organizations=("org_1",)), "", "org_10", False),
        (Admission(organizations=("org_1",)), "", "", False),
        (Admission(("example.com",), ("org_1",)), "ann@example.com", "org_2", False),
    ],
)
def test_only_those_whom_the_operator_names_come_in(rule: Admission, email: str, organization: str, comes_in: bool):
    person = Person("https://id.example", "s", email, organization=organization)
    if comes_in:
        admit(person, rule)
        return
    with pytest.raises(AccessDenied) as refused:
        admit(person, rule)
    assert "example.com" not in refused.value.message
