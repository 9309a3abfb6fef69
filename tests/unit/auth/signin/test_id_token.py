"""Which ID tokens are believed: one, and none of its forgeries."""

from __future__ import annotations

import base64
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from lockhouse.auth.signin import id_token
from lockhouse.auth.signin.id_token import Expected
from lockhouse.errors import CredentialUnknown

NOW = 1_800_000_000
ISSUER = "https://id.example/tenant"
EXPECTED = Expected(ISSUER, "client-1", "nonce-1", ("RS256", "ES256"))
CLAIMS = {
    "iss": ISSUER, "aud": "client-1", "sub": "user-1", "exp": NOW + 300, "iat": NOW - 5, "nonce": "nonce-1",
}  # fmt: skip
RSA = RSAKey.generate_key(2048, {"kid": "r1"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "r2"})
EC = ECKey.generate_key("P-256", {"kid": "e1"})
ED = OKPKey.generate_key("Ed25519", {"kid": "d1"})


def published(*keys) -> tuple[id_token.PublicKey, ...]:
    return id_token.public_keys([each.as_dict(private=False) for each in keys])


KEYS = published(RSA, OTHER_RSA, EC, ED)


def made(key=RSA, alg: str = "RS256", header: dict | None = None, **claims) -> str:
    said = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid} | (header or {}), said, key, algorithms=[alg])


def raw(header: dict, claims: dict, signature: bytes = b"") -> str:
    pieces = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in pieces)


def hs256(secret: bytes) -> str:
    """A token under a shared secret, made by hand: libraries refuse to take a public key for one."""
    unsigned = raw({"alg": "HS256", "kid": "r1"}, CLAIMS).rpartition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(secret, unsigned.encode(), "sha256")).decode().rstrip("=")
    return f"{unsigned}.{signature}"


def extended(**header: object) -> str:
    """A token with a right signature over a header that libraries refuse to make."""
    unsigned = raw({"alg": "RS256", "kid": "r1"} | header, CLAIMS).rpartition(".")[0]
    signature = RSA.private_key.sign(unsigned.encode(), PKCS1v15(), SHA256())
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def judge(token: str, expected: Expected = EXPECTED, keys=KEYS, now: float = NOW) -> id_token.Claims:
    """As `oidc` does it."""
    key = id_token.choose(keys, id_token.read_header(token, expected.algorithms))
    if key is None:
        raise id_token.refused("its key is unknown")
    return id_token.check(token, key, expected, now)


@pytest.mark.parametrize(
    "token",
    [
        made(), made(OTHER_RSA), made(EC, "ES256"), made(aud=["client-1"]), made(azp="client-1"),
        made(aud=["client-1", "other"], azp="client-1"), made(exp=NOW - 59, iat=NOW - 300), made(iat=NOW + 59), made(iat=NOW - 600),
        made(nbf=NOW + 59), extended(), extended(b64=True),
    ],
)  # fmt: skip
def test_a_token_of_the_issuer_for_us_and_now_is_believed(token: str):
    assert judge(token).subject == "user-1"


