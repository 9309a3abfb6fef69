"""Signed values that come back to us without an Authorization header: upload addresses and login codes.

A value is MessagePack under HMAC-SHA-256, with a key derived from the master key for each purpose, so that none can be
used for another. What a value allows is decided again when it is used; the signature only says that we made it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

V = TypeVar("V", bound=msgspec.Struct)
_MAC_BYTES = 32
_MAX_TEXT = 4096


class Purpose(StrEnum):
    UPLOAD = "lockhouse/v1/state-upload"
    LOGIN = "lockhouse/v1/login-code"


class UploadKind(StrEnum):
    STATE = "state"
    JSON = "json"


class UploadPass(msgspec.Struct, frozen=True, array_like=True):
    """Permission to send the bytes of one announced state version."""

    upload_id: str
    kind: str
    principal: str
    credential: str
    epoch: int
    """Of the lock under which it was announced."""
    md5: str
    """Of the only bytes that may be sent."""
    limit: int
    """The most bytes that may be sent."""
    expires_at: float


class LoginCode(msgspec.Struct, frozen=True, array_like=True):
    """An authorization code (RFC 6749 section 4.1.2) with its PKCE challenge (RFC 7636)."""

    principal: str
    session: str
    """The id of the session in which the person said yes."""
    challenge: str
    redirect_uri: str
    client_id: str
    nonce: str
    expires_at: float


class Signer(Generic[V]):
    """Signs and reads values of one purpose."""

    def __init__(self, master: bytes, purpose: Purpose, kind: type[V]) -> None:
        self._key = hmac.digest(master, purpose.encode(), "sha256")
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def sign(self, value: V) -> str:
        """URL-safe text without padding."""
        payload = msgspec.msgpack.encode(value)
        return base64.urlsafe_b64encode(hmac.digest(self._key, payload, "sha256") + payload).decode().rstrip("=")

    def read(self, text: str) -> V | None:
        """The value, or None when we did not make it. Times are not looked at."""
        if not 0 < len(text) <= _MAX_TEXT:
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, hmac.digest(self._key, payload, "sha256")):
            return None
        try:
            return self._decode(payload)
        except msgspec.DecodeError:
            return None
