"""Signatures over the audit chain: Ed25519 (RFC 8032), with a key that follows from the master key.

A checkpoint says "entry `number` has the hash `hash`, and was sealed at that time". It is kept where the server cannot
change it; later it proves that nothing up to that entry was altered, and that the log was not cut off before it.
"""

from __future__ import annotations

import hmac
import struct

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_LABEL = b"lockhouse/v1/audit"
_CONTEXT = b"lockhouse/audit/checkpoint/1"


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed statement about one entry. Bytes are in hex."""

    number: int
    hash: str
    sealed_at: float
    public_key: str
    signature: str

    def is_genuine(self, public_key: bytes) -> bool:
        """Whether the owner of this key made it."""
        try:
            claimed, signature = bytes.fromhex(self.hash), bytes.fromhex(self.signature)
        except ValueError:
            return False
        return is_signature(public_key, signature, self.number, claimed, self.sealed_at)


class Signer:
    """Signs for the owner of a master key."""

    def __init__(self, master: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hmac.digest(master, _LABEL, "sha256"))
        self.public_key = self._key.public_key().public_bytes_raw()
        """32 bytes."""

    def sign(self, number: int, link: bytes, sealed_at: float) -> bytes:
        """64 bytes."""
        return self._key.sign(_message(number, link, sealed_at))


def is_signature(public_key: bytes, signature: bytes, number: int, link: bytes, sealed_at: float) -> bool:
    """Whether the owner of this public key signed that."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _message(number, link, sealed_at))
    except (InvalidSignature, ValueError, OverflowError, struct.error):
        return False
    return True


def _message(number: int, link: bytes, sealed_at: float) -> bytes:
    return b"".join((_CONTEXT, struct.pack(">Qd", number, sealed_at), link))
