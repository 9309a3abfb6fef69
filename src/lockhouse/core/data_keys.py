"""Data keys: which key opens a sealed body, and at which place alone it does.

Every body that is taken in is sealed under a fresh key of 32 bytes. What is stored of that key is its *wrapped* form,
encrypted under a key-encryption key together with the hash of its *place*: the address and version (or parked write),
or the part, that refers to the body. A store keeps wrapped keys apart from bodies and gives each back with the place
that it was read from; so bytes moved to another place do not open there. Each reference has a wrapped key of its own (a
copy's is another one than its source's), and the key goes with the reference: that is crypto-shredding.

Nothing here encrypts: `lockhouse.sealing` does. Specification: docs/reference/sealed-bodies.md.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.addresses import Address

_encode = msgspec.msgpack.Encoder().encode


class DataKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """The key of one reference to a body. A record holds the id alone; the rest is filled in where bytes are read."""

    id: bytes
    """16 bytes, rising with time."""
    kek: str = ""
    """Id of the key-encryption key that wrapped it; empty: not read, or destroyed."""
    wrapped: bytes = b""
    place: bytes = b""
    """Where the store found it: `place_of_body` or `place_of_part`. Never stored."""


class KeyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key-encryption key that some data key here may be wrapped with; never the key in clear."""

    id: str
    at: float
    source: str
    """Where it came from, such as `file` or `aws-kms`."""
    wrapped: bytes = b""
    """For keys that an outside service keeps: the key as that service encrypted it."""
    wrapped_by: str = ""


def place_of_body(address: Address, nonce: str) -> bytes:
    """Of the version at this address with this nonce, or of the parked write with this id."""
    return _encode(("body", address[0], address[1], nonce))


def place_of_part(upload_id: str, number: int) -> bytes:
    """Of a part of an unfinished upload."""
    return _encode(("part", upload_id, number))
