"""The body of a signed request: what was sent becomes what was meant, and is proved while it passes.

A `BodyProof` is fed the bytes from the wire and gives back the body's bytes. Nothing that it gave back may be believed
until `finish` and `prove` have returned: length, chunk signatures, trailers and checksums, then SHA-256 and MD5 as the
keeper of the body computed them. A body that ends early never looks whole. It reads no socket and holds at most one
line of framing. `decoded_chunks` is the thin asynchronous skin, which hashes large pieces off the event loop.
Specification: Amazon S3 API, "Signature calculations: transferring payload in multiple chunks", the same with trailing
headers, and "Checking object integrity".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum, auto
from functools import partial
from typing import TypeVar

import msgspec

from lockhouse.errors import (
    BodyDigestInvalid,
    BodyDigestMismatch,
    BodyIncomplete,
    BodyLengthMissing,
    BodyTooLarge,
    RequestInvalid,
    SignatureMismatch,
)
from lockhouse.protocols.aws.checksums import CHECKSUM_BYTES, Checksums, decode_digest
from lockhouse.protocols.aws.sigv4 import EMPTY_SHA256, PayloadMode, Verified
from lockhouse.protocols.web import Chunks, Headers

GATHER_BYTES = 256 * 1024
"""Pieces from the wire are gathered to about this size before they are hashed and handed on."""
THREAD_BYTES = 64 * 1024
"""From this size on hashing happens off the event loop."""

_MAX_CHUNK_LINE = 256
_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"
_NOTHING: frozenset[str] = frozenset()
_CHECKSUM_PREFIX = "x-amz-checksum-"
_NOT_CHECKSUMS = frozenset({"x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type"})
_CHUNKED_MODES = frozenset({PayloadMode.UNSIGNED_TRAILER, PayloadMode.CHUNKED, PayloadMode.CHUNKED_TRAILER})
_SIGNED_MODES = frozenset({PayloadMode.CHUNKED, PayloadMode.CHUNKED_TRAILER})

T = TypeVar("T")
Run = Callable[[Callable[[], T]], Awaitable[T]]


class Expected(msgspec.Struct, frozen=True):
    """What the request's head says of its body."""

    mode: PayloadMode
    length: int | None
    """Bytes after decoding, where the head says it."""
    sha256: str = ""
    md5: bytes = b""
    checksum: tuple[str, bytes] | None = None
    """(algorithm, digest) from a header."""
    trailers: tuple[str, ...] = ()
    """Names announced in x-amz-trailer."""

    @property
    def algorithms(self) -> frozenset[str]:
        if not self.trailers and self.checksum is None:
            return _NOTHING
        names = {name.removeprefix(_CHECKSUM_PREFIX) for name in self.trailers}
        return frozenset(names | {self.checksum[0]} if self.checksum else names)


def read_expected(verified: Verified, headers: Headers, *, checksums: bool = True) -> Expected:
    """What the head announces. `checksums` false: the checksum headers speak of an object, not of this body
    (CompleteMultipartUpload).

    Errors: `body.digest_invalid`, `body.length_missing`, `request.invalid`.
    """
    fields = headers.first
    length = _length(fields.get(b"content-length"), "content-length")
    trailers: tuple[str, ...] = ()
    if verified.mode in _CHUNKED_MODES:
        length = _length(fields.get(b"x-amz-decoded-content-length"), "x-amz-decoded-content-length")
        if length is None:
            raise BodyLengthMissing(
                "cannot take a chunked body without x-amz-decoded-content-length",
                hint="send it: the length in bytes before it was cut into chunks",
            )
        trailers = _announced(headers, verified.mode)
    elif length is None and b"transfer-encoding" not in fields:
        length = 0
    md5 = fields.get(b"content-md5")
    stated = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers.raw
        if name.startswith(b"x-amz-checksum-") and name.decode("latin-1") not in _NOT_CHECKSUMS
    ]
    asked = fields.get(b"x-amz-sdk-checksum-algorithm")
    if asked is not None and checksums:
        _require_asked(asked.decode("latin-1").lower(), {name for name, _ in stated} | set(trailers))
    checksum = None
    if checksums and stated:
        if len(stated) + len(trailers) > 1:
            raise BodyDigestInvalid("cannot take several checksums of one body: send one x-amz-checksum- header")
        name, text = stated[0]
        algorithm = _algorithm(name)
        checksum = (algorithm, decode_digest(text, CHECKSUM_BYTES[algorithm], name))
    return Expected(
        verified.mode,
        length,
        verified.payload_sha256,
        decode_digest(md5.decode("latin-1"), 16, "Content-MD5") if md5 is not None else b"",
        checksum,
        trailers,
    )


