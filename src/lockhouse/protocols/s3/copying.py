"""The checksum that a copy is asked to have (`x-amz-checksum-algorithm`): computed over the bytes as they are kept.

Source: Amazon S3 API Reference, CopyObject and UploadPartCopy.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

from lockhouse.core.versions import Body
from lockhouse.errors import BodyDigestInvalid
from lockhouse.protocols.aws.checksums import CHECKSUM_BYTES, Checksums
from lockhouse.protocols.web import Headers
from lockhouse.runtime.streams import Piece, Stream

_ASKED = "x-amz-checksum-algorithm"


def read_algorithm(headers: Headers) -> str:
    """In lower case; empty where none is asked for. Errors: BodyDigestInvalid (`body.digest_invalid`)."""
    name = (headers.get(_ASKED) or "").lower()
    if name and name not in CHECKSUM_BYTES:
        raise BodyDigestInvalid(f"cannot use this checksum algorithm: it is one of {', '.join(sorted(CHECKSUM_BYTES))}")
    return name


async def pieces(given: bytes | Stream) -> AsyncIterator[Piece]:
    """What is given out, piece by piece, and closed at the end."""
    if isinstance(given, bytes):
        yield given
        return
    try:
        async for piece in given.chunks():
            yield piece
    finally:
        given.close()


async def watched(chunks: AsyncIterator[Piece], running: Checksums) -> AsyncIterator[Piece]:
    """The same pieces, told to `running`."""
    async for piece in chunks:
        running.update(bytes(piece))
        yield piece


def digest_text(algorithm: str, running: Checksums, body: Body) -> dict[str, str]:
    """The checksum as it is kept; nothing without an algorithm."""
    if not algorithm:
        return {}
    return {algorithm: base64.b64encode({**running.digests(), "sha256": body.sha256}[algorithm]).decode("ascii")}
