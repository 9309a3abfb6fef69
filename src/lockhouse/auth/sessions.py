"""Temporary credentials (STS): a session token that carries everything, under a MAC, and a secret derived from it.

Nothing is stored: the token names who acts, the lasting credential behind it and when it ends; it dies with that
credential. Source of shape and limits: AWS STS API Reference, AssumeRole and GetSessionToken.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets

import msgspec

from lockhouse.auth.keys import SESSION_KEY_PREFIX, message, random_id, render_secret

_LABEL = b"lockhouse/v1/session"
_MAC_BYTES = 32
_DEFAULT_NAMES = re.compile(r"aws-go-sdk-\d+|botocore-session-\d+|aws-sdk-[a-z]+-\S*\d+")


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a session token says."""

    access_key_id: str
    principal: str
    """Who acts: the role, or the principal of the lasting credential itself."""
    base: str
    """The lasting credential behind the session."""
    name: str
    """The role session name as the client gave it; empty without a role."""
    expires_at: float
    nonce: bytes

    @property
    def holder_name(self) -> str:
        """The session name where somebody chose it. Names that an SDK makes up change when it refreshes its credentials
        in the middle of a run, and the run must stay the same holder."""
        return "" if _DEFAULT_NAMES.fullmatch(self.name) else self.name


class SessionCredentials(msgspec.Struct, frozen=True):
    """What the client is given."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float
    """Seconds since 1970-01-01T00:00:00Z."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode


def issue(master: bytes, *, principal: str, base: str, name: str, expires_at: float) -> SessionCredentials:
    """Credentials for a new session."""
    session = Session(random_id(SESSION_KEY_PREFIX, 17), principal, base, name, expires_at, secrets.token_bytes(16))
    payload = _encode(session)
    token = base64.urlsafe_b64encode(_mac(master, payload) + payload).decode().rstrip("=")
    return SessionCredentials(session.access_key_id, secret_of(master, payload).decode(), token, expires_at)


def read(master: bytes, token: str) -> tuple[Session, bytes] | None:
    """(what the token says, its secret access key), or None when we did not make it. Expiry is not looked at."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(master, payload)):
        return None
    return _decode(payload), secret_of(master, payload)


def secret_of(master: bytes, payload: bytes) -> bytes:
    return render_secret(hmac.digest(master, message(_LABEL, b"secret", payload), "sha256"))


def _mac(master: bytes, payload: bytes) -> bytes:
    return hmac.digest(master, message(_LABEL, b"token", payload), "sha256")