class BodyProof:
    """Bytes from the wire in, the body's bytes out, and two questions at the end.

    `finish` asks for framing, length and checksums when the wire has no more bytes; `prove` compares the digests that
    the keeper of the body has computed. Only when both have answered is the body what was announced.
    """

    __slots__ = ("_checksums", "_chunks", "_expected", "_finished", "_stated")

    def __init__(self, expected: Expected, verified: Verified) -> None:
        self._expected = expected
        self._checksums = Checksums(expected.algorithms)
        self._chunks: ChunkDecoder | None = None
        self._stated: dict[str, bytes] = dict([expected.checksum] if expected.checksum else [])
        self._finished = False
        if expected.mode in _CHUNKED_MODES:
            seal = ChunkSeal(verified) if expected.mode in _SIGNED_MODES else None
            self._chunks = ChunkDecoder(expected.length or 0, expected.trailers, seal)

    @property
    def is_heavy(self) -> bool:
        """Whether feeding it hashes every byte with more than a cyclic redundancy check."""
        return self._expected.mode in _SIGNED_MODES or "sha1" in self._expected.algorithms

    @property
    def length(self) -> int | None:
        """Bytes of the body, where the head announced them."""
        return self._expected.length

    @property
    def is_plain(self) -> bool:
        """Whether what comes from the wire is the body itself, and is only counted, or little more."""
        return self._chunks is None and not self.is_heavy

    def feed(self, data: bytes) -> list[bytes]:
        """The body's bytes in `data`, in pieces. Errors: as `finish`, as soon as they are sure."""
        pieces = [data] if self._chunks is None else self._chunks.feed(data)
        for piece in pieces:
            self._checksums.update(piece)
        length = self._expected.length
        if length is not None and self._checksums.size > length:
            raise BodyIncomplete("cannot take this body: it is longer than announced", announced=length)
        return pieces

    def finish(self) -> None:
        """Call once, when the wire has no more bytes.

        Errors: `body.incomplete`, `body.digest` (details: `kind`), `signature.mismatch`, `request.invalid`.
        """
        if self._chunks is not None:
            for name, value in self._chunks.finish().items():
                algorithm = _algorithm(name)
                self._stated[algorithm] = decode_digest(value, CHECKSUM_BYTES[algorithm], name)
        length, size = self._expected.length, self._checksums.size
        if length is not None and size != length:
            raise BodyIncomplete(
                f"cannot take this body: {length} bytes were announced and {size} came", announced=length, received=size
            )
        for algorithm, computed in self._checksums.digests().items():
            _compare(algorithm, computed, self._stated[algorithm])
        self._finished = True

    def prove(self, size: int, md5: bytes, sha256: bytes) -> dict[str, str]:
        """The verified checksums of the body (algorithm in lower case → base64), given its digests as it was kept.

        Errors: `body.incomplete`, `body.digest` (details: `kind`).
        """
        if not self._finished or size != self._checksums.size:
            raise BodyIncomplete("cannot take this body: it was not read to its end")
        expected = self._expected
        if expected.sha256 and not hmac.compare_digest(sha256.hex(), expected.sha256):
            raise BodyDigestMismatch(
                "cannot take this body: its SHA-256 is not the x-amz-content-sha256 that was signed", kind="signed"
            )
        if expected.md5 and not hmac.compare_digest(md5, expected.md5):
            raise BodyDigestMismatch("cannot take this body: its MD5 is not the Content-MD5 that was sent", kind="md5")
        if "sha256" in self._stated:
            _compare("sha256", sha256, self._stated["sha256"])
        return {algorithm: base64.b64encode(value).decode() for algorithm, value in self._stated.items()}


def _compare(algorithm: str, computed: bytes, stated: bytes) -> None:
    if not hmac.compare_digest(computed, stated):
        raise BodyDigestMismatch(
            f"cannot take this body: its {algorithm.upper()} checksum is not the one that was sent", kind=algorithm
        )


class ChunkSeal:
    """The chain of chunk signatures, from the seed that `verify` has accepted."""

    __slots__ = ("_head", "_key", "_previous")

    def __init__(self, verified: Verified) -> None:
        self._key = verified.signing_key
        self._head = f"{verified.timestamp}\n{verified.scope}\n"
        self._previous = verified.signature

    def check_chunk(self, signature: str, chunk_sha256: str) -> None:
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{chunk_sha256}", signature)

    def check_trailers(self, signature: str, canonical: bytes) -> None:
        self._check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(canonical).hexdigest(), signature)

    def _check(self, kind: str, rest: str, signature: str) -> None:
        text = f"{kind}\n{self._head}{self._previous}\n{rest}"
        wanted = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(wanted.encode(), signature.encode()):
            raise SignatureMismatch("cannot take this body: the signature of one of its chunks does not match")
        self._previous = signature


