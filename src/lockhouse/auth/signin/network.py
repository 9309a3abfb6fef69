"""Requests to an identity provider, and to nobody else: bounded in time and size, never redirected, never inwards.

A name is resolved once, every address that it has is judged, and the connection goes to a judged address, so a name
cannot change between the check and the use. TLS verifies the name. Plain http is for loopback only, and loopback only
when the operator's own issuer is there; private networks only when the operator says so; link-local addresses (where
clouds keep their metadata) never. Sources: RFC 6890 (special-purpose addresses), httpcore's network backend interface.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore
import httpx

from lockhouse.errors import ProviderUnavailable

MAX_BYTES = 512 * 1024
CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 8.0
TOTAL_SECONDS = 12.0
MAX_CONNECTIONS = 8
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Reach:
    """Which addresses may be connected to besides public ones."""

    loopback: bool = False
    private: bool = False

    def allows(self, text: str) -> bool:
        """Whether a connection to this address is allowed."""
        try:
            address = _embedded(ipaddress.ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        if address.is_loopback:
            return self.loopback
        if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
            return False
        return address.is_global or (self.private and not address.is_reserved)

    def allows_url(self, url: str) -> bool:
        """Whether this may be asked at all: https, or http on loopback where that is allowed; no user in it."""
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            return False
        if not parts.hostname or parts.username is not None or parts.password is not None or not url.isascii():
            return False
        return parts.scheme == "https" or (
            parts.scheme == "http" and self.loopback and parts.hostname in LOOPBACK_NAMES
        )


def reach_of(issuer: str, *, private: bool) -> Reach:
    """What an issuer that the operator named may lead to."""
    return Reach(loopback=(urlsplit(issuer).hostname or "") in LOOPBACK_NAMES, private=private)


def unavailable(what: str, why: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"cannot sign in: {what}: {why}", hint="try again; an administrator can still sign in with an API token"
    )


class JudgedNetwork(httpcore.AsyncNetworkBackend):
    """Connects only where `Reach` allows."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError) as wrong:
            raise httpcore.ConnectError(f"cannot resolve {host}") from wrong
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if not addresses or not all(self._reach.allows(each) for each in addresses):
            raise httpcore.ConnectError(f"{host} has an address that may not be asked")
        problem: Exception = httpcore.ConnectError(f"cannot connect to {host}")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as wrong:
                problem = wrong
        raise problem

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Httpcore's errors as httpx's."""
    try:
        yield
    except httpcore.TimeoutException as wrong:
        raise httpx.ReadTimeout(str(wrong)) from wrong
    except (httpcore.NetworkError, httpcore.ProtocolError) as wrong:
        raise httpx.ConnectError(str(wrong)) from wrong


class _Body(httpx.AsyncByteStream):
    """A response body that ends with an error at the limit."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        with _translated():
            async for piece in self._response.aiter_stream():
                size += len(piece)
                if size > MAX_BYTES:
                    raise httpx.ReadError(f"the answer has more than {MAX_BYTES} bytes")
                yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


class JudgedTransport(httpx.AsyncBaseTransport):
    """httpx over connections that were judged."""

    def __init__(self, reach: Reach, ca_file: str = "") -> None:
        self._reach = reach
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(cafile=ca_file or None),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=5.0,
            network_backend=JudgedNetwork(reach),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._reach.allows_url(str(request.url)):
            raise httpx.UnsupportedProtocol("only https may be asked")
        assert isinstance(request.stream, httpx.AsyncByteStream)
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _translated():
            response = await self._pool.handle_async_request(asked)
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        await self._pool.aclose()


def client(reach: Reach, ca_file: str = "") -> httpx.AsyncClient:
    """A client for one provider. It belongs to the event loop on which it is used."""
    return httpx.AsyncClient(
        transport=JudgedTransport(reach, ca_file),
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
        headers={"user-agent": "lockhouse", "accept": "application/json", "accept-encoding": "identity"},
    )


def _embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that leads to it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
