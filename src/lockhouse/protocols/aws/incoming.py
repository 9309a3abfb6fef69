"""The body of a verified request: read once, in chunks or as a small document, and believed only when proved."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable

from lockhouse.errors import BodyTooLarge
from lockhouse.protocols.aws.payload import BodyProof, Expected, decoded_chunks, read_expected, whole_body
from lockhouse.protocols.aws.sigv4 import Verified
from lockhouse.protocols.web import Request


class Incoming:
    """The body of a verified request. It is read at most once, either whole or in chunks."""

    __slots__ = ("_proof", "_request", "_verified")

    def __init__(self, request: Request, verified: Verified) -> None:
        self._request = request
        self._verified = verified
        self._proof: BodyProof | None = None

    def chunks(self, *, limit: int, checksums: bool = True) -> AsyncIterator[bytes]:
        """The body's bytes, unframed. `limit`: bytes, compared with the announced length before anything is read.

        What was read may be used after `prove` alone. Errors: those of `payload.read_expected` (at once) and
        `payload.BodyProof`, `body.too_large`, `body.incomplete`.
        """
        self._proof = proof = BodyProof(self._expected(limit, checksums=checksums), self._verified)
        arrived = self._request.body
        if arrived is not None and proof.is_plain:
            return _arrived(arrived, proof)
        return decoded_chunks(self._request.chunks(), proof, _in_thread)

    @property
    def announced(self) -> int:
        """Bytes of the body without its framing, as the head says; 0 where it does not say it. After `chunks`."""
        return (self._proof.length or 0) if self._proof is not None else 0

    def prove(self, size: int, md5: bytes, sha256: bytes) -> dict[str, str]:
        """The verified checksums, given the digests of what was kept. Errors as `BodyProof.prove`."""
        if self._proof is None:
            raise RuntimeError("the body was not read")
        return self._proof.prove(size, md5, sha256)

    async def whole(self, limit: int, *, checksums: bool = True) -> bytes:
        """A small body, read and proved. Errors as `chunks` and `prove`."""
        body = await whole_body(self.chunks(limit=limit, checksums=checksums), limit)
        self.prove(len(body), hashlib.md5(body, usedforsecurity=False).digest(), hashlib.sha256(body).digest())
        return body

    def _expected(self, limit: int, *, checksums: bool) -> Expected:
        expected = read_expected(self._verified, self._request.headers, checksums=checksums)
        if expected.length is not None and expected.length > limit:
            raise BodyTooLarge(
                f"cannot take more than {limit} bytes here", hint="send less in one request", limit=limit
            )
        return expected


async def _arrived(body: bytes, proof: BodyProof) -> AsyncIterator[bytes]:
    """As `decoded_chunks`, where nothing frames a body that is here already."""
    if body:
        for piece in proof.feed(body):
            yield piece
    proof.finish()


async def _in_thread(function: Callable[[], list[bytes]]) -> list[bytes]:
    return await asyncio.to_thread(function)
