"""Which addresses a server asks when an identity provider is set up, and how much it listens to."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from lockhouse.auth.signin import network
from lockhouse.auth.signin.network import Reach, reach_of

PUBLIC, HOME, PRIVATE = Reach(), Reach(loopback=True), Reach(private=True)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808"]
)
def test_public_addresses_may_be_asked(address: str):
    assert all(reach.allows(address) for reach in (PUBLIC, HOME, PRIVATE))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1",
        "100.100.100.200", "not an address", "", "1.2.3",
    ],
)  # fmt: skip
def test_these_are_never_asked(address: str):
    assert not any(reach.allows(address) for reach in (PUBLIC, HOME, PRIVATE))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_loopback_only_when_the_issuer_itself_is_there(address: str):
    assert [reach.allows(address) for reach in (PUBLIC, HOME, PRIVATE)] == [False, True, False]


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"]
)
def test_private_networks_only_when_the_operator_says_so(address: str):
    assert [reach.allows(address) for reach in (PUBLIC, HOME, PRIVATE)] == [False, False, True]


@pytest.mark.parametrize(
    ("url", "public", "home"),
    [
        ("https://id.example/x", True, True), ("https://id.example:8443", True, True), ("http://id.example", False, False),
        ("http://localhost:1234", False, True), ("http://127.0.0.1/", False, True), ("http://localhost.evil.example", False, False),
        ("https://user@id.example", False, False), ("https://user:x@id.example", False, False), ("ftp://id.example", False, False),
        ("file:///etc/passwd", False, False), ("https://", False, False), ("https://id.example:99999", False, False),
        ("https://îd.example", False, False),
    ],
)  # fmt: skip
def test_only_https_is_asked_and_http_on_loopback(url: str, public: bool, home: bool):
    assert (PUBLIC.allows_url(url), HOME.allows_url(url)) == (public, home)


def test_what_an_issuer_may_lead_to():
    assert reach_of("https://id.example", private=False) == PUBLIC
    assert reach_of("http://127.0.0.1:9/x", private=False) == HOME
    assert reach_of("https://localhost", private=True) == Reach(loopback=True, private=True)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that treats one connection in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        asked: list[bytes] = []

        def run() -> None:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536))
                serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    thread.join(10)


def ask(url: str, reach: Reach = HOME) -> httpx.Response:
    async def run() -> httpx.Response:
        async with network.client(reach) as client:
            return await client.get(url)

    return asyncio.run(run())


def answer(head: bytes, body: bytes = b"") -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(b"HTTP/1.1 " + head + b"\r\n\r\n" + body)


def test_an_answer_is_read_whole():
    with listening(answer(b"200 OK\r\nContent-Length: 2", b"{}")) as url:
        assert ask(url).content == b"{}"


def test_a_redirect_is_not_followed():
    with listening(answer(b"302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0")) as url:
        assert ask(url).status_code == 302


def test_a_long_answer_is_cut_off_with_an_error():
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            pass

    with listening(flood) as url, pytest.raises(httpx.ReadError):
        ask(url)


def test_an_answer_that_never_comes_ends_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "ANSWER_SECONDS", 0.3)
    ended = threading.Event()
    with listening(lambda connection: ended.wait(10)) as url:
        began = time.monotonic()
        with pytest.raises(httpx.TransportError):
            ask(url)
        assert time.monotonic() - began < 5
        ended.set()


def test_a_name_that_leads_inwards_is_not_connected_to():
    touched = threading.Event()
    with listening(lambda connection: touched.set()) as url:
        port = url.rsplit(":", 1)[1]
        with pytest.raises(httpx.TransportError):
            ask(f"https://localhost:{port}", PUBLIC)
        with pytest.raises(httpx.TransportError):
            ask(f"https://127.0.0.1:{port}", PUBLIC)
        with pytest.raises(httpx.TransportError):
            ask(url, PUBLIC)
    assert not touched.is_set()
