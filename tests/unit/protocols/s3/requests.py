"""Requests as values, for the pure parts of the S3 room."""

from lockhouse.protocols.web import Headers, Request


async def _nothing():
    return
    yield b""


async def _never():
    raise AssertionError


def request(method="GET", path=b"/bucket/key", query=b"", **headers):
    raw = [(name.replace("_", "-").encode(), str(value).encode("latin-1")) for name, value in headers.items()]
    if "host" not in headers:
        raw.insert(0, (b"host", b"127.0.0.1:7373"))
    return Request(method, path, query, Headers(raw), "http", "127.0.0.1", "0123456789ABCDEF", _nothing, _never)
