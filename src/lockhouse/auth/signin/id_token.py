"""Whether an ID token proves who signed in. Pure: the keys, the expectations and the time are passed in.

The algorithm is one of those that the operator allows, never what the token would like; the key is one that the issuer
publishes, found by `kid`, and never one that the token brings; symmetric algorithms and `none` do not exist here, so a
public key cannot be used as a secret. joserfc's `decode` judges the signature only: the claims are judged by its
registry, and the rest of OpenID Connect Core section 3.1.3.7 below. Source also: RFC 8725 (best practices for JWT).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from lockhouse.errors import CredentialUnknown

MAX_BYTES = 16 * 1024
MAX_KEYS = 50
LEEWAY = 60
"""Seconds by which the issuer's clock and ours may differ."""
MAX_AGE = 600
"""Seconds after which an ID token is too old for a sign-in, whatever its `exp` says."""
MIN_RSA_BITS = 2048
MAX_SUBJECT = 255
KEY_KINDS = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC", "ES384": "EC", "ES512": "EC", "EdDSA": "OKP",
}  # fmt: skip
"""The algorithms that may be allowed, and the kind of key that each needs: all asymmetric."""
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
_CLASSES: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PUBLIC = frozenset({"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"})


class Expected(msgspec.Struct, frozen=True):
    """What a token must say to be believed."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: tuple[str, ...]


class Header(msgspec.Struct, frozen=True):
    """What a token says of itself, before anything is proved."""

    alg: str
    kid: str = ""
    crit: tuple[str, ...] | None = None


class Claims(msgspec.Struct, frozen=True):
    """A token that was proved: its subject, and all that it says."""

    subject: str
    all: dict[str, object]


class PublicKey(msgspec.Struct, frozen=True):
    """A key of the issuer."""

    kid: str
    kind: str
    curve: str
    alg: str
    key: Key


_header = msgspec.json.Decoder(Header).decode


def refused(why: str) -> CredentialUnknown:
    return CredentialUnknown(f"cannot believe the identity provider's token: {why}", hint="sign in again")


def read_header(token: str, algorithms: tuple[str, ...]) -> Header:
    """The header of a token whose algorithm is allowed. Errors: `credential.unknown`."""
    if len(token) > MAX_BYTES:
        raise refused(f"it has more than {MAX_BYTES} bytes")
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii() or not all(parts):
        raise refused("it is not a signed token")
    try:
        header = _header(base64.b64decode(parts[0] + "=" * (-len(parts[0]) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise refused("its header is malformed") from None
    if header.alg not in algorithms or header.alg not in KEY_KINDS:
        raise refused("its algorithm is not allowed")
    if header.crit is not None:
        raise refused("it needs an extension that is not known here")
    return header


def public_keys(documents: list[dict[str, object]]) -> tuple[PublicKey, ...]:
    """The usable keys of a key set (RFC 7517): public, asymmetric, for signatures, long enough. Others are left out."""
    found: list[PublicKey] = []
    for document in documents[:MAX_KEYS]:
        kind = document.get("kty")
        if not isinstance(kind, str) or kind not in _CLASSES or document.get("use", "sig") != "sig":
            continue
        known = ((name, value) for name, value in document.items() if name in _PUBLIC)
        kept: dict[str, str | list[str]] = {name: value for name, value in known if isinstance(value, str)}
        try:
            key = _CLASSES[kind].import_key(kept)
            if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
                continue
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        kid, curve, alg = (str(kept.get(name, "")) for name in ("kid", "crv", "alg"))
        found.append(PublicKey(kid, kind, curve, alg, key))
    return tuple(found)


def choose(keys: tuple[PublicKey, ...], header: Header) -> PublicKey | None:
    """The key that the token names, or, where it names none, the only one that its algorithm can use."""
    fit = [each for each in keys if _fits(each, header.alg)]
    if header.kid:
        return next((each for each in fit if each.kid == header.kid), None)
    return fit[0] if len(fit) == 1 else None


def check(token: str, key: PublicKey, expected: Expected, now: float) -> Claims:
    """The claims of a token of this issuer, for us, for this sign-in, now. Errors: `credential.unknown`."""
    header = read_header(token, expected.algorithms)
    if not _fits(key, header.alg):
        raise refused("its key is of another kind than its algorithm")
    try:
        claims = jwt.decode(token, key.key, algorithms=[header.alg]).claims
        registry = jwt.JWTClaimsRegistry(
            now=int(now),
            leeway=LEEWAY,
            iss={"essential": True, "value": expected.issuer},
            aud={"essential": True, "value": expected.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": expected.nonce},
        )
        registry.validate(claims)
    except (JoseError, ValueError, TypeError, RecursionError) as wrong:
        # The error's own words may repeat what the token says; its kind is enough.
        raise refused(type(wrong).__name__.removesuffix("Error")) from None
    _check_rest(claims, expected, now)
    subject = claims["sub"]
    if not subject or len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise refused("its subject is malformed")
    return Claims(subject, claims)


def _check_rest(claims: Mapping[str, object], expected: Expected, now: float) -> None:
    nonce = claims["nonce"]
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise refused("its nonce is another one")
    audience = claims["aud"]
    party = claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise refused("it has several audiences and no authorized party")
    if party is not None and party != expected.client_id:
        raise refused("its authorized party is another one")
    issued, ends = claims["iat"], claims["exp"]
    if not isinstance(issued, (int, float)) or now - issued > MAX_AGE + LEEWAY:
        raise refused("it is too old")
    if not isinstance(ends, (int, float)) or ends < issued:
        raise refused("it ends before it begins")


def _fits(key: PublicKey, alg: str) -> bool:
    return key.kind == KEY_KINDS.get(alg) and key.curve == _CURVES.get(alg, "") and key.alg in ("", alg)
