"""What a sign-in under way must bring back: state, nonce and PKCE verifier, all made from the visitor's own cookie.

Nothing is stored and any replica can finish: the state is a value under a MAC that covers the visitor's name, and nonce
and verifier are derived from it with the server's key. So a callback is worth nothing in another browser, after ten
minutes, or after it was used once (the visitor's name is replaced when the session begins). Pure: key, time and random
bytes are passed in. Sources: RFC 6749 section 10.12, RFC 7636 section 4.1, OpenID Connect Core section 15.5.2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from lockhouse.auth.keys import message
from lockhouse.auth.signin.person import Ask

PURPOSE = b"lockhouse/v1/sign-in"
SECONDS = 600.0
_MAC = 32


class _Pledge(msgspec.Struct, frozen=True, array_like=True):
    salt: bytes
    target: str
    expires_at: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Pledge).decode


def key_of(master: bytes) -> bytes:
    """The key of this purpose."""
    return hmac.digest(master, PURPOSE, "sha256")


def make(key: bytes, visitor: str, *, target: str, redirect_uri: str, now: float, salt: bytes) -> Ask:
    """A sign-in that begins now. `salt`: 16 fresh random bytes."""
    payload = _encode(_Pledge(salt, target, now + SECONDS))
    return _ask(key, visitor, payload, redirect_uri)


def redeem(key: bytes, visitor: str, state: str, *, redirect_uri: str, now: float) -> tuple[Ask, str] | None:
    """(the sign-in that this state belongs to, where to go afterwards); None when it is not this visitor's, not ours,
    or too old."""
    try:
        raw = base64.b64decode(state + "=" * (-len(state) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    mac, payload = raw[:_MAC], raw[_MAC:]
    if not hmac.compare_digest(mac, _derived(key, b"state", visitor, payload)):
        return None
    pledge = _decode(payload)
    if now >= pledge.expires_at:
        return None
    return _ask(key, visitor, payload, redirect_uri), pledge.target


def _ask(key: bytes, visitor: str, payload: bytes, redirect_uri: str) -> Ask:
    verifier = _text(_derived(key, b"verifier", visitor, payload))
    return Ask(
        redirect_uri=redirect_uri,
        state=_text(_derived(key, b"state", visitor, payload) + payload),
        nonce=_text(_derived(key, b"nonce", visitor, payload)),
        verifier=verifier,
        challenge=_text(hashlib.sha256(verifier.encode("ascii")).digest()),
    )


def _derived(key: bytes, what: bytes, visitor: str, payload: bytes) -> bytes:
    return hmac.digest(key, message(what, visitor.encode("ascii"), payload), "sha256")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
