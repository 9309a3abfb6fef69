"""HTTP as values: what a protocol room is given and what it gives back.

A `Request` holds exactly what the client sent: the raw path and query stay undecoded (signatures cover them) and
headers keep their order and repetition. Its body is an asynchronous iterator of chunks that raises `BodyIncomplete`
when the client goes away, so that "no more bytes" can never be mistaken for "all bytes". A `Response` is a status,
headers and a body that is bytes, or a stream with a known length. Nothing here knows a protocol, a store or the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from urllib.parse import unquote_to_bytes

import msgspec

from lockhouse.errors import BodyTooLarge, Problem
from lockhouse.runtime.journal import Trail
from lockhouse.runtime.streams import Stream

__all__ = [
    "Chunks",
    "Handler",
    "Headers",
    "RawHeaders",
    "Request",
    "Response",
    "Stream",
    "is_text",
    "split_query",
    "unescape",
]

RawHeaders = Sequence[tuple[bytes, bytes]]


class Headers:
    """Header fields in the order sent; names are lower case bytes (RFC 9110 section 5)."""

    __slots__ = ("first", "raw")

    def __init__(self, raw: RawHeaders) -> None:
        self.raw = raw
        self.first = dict(reversed(raw))
        """The first field of each name."""

    def get(self, name: str) -> str | None:
        """The first field of this name (lower case), decoded as ISO-8859-1, or None."""
        value = self.first.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def all(self, name: str) -> list[str]:
        wanted = name.encode("ascii")
        return [value.decode("latin-1") for key, value in self.raw if key == wanted]

    def __contains__(self, name: str) -> bool:
        return name.encode("ascii") in self.first


Chunks = AsyncIterator[bytes]


class Request(msgspec.Struct):
    """One HTTP request as it came."""

    method: str
    raw_path: bytes
    """The path as sent, undecoded, without the query; starts with `/`."""
    raw_query: bytes
    headers: Headers
    scheme: str
    peer: str
    """The client's network address, without port; only for display."""
    request_id: str
    chunks: Callable[[], Chunks]
    """Call once: the body's chunks. Raises BodyIncomplete if the client leaves before the end."""
    disconnected: Callable[[], Awaitable[None]]
    """Returns when the client has closed the connection; await it only after the body was read."""
    body: bytes | None = None
    """The whole body where it had come with the head; else read `chunks`, which give the same bytes."""
    refusal: Problem | None = None
    """What this request must be refused with, in the room's own words, before anything else is looked at."""
    trail: Trail = msgspec.field(default_factory=Trail)
    """What a room finds out about this request, for the audit log."""

    def admit(self) -> None:
        """Every room calls this before anything else, where it says problems in its own words. Errors: the refusal."""
        if self.refusal is not None:
            raise self.refusal

    async def whole(self, limit: int, what: str = "document") -> bytes:
        """A small body, in one piece. Errors: `body.too_large` for more than `limit` bytes, `body.incomplete`."""
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(f"cannot take a {what} of more than {limit} bytes", hint="send less", limit=limit)
            pieces.append(piece)
        return b"".join(pieces)

    @property
    def announced(self) -> int:
        """Bytes of the body, as the head says; 0 where it does not say it in digits."""
        said = self.headers.first.get(b"content-length", b"")
        return int(said) if said.isdigit() and len(said) <= 18 else 0

    @property
    def query(self) -> list[tuple[str, str]]:
        """Decoded query parameters in order; a parameter without `=` has the value ``""``."""
        return split_query(self.raw_query) if self.raw_query else []

    def parameter(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None) if self.raw_query else None


def split_query(raw: bytes) -> list[tuple[str, str]]:
    """Decode a query string; `+` is a plus sign, not a space (AWS signs a space as %20 and clients send it so)."""
    pairs = []
    for piece in raw.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            pairs.append((unescape(name), unescape(value)))
    return pairs


def unescape(raw: bytes) -> str:
    """Percent-decode as UTF-8; other bytes survive as surrogates, which are refused where names are checked."""
    if raw.find(b"%") >= 0:  # `in` first tries to take bytes for a number, and raises within
        raw = unquote_to_bytes(raw)
    return raw.decode("utf-8", "surrogateescape")


def is_text(name: str) -> bool:
    """Whether what was unescaped came as UTF-8."""
    return name.isascii() or not any("\ud800" <= each <= "\udfff" for each in name)


class Response(msgspec.Struct):
    """One HTTP response; the edge adds Content-Length, Date and the request id."""

    status: int
    headers: list[tuple[bytes, bytes]] = []
    body: bytes | Stream = b""
    head_length: int | None = None
    """For answers to HEAD: the Content-Length to announce while the body stays empty."""


Handler = Callable[[Request], Awaitable[Response]]