class _Stage(Enum):
    LINE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    DONE = auto()


class ChunkDecoder:
    """Takes the aws-chunked framing off a body. Bytes in, body bytes out, at most one line kept."""

    __slots__ = (
        "_announced",
        "_hash",
        "_left",
        "_length",
        "_rest",
        "_seal",
        "_signature",
        "_stage",
        "_taken",
        "_trailers",
    )

    def __init__(self, length: int, announced: tuple[str, ...], seal: ChunkSeal | None) -> None:
        self._length = length
        self._announced = announced
        self._seal = seal
        self._stage = _Stage.LINE
        self._rest = b""
        self._left = 0
        self._taken = 0
        self._signature = ""
        self._hash = hashlib.sha256()
        self._trailers: list[tuple[str, str]] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Body bytes. Errors: `request.invalid`, `body.incomplete`, `signature.mismatch`."""
        buffer = self._rest + data if self._rest else data
        self._rest = b""
        position, end = 0, len(buffer)
        pieces: list[bytes] = []
        while position < end:
            if self._stage is _Stage.DATA:
                piece = buffer[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                if self._seal is not None:
                    self._hash.update(piece)
                pieces.append(piece)
                if self._left == 0:
                    self._stage = _Stage.DATA_END
                continue
            if self._stage is _Stage.DONE:
                raise RequestInvalid(
                    "cannot take this body: bytes follow its last chunk",
                    hint="send it again with an AWS SDK or the AWS CLI; does a proxy rewrite bodies?",
                    argument="body",
                )
            found = buffer.find(b"\r\n", position, position + _MAX_CHUNK_LINE + 2)
            if found < 0:
                if end - position > _MAX_CHUNK_LINE:
                    raise RequestInvalid(
                        "cannot read this body: a line of its chunk framing is too long",
                        hint="send it again with an AWS SDK or the AWS CLI; does a proxy rewrite bodies?",
                        argument="body",
                    )
                self._rest = buffer[position:]
                break
            line = buffer[position:found]
            position = found + 2
            self._take_line(line)
        return pieces

    def finish(self) -> dict[str, str]:
        """The trailers, when the last chunk has been seen. Errors: `body.incomplete`, `request.invalid`."""
        if self._stage is not _Stage.DONE:
            raise BodyIncomplete("cannot take this body: it ends before its last chunk")
        return {name: value for name, value in self._trailers if name != _TRAILER_SIGNATURE}

    def _take_line(self, line: bytes) -> None:
        match self._stage:
            case _Stage.LINE:
                self._start_chunk(line)
            case _Stage.DATA_END:
                if line:
                    raise RequestInvalid(
                        "cannot read this body: a chunk is longer than it says",
                        hint="send it again with an AWS SDK or the AWS CLI; does a proxy rewrite bodies?",
                        argument="body",
                    )
                self._close_chunk()
                self._stage = _Stage.LINE
            case _Stage.TRAILERS:
                if line:
                    self._add_trailer(line)
                else:
                    self._close_trailers()
                    self._stage = _Stage.DONE
            case _:  # pragma: no cover
                raise AssertionError(self._stage)

    def _start_chunk(self, line: bytes) -> None:
        match = _CHUNK_LINE.fullmatch(line)
        if match is None or (match[2] is None) != (self._seal is None):
            raise RequestInvalid(
                "cannot read this body: its chunk framing is broken",
                hint="send it again with an AWS SDK or the AWS CLI; does a proxy rewrite bodies?",
                argument="body",
            )
        size = int(match[1], 16)
        self._signature = (match[2] or b"").decode("ascii")
        self._taken += size
        if self._taken > self._length:
            raise BodyIncomplete(
                "cannot take this body: its chunks hold more than x-amz-decoded-content-length", announced=self._length
            )
        self._left = size
        if size:
            self._stage = _Stage.DATA
        else:
            self._close_chunk()
            self._stage = _Stage.TRAILERS

    def _close_chunk(self) -> None:
        if self._seal is not None:
            self._seal.check_chunk(self._signature, self._hash.hexdigest())
            self._hash = hashlib.sha256()

    def _add_trailer(self, line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        known = {known for known, _ in self._trailers}
        permitted = name in self._announced or (self._seal is not None and name == _TRAILER_SIGNATURE)
        if not colon or not permitted or name in known:
            raise RequestInvalid(
                "cannot take this body: its trailers are not the announced ones",
                hint="announce in x-amz-trailer what is sent, as an AWS SDK does",
                argument="trailer",
            )
        if _TRAILER_SIGNATURE in known:
            raise RequestInvalid(
                "cannot take this body: a trailer follows their signature",
                hint="announce in x-amz-trailer what is sent, as an AWS SDK does",
                argument="trailer",
            )
        self._trailers.append((name, value.strip()))

    def _close_trailers(self) -> None:
        seen = dict(self._trailers)
        signature = seen.pop(_TRAILER_SIGNATURE, "")
        if seen.keys() != set(self._announced):
            raise RequestInvalid(
                "cannot take this body: an announced trailer is missing",
                hint="announce in x-amz-trailer what is sent, as an AWS SDK does",
                argument="trailer",
            )
        if self._seal is not None and self._announced:
            canonical = "".join(f"{name}:{value}\n" for name, value in seen.items()).encode("latin-1")
            self._seal.check_trailers(signature, canonical)
        elif signature:
            raise RequestInvalid(
                "cannot take this body: its trailers are not the announced ones",
                hint="announce in x-amz-trailer what is sent, as an AWS SDK does",
                argument="trailer",
            )


async def decoded_chunks(chunks: Chunks, proof: BodyProof, run: Run[list[bytes]]) -> AsyncIterator[bytes]:
    """The body's pieces: as they come where nothing frames them, else of about 256 KiB where it is large. It ends
    normally only when `proof.finish` has.

    `run` runs a function in a worker thread. Errors: those of `BodyProof`, and what `chunks` raises.
    """
    if proof.is_plain:
        async for chunk in chunks:
            for piece in proof.feed(chunk):
                yield piece
        proof.finish()
        return
    waiting: list[bytes] = []
    size = 0
    async for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= GATHER_BYTES:
            data = b"".join(waiting)
            for piece in await run(partial(proof.feed, data)) if proof.is_heavy else proof.feed(data):
                yield piece
            waiting, size = [], 0
    if size:
        data = b"".join(waiting) if len(waiting) > 1 else waiting[0]
        heavy = proof.is_heavy and size >= THREAD_BYTES
        for piece in await run(partial(proof.feed, data)) if heavy else proof.feed(data):
            yield piece
    proof.finish()


async def whole_body(chunks: Chunks, limit: int) -> bytes:
    """All of a small body. Errors: `body.too_large` past `limit` bytes, and what `chunks` raises."""
    waiting: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(
                f"cannot take more than {limit} bytes here",
                hint="send less, or raise the setting max_body (LOCKHOUSE_MAX_BODY)",
                limit=limit,
            )
        waiting.append(chunk)
    return waiting[0] if len(waiting) == 1 else b"".join(waiting)


def content_coding(headers: Headers) -> str:
    """Content-Encoding without `aws-chunked`, which is framing and never a property of the stored bytes."""
    words = [word.strip() for value in headers.all("content-encoding") for word in value.split(",")]
    return ",".join(word for word in words if word and word.lower() != "aws-chunked")


def _length(text: bytes | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isdigit() and len(text) <= 18):
        raise RequestInvalid(f"cannot read {name}", hint="let an AWS SDK or the AWS CLI write it", argument=name)
    return int(text)


def _announced(headers: Headers, mode: PayloadMode) -> tuple[str, ...]:
    names = tuple(
        word.strip().lower() for value in headers.all("x-amz-trailer") for word in value.split(",") if word.strip()
    )
    if mode is PayloadMode.CHUNKED:
        if names:
            raise RequestInvalid(
                "cannot take trailers in this payload mode",
                hint="announce a STREAMING payload with a trailer in x-amz-content-sha256",
                argument="x-amz-trailer",
            )
        return ()
    if len(names) > 1:
        raise BodyDigestInvalid("cannot take several checksums of one body: announce one trailer")
    for name in names:
        _algorithm(name)
    return names


def _require_asked(algorithm: str, sent: set[str]) -> None:
    """What an SDK says that it computed must be there: else the client believes that it was verified."""
    if algorithm not in CHECKSUM_BYTES or _CHECKSUM_PREFIX + algorithm not in sent:
        raise BodyDigestInvalid(
            f"cannot find the checksum that x-amz-sdk-checksum-algorithm names: {algorithm[:20]} did not come"
        )


def _algorithm(name: str) -> str:
    algorithm = name.removeprefix(_CHECKSUM_PREFIX)
    if algorithm == name or algorithm not in CHECKSUM_BYTES:
        raise BodyDigestInvalid(f"cannot verify {name}: the checksums are {', '.join(sorted(CHECKSUM_BYTES))}")
    return algorithm
