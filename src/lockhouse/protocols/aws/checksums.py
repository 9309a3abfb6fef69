"""The checksums that AWS clients name: CRC32, CRC32C, CRC64NVME, SHA-1 and SHA-256.

They are computed piece by piece, with memory that does not grow. SHA-256 (and MD5) are computed by whoever keeps the
body, and only once. Specification: Amazon S3 API, "Checking object integrity".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

from lockhouse.errors import BodyDigestInvalid

CHECKSUM_BYTES = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
"""The checksums of the S3 API in lower case, with their length in bytes."""


class _Running(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check with the interface of hashlib."""

    __slots__ = ("_size", "_step", "_value")

    def __init__(self, step: Callable[[bytes, int], int], size: int) -> None:
        self._step = step
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _Crt(Protocol):
    """The two functions of `awscrt.checksums` that are used: (data, value so far) -> value."""

    def crc32c(self, data: bytes, previous: int, /) -> int: ...
    def crc64nvme(self, data: bytes, previous: int, /) -> int: ...


def _crt() -> _Crt:
    """Imported when first asked for: it costs 8 MiB, and most clients of this service send CRC32 or SHA-256."""
    return cast("_Crt", import_module("awscrt.checksums"))


def _running(algorithm: str) -> _Running:
    match algorithm:
        case "crc32":
            return _Crc(zlib.crc32, 4)
        case "crc32c":
            return _Crc(_crt().crc32c, 4)
        case "crc64nvme":
            return _Crc(_crt().crc64nvme, 8)
        case "sha1":
            return hashlib.sha1(usedforsecurity=False)
    raise ValueError(algorithm)


class Checksums:
    """Computes the named checksums of a body as it passes; SHA-256 is left to whoever keeps the body."""

    __slots__ = ("_running", "size")

    def __init__(self, algorithms: frozenset[str]) -> None:
        self._running = {name: _running(name) for name in sorted(algorithms - {"sha256"})}
        self.size = 0

    def update(self, piece: bytes) -> None:
        self.size += len(piece)
        for running in self._running.values():
            running.update(piece)

    def digests(self) -> dict[str, bytes]:
        return {name: running.digest() for name, running in self._running.items()}


def checksum_of(algorithm: str, data: bytes) -> bytes:
    """The checksum of a small whole, e.g. of the concatenated part checksums of a multipart upload."""
    running = hashlib.sha256() if algorithm == "sha256" else _running(algorithm)
    running.update(data)
    return running.digest()


def decode_digest(text: str, size: int, name: str) -> bytes:
    """`size` bytes from their base64 text, or BodyDigestInvalid (`body.digest_invalid`)."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != size:
        raise BodyDigestInvalid(f"cannot read {name}: it is {size} bytes in base64", argument=name)
    return value
