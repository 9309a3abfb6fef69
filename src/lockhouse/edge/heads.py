"""What the head of a request may be: its target, its framing. Decided before any application code runs.

At most 64 header fields and 16 KiB, one Host, never Content-Length beside Transfer-Encoding, an origin-form target as
it was sent (`//x` stays `//x`; signatures cover it) or an absolute one for the same host. What two readers could
understand in two ways is refused.
Sources: RFC 9112; RELIABILITY section 3, "HTTP layer".
"""

from __future__ import annotations

from functools import lru_cache

from lockhouse.protocols.web import Headers

MAX_HEADERS = 64
MAX_HEAD_BYTES = 16 * 1024
MAX_KEPT_TARGET = 1024
"""Bytes of the longest request target, with its Host, that is kept as it was read."""


_STEPS = {
    400: "is it the right port, http or https as the server speaks it, and does no proxy rewrite requests?",
    408: "send it again; the setting header_deadline says how long it may take",
    417: "leave the Expect field out",
    431: "send fewer or shorter header fields and parameters",
    501: "send Transfer-Encoding: chunked, or a Content-Length",
    503: "close some, or raise the setting max_connections_per_address",
}


class BadHead(Exception):
    """A head that is refused; only within the edge."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.hint = _STEPS[status]


@lru_cache(maxsize=1024)
def read_target(target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """(raw path, raw query) of a request target, exactly as sent. Raises BadHead. Source: RFC 9112 section 3.2."""
    if not target.startswith(b"/"):
        scheme, separator, rest = target.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise BadHead(400, "the request target must be a path")
        authority, slash, path = rest.partition(b"/")
        if not slash:
            authority, question, query = rest.partition(b"?")
            path = question + query
        if authority.lower() != host.lower():
            raise BadHead(400, "the request target names another host than the Host field")
        target = b"/" + path
    if target.find(b"#") >= 0 or not target.isascii():
        raise BadHead(400, "the request target holds characters that must be escaped")
    path, _, query = target.partition(b"?")
    return path, query


def check_fields(headers: Headers, http_version: str) -> tuple[bytes, int, bool]:
    """(host, announced length, whether it is chunked) of a head whose framing is unambiguous, or BadHead.

    Source: RFC 9112 sections 3.2 and 6."""
    fields = headers.first
    if len(fields) != len(headers.raw):
        names = [name for name, _ in headers.raw]
        if names.count(b"host") > 1:
            raise BadHead(400, "a request has one Host field")
        if names.count(b"content-length") > 1:
            raise BadHead(400, "a request has at most one Content-Length, a number")
        if names.count(b"transfer-encoding") > 1:
            raise BadHead(501, "the only transfer coding here is chunked")
    host = fields.get(b"host")
    length = fields.get(b"content-length")
    coding = fields.get(b"transfer-encoding")
    if length is not None and (not length.isdigit() or len(length) > 18):
        raise BadHead(400, "a request has at most one Content-Length, a number")
    if coding is not None:
        if coding.strip().lower() != b"chunked":
            raise BadHead(501, "the only transfer coding here is chunked")
        if length is not None:
            raise BadHead(400, "a request has a Content-Length or a Transfer-Encoding, not both")
    if host is None and http_version != "1.0":
        raise BadHead(400, "a request has a Host field")
    return host or b"", int(length) if length is not None else 0, coding is not None
