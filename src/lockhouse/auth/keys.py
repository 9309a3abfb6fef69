"""Access keys and API tokens: how they look, how their secrets are made and compared.

An access key id is 20 characters, upper case, as AWS clients expect; its secret is HMAC-SHA-256 of the id and a nonce
under the master key, rendered as 40 characters. A token is `lkh_ID_SECRET`: a public id of 16 characters and 256 random
bits; only the SHA-256 of the secret is kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

import msgspec

from lockhouse.core.principals import Credential

ACCESS_KEY = "access_key"
TOKEN = "token"  # noqa: S105 - a kind, not a secret
ACCESS_KEY_PREFIX = "LHK"
SESSION_KEY_PREFIX = "LHS"
TOKEN_PREFIX = "lkh_"  # noqa: S105 - the public mark by which a leaked token is recognised
_TOKEN = re.compile(r"lkh_([A-Z2-7]{16})_([A-Za-z0-9_-]{43})")
_LABEL = b"lockhouse/v1/access-key"


class NewToken(msgspec.Struct, frozen=True):
    """A token that was just made: its text is shown once."""

    text: str
    credential: Credential


def new_access_key(principal: str, now: float) -> Credential:
    """A fresh access key of a principal."""
    return Credential(
        id=random_id(ACCESS_KEY_PREFIX, 17), principal=principal, kind=ACCESS_KEY, at=now, nonce=secrets.token_bytes(16)
    )


def new_token(principal: str, now: float, expires_at: float = 0.0, public_id: str = "") -> NewToken:
    """A fresh token of a principal. `expires_at`: seconds since 1970; 0 is never. `public_id`: 16 characters of the
    base32 alphabet, random when empty."""
    public, secret = public_id or random_id("", 16), secrets.token_urlsafe(32)
    credential = Credential(
        id=public, principal=principal, kind=TOKEN, at=now, digest=_digest(secret), expires_at=expires_at
    )
    return NewToken(f"{TOKEN_PREFIX}{public}_{secret}", credential)


def new_principal_id() -> str:
    """An opaque id that is never used again."""
    return random_id("P", 19)


def secret_of(master: bytes, credential: Credential) -> bytes:
    """The secret access key of an access key: 40 ASCII letters and digits."""
    return render_secret(hmac.digest(master, message(_LABEL, credential.id.encode(), credential.nonce), "sha256"))


def message(*parts: bytes) -> bytes:
    """Parts joined so that no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def render_secret(raw: bytes) -> bytes:
    """40 characters of at least 30 random bytes. Letters and digits only: safe in every shell, file and URL."""
    return base64.b64encode(raw[:30], altchars=b"09")


def split_token(text: str) -> tuple[str, str] | None:
    """(public id, secret) of a token's text, or None when it is not one."""
    match = _TOKEN.fullmatch(text)
    return (match[1], match[2]) if match else None


def is_token_secret(credential: Credential | None, secret: str) -> bool:
    """Whether this is the token's secret; an unknown credential costs as much as a wrong secret."""
    wanted = credential.digest if credential is not None and credential.kind == TOKEN else bytes(32)
    return hmac.compare_digest(wanted, _digest(secret)) and credential is not None


def random_id(prefix: str, size: int) -> str:
    """`prefix` and `size` random characters of the base32 alphabet (A to Z, 2 to 7)."""
    return prefix + base64.b32encode(secrets.token_bytes((size * 5 + 7) // 8)).decode()[:size]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