FORGERIES = {
    "expired": made(exp=NOW - 61, iat=NOW - 300),
    "expired long ago": made(exp=1, iat=0),
    "of the future": made(iat=NOW + 61),
    "not valid yet": made(nbf=NOW + 61),
    "too old for a sign-in": made(iat=NOW - 700, exp=NOW + 86400),
    "ends before it begins": made(iat=NOW + 30, exp=NOW + 1),
    "without an end": made(exp=None),
    "without a time": made(iat=None),
    "with an end that is no number": made(exp="tomorrow"),
    "with an infinite end": made(exp=True),
    "of another issuer": made(iss="https://evil.example"),
    "of the issuer with a slash": made(iss=ISSUER + "/"),
    "without an issuer": made(iss=None),
    "with a list of issuers": made(iss=[ISSUER]),
    "for another client": made(aud="client-2"),
    "for a client whose id begins the same": made(aud="client-10"),
    "for nobody": made(aud=None),
    "for an empty list": made(aud=[]),
    "for several without an authorized party": made(aud=["client-1", "client-2"]),
    "authorized for another party": made(azp="client-2"),
    "authorized for another party of several": made(aud=["client-1", "client-2"], azp="client-2"),
    "of another sign-in": made(nonce="nonce-2"),
    "without a nonce": made(nonce=None),
    "with a list of nonces": made(nonce=["nonce-1", "nonce-2"]),
    "without a subject": made(sub=None),
    "with an empty subject": made(sub=""),
    "with a subject that is no text": made(sub=7),
    "with a long subject": made(sub="x" * 256),
    "with a subject of two lines": made(sub="a\nb"),
    "not signed": raw({"alg": "none", "kid": "r1"}, CLAIMS),
    "not signed, in capitals": raw({"alg": "NONE", "kid": "r1"}, CLAIMS, b"x"),
    "not signed, with a signature": raw({"alg": "none", "kid": "r1"}, CLAIMS, b"x" * 256),
    "with an empty signature": raw({"alg": "RS256", "kid": "r1"}, CLAIMS),
    "with a wrong signature": raw({"alg": "RS256", "kid": "r1"}, CLAIMS, b"x" * 256),
    "with an algorithm that is not allowed": made(ED, "EdDSA"),
    "with a longer algorithm than allowed": made(RSA, "RS512"),
    "signed with the public key as a secret": hs256(RSA.as_pem(private=False)),
    "signed with the modulus as a secret": hs256(RSA.as_dict(private=False)["n"].encode()),
    "signed by somebody under the issuer's kid": made(RSAKey.generate_key(2048, {"kid": "r1"})),
    "signed by the issuer's other key": made(OTHER_RSA, header={"kid": "r1"}),
    "with a key of its own": made(OTHER_RSA, header={"kid": "nowhere", "jwk": OTHER_RSA.as_dict(private=False)}),
    "with a key that nobody published": made(RSAKey.generate_key(2048, {"kid": "r9"})),
    "without a kid while there are two keys": made(header={"kid": ""}),
    "with a kid of another kind of key": made(RSA, header={"kid": "e1"}),
    "with a critical extension": extended(crit=["b64"], b64=True),
    "with a critical extension that nobody knows": extended(crit=["http://example.com/x"]),
    "with an empty list of critical extensions": extended(crit=[]),
    "too long": made(padding="x" * 17_000),
    "in two pieces": "a.b",
    "in five pieces": "a.b.c.d.e",
    "empty": "",
    "with a header that is no object": "W10.e30.eA",
    "with a header that is no JSON": "eA.e30.eA",
    "with a header that is nested deeply": base64.urlsafe_b64encode(b"[" * 9000).decode() + ".e30.eA",
    "with characters of another alphabet": made().replace(".", "\u2024"),
    "with a payload that is no object": "",
}


@pytest.mark.parametrize("token", FORGERIES.values(), ids=FORGERIES.keys())
def test_no_other_token_is_believed(token: str):
    with pytest.raises(CredentialUnknown) as refused:
        judge(token)
    assert "user-1" not in refused.value.message


def test_no_other_payload_is_believed_under_a_signature():
    head, _, signature = made().split(".")
    for change in ({"sub": "admin"}, {"exp": NOW + 9999}, {}):
        body = base64.urlsafe_b64encode(json.dumps(CLAIMS | change).encode()).decode().rstrip("=")
        with pytest.raises(CredentialUnknown):
            judge(f"{head}.{body}.{signature}")


def test_one_flipped_bit_anywhere_in_the_token_is_refused():
    token = made()
    for place in range(0, len(token), 7):
        for other in "Az0-":
            if token[place] in (other, ".") or place >= len(token) - 1:
                continue
            with pytest.raises(CredentialUnknown):
                judge(token[:place] + other + token[place + 1 :])


def test_an_algorithm_counts_only_if_the_operator_allows_it():
    allowed = Expected(ISSUER, "client-1", "nonce-1", ("EdDSA",))
    assert judge(made(ED, "EdDSA"), allowed).subject == "user-1"
    with pytest.raises(CredentialUnknown):
        judge(made(), allowed)
    symmetric = Expected(ISSUER, "client-1", "nonce-1", ("HS256", "none"))
    for token in (hs256(b"x" * 32), raw({"alg": "none"}, CLAIMS, b"x")):
        with pytest.raises(CredentialUnknown):
            judge(token, symmetric)


def test_without_a_kid_the_only_key_that_fits_is_used():
    token = made(EC, "ES256", {"kid": ""})
    assert judge(token, keys=published(RSA, EC)).subject == "user-1"


def test_only_public_keys_for_signatures_that_are_long_enough_are_taken():
    short = RSAKey.generate_key(1024, {"kid": "s"}).as_dict(private=False)
    documents = [
        short,
        OctKey.generate_key(256, {"kid": "o"}).as_dict(private=True),
        RSA.as_dict(private=False) | {"use": "enc"},
        {"kty": "RSA", "kid": "broken"},
        {"kty": "RSA", "kid": 7, "n": 3, "e": []},
        {"kid": "nothing"},
        RSA.as_dict(private=True),
        EC.as_dict(private=False) | {"alg": "ES256"},
    ]
    found = id_token.public_keys(documents)
    assert [each.kid for each in found] == ["r1", "e1"]
    assert not any(each.key.is_private for each in found)
    assert len(id_token.public_keys([EC.as_dict(private=False)] * 80)) == id_token.MAX_KEYS


def test_a_key_that_names_its_algorithm_serves_no_other():
    (key,) = id_token.public_keys([RSA.as_dict(private=False) | {"alg": "RS512"}])
    with pytest.raises(CredentialUnknown):
        id_token.check(made(), key, EXPECTED, NOW)
