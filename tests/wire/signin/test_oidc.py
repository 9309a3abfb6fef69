"""Against a real OpenID Connect provider in a process of its own: who is believed, and which token thefts fail."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from lockhouse.auth.signin import network
from lockhouse.auth.signin.oidc import REFETCH_SECONDS
from lockhouse.auth.signin.person import Group
from lockhouse.errors import CredentialUnknown, ProviderUnavailable
from tests.wire.signin.providers import ProviderProcess, SignIn

Party = Callable[..., SignIn]


def test_somebody_who_signed_in_is_known_by_issuer_and_subject(rp: SignIn):
    person = rp.sign_in("ann-1")
    assert (person.issuer, person.subject) == (rp.process.issuer, "ann-1")
    assert (person.email, person.name) == ("ann@example.com", "Ann")
    assert person.groups == (Group("devs", "devs"), Group("ops", "ops"))


def test_an_address_that_is_not_verified_is_no_address(rp: SignIn):
    person = rp.sign_in("mallory")
    assert (person.subject, person.email, person.groups) == ("mallory", "", None)


def test_groups_that_only_the_user_information_tells_are_found_there(rp: SignIn, process: ProviderProcess):
    process.put("in-userinfo", ["groups", "email", "email_verified"])
    person = rp.sign_in("ann-1")
    assert person.email == "ann@example.com"
    assert person.groups == (Group("devs", "devs"), Group("ops", "ops"))


def test_other_claims_can_be_looked_at_or_none(party: Party, process: ProviderProcess):
    process.user("eve-1", roles="one", org_id="org_1", groups=["devs"])
    person = party(groups_claim="roles", organization_claim="org_id").sign_in("eve-1")
    assert (person.groups, person.organization) == ((Group("one", "one"),), "org_1")
    assert party(groups_claim="").sign_in("eve-1").groups is None


NOW = int(time.time())
FAULTS = {
    "expired": {"claims": {"exp": NOW - 120, "iat": NOW - 600}},
    "expired long ago": {"claims": {"exp": 1, "iat": 0}},
    "of the future": {"claims": {"iat": NOW + 3600, "exp": NOW + 7200}},
    "for another client": {"claims": {"aud": ["another"]}},
    "for us and another, authorized for the other": {"claims": {"aud": ["lockhouse", "another"], "azp": "another"}},
    "for us and another, authorized for nobody": {"claims": {"aud": ["lockhouse", "another"]}},
    "of another issuer": {"claims": {"iss": "https://evil.example"}},
    "with another nonce": {"claims": {"nonce": "n"}},
    "without a nonce": {"drop": ["nonce"]},
    "without an end": {"drop": ["exp"]},
    "without an audience": {"drop": ["aud"]},
    "without a subject": {"drop": ["sub"]},
    "not signed": {"how": "none"},
    "not signed but with a signature": {"how": "none, signed"},
    "signed with the public key as a secret": {"how": "hs256 with the public key"},
    "signed with the client secret": {"how": "hs256 with the client secret"},
    "with a key of its own": {"how": "a key of its own"},
    "with a key that nobody published": {"how": "a key that nobody published"},
    "with another payload under the old signature": {"how": "another payload under the old signature"},
    "too long": {"how": "too long"},
    "no token": {"how": "not a token"},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_an_id_token_that_is_wrong_signs_nobody_in(rp: SignIn, process: ProviderProcess, fault: dict[str, object]):
    process.put("fault", fault)
    with pytest.raises(CredentialUnknown):
        rp.sign_in("ann-1")
    assert rp.sign_in("ann-1", 2).subject == "ann-1"


def test_an_id_token_of_another_sign_in_is_not_believed_again(rp: SignIn, process: ProviderProcess):
    rp.sign_in("ann-1")
    process.user("captured", token=process.last_id_token)
    process.put("fault", {"how": "a captured one"})
    with pytest.raises(CredentialUnknown):
        rp.sign_in("mallory", 2)


def test_a_code_works_once_and_only_for_who_began(rp: SignIn):
    ask = rp.ask()
    code = rp.code(ask, "ann-1")
    with pytest.raises(CredentialUnknown):  # another browser's verifier; the provider takes the code away with it
        rp.identify(rp.ask(2), code)
    code = rp.code(ask, "ann-1")
    assert rp.identify(ask, code).subject == "ann-1"
    with pytest.raises(CredentialUnknown):
        rp.identify(ask, code)
    with pytest.raises(CredentialUnknown):
        rp.identify(ask, "made-up")


def test_an_answer_that_names_another_issuer_is_refused_before_the_code_is_used(rp: SignIn):
    ask = rp.ask()
    code = rp.code(ask, "ann-1")
    with pytest.raises(CredentialUnknown):
        rp.identify(ask, code, "https://evil.example")
    assert rp.identify(ask, code, rp.process.issuer).subject == "ann-1"


def test_a_wrong_client_secret_signs_nobody_in_and_is_told_to_nobody(party: Party):
    with pytest.raises(CredentialUnknown) as refused:
        party(client_secret="wrong-secret").sign_in("ann-1")
    assert "wrong-secret" not in str(refused.value)


def test_keys_may_be_rotated_while_people_sign_in(rp: SignIn, process: ProviderProcess):
    rp.sign_in("ann-1")
    before = process.asked("/jwks")
    rp.sign_in("ann-1", 2)
    assert process.asked("/jwks") == before
    rp.later = 60
    process.rotate()
    assert rp.sign_in("ann-1", 3).subject == "ann-1"
    assert process.asked("/jwks") == before + 1
    rp.later = 120
    process.rotate(kind="EC", drop=True)
    assert rp.sign_in("ann-1", 4).subject == "ann-1"
    assert process.asked("/jwks") == before + 2
    process.rotate(kind="RSA", drop=True)


def test_tokens_with_unknown_keys_make_the_keys_be_fetched_once_not_once_each(rp: SignIn, process: ProviderProcess):
    rp.sign_in("ann-1")
    rp.later = REFETCH_SECONDS + 1
    before = process.asked("/jwks")
    for number in range(3):
        process.put("fault", {"how": "a key that nobody published"})
        with pytest.raises(CredentialUnknown):
            rp.sign_in("ann-1", 10 + number)
    assert process.asked("/jwks") == before + 1


def test_an_algorithm_that_the_operator_does_not_allow_is_refused(party: Party):
    with pytest.raises(CredentialUnknown):
        party(algorithms=("ES256",)).sign_in("ann-1")


def test_an_issuer_that_calls_itself_otherwise_is_not_used(party: Party, process: ProviderProcess):
    for issuer in (process.issuer + "/", process.issuer.replace("127.0.0.1", "localhost")):
        other = party(issuer=issuer)
        with pytest.raises(ProviderUnavailable):
            other.run(other.provider.authorize(other.ask()))


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:1", "https://169.254.169.254", "https://10.0.0.1", "http://id.example"]
)
def test_a_provider_that_is_not_there_or_may_not_be_asked_is_said_to_be_so(party: Party, issuer: str):
    other = party(issuer=issuer)
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        other.run(other.provider.authorize(other.ask()))
    assert time.monotonic() - began < 10


def test_visitors_do_not_queue_for_a_provider_that_does_not_answer(party: Party, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "TOTAL_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        other = party(issuer=f"http://127.0.0.1:{silent.getsockname()[1]}")
        took = []
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(ProviderUnavailable):
                other.run(other.provider.authorize(other.ask()))
            took.append(time.monotonic() - began)
    assert took[0] > 0.9
    assert took[1] < 0.5
