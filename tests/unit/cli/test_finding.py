"""What is wrong with an endpoint, a token or what answers there is told with the option that puts it right."""

from __future__ import annotations

import datetime as dt
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lockhouse.bootstrap.certificates import CERTIFICATE_FILE, development_certificate
from lockhouse.clients.client import Client
from lockhouse.errors import ServerUnreachable


def told(endpoint: str, token: str = "t", ca_file: str = "") -> tuple[str, str]:
    with pytest.raises(ServerUnreachable) as refused:
        client = Client(endpoint, token, ca_file)
        try:
            client.status()
        finally:
            client.close()
    return refused.value.message, refused.value.hint


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """A server of something else: the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:7373", "ftp://host", "http://", "http://[::1", "http://host:99999", "http://host:0", ""]
)
def test_an_endpoint_that_is_none_is_named(endpoint: str):
    message, hint = told(endpoint)
    assert message == f"cannot use {endpoint!r} as an endpoint: it must be http:// or https://HOST:PORT"
    assert hint == "for example: --endpoint http://127.0.0.1:7373"


@pytest.mark.parametrize("token", ["secret\nword", "secret\rword", "schlüssel"])
def test_a_token_that_cannot_be_sent_is_not_repeated(token: str):
    message, hint = told("http://127.0.0.1:9", token)
    assert message.startswith("cannot send this token to http://127.0.0.1:9: ")
    assert token.split(maxsplit=1)[0] not in message + hint


def test_whoever_is_not_there_or_no_lockhouse_is_told_apart(elsewhere: int):
    assert told("http://127.0.0.1:9")[1] == "is it running? lockhouse serve"
    message, hint = told(f"http://127.0.0.1:{elsewhere}")
    assert message == f"cannot use http://127.0.0.1:{elsewhere}: it answered 501, and not as Lockhouse does"
    assert hint == "is it the address of a Lockhouse? --endpoint URL, or LOCKHOUSE_ENDPOINT"
    assert told(f"https://127.0.0.1:{elsewhere}")[1] == f"does it speak http? --endpoint http://127.0.0.1:{elsewhere}"


def test_the_other_scheme_and_a_certificate_that_is_not_trusted_are_told(tmp_path: Path):
    made = development_certificate(tmp_path, "127.0.0.1", dt.datetime.now(dt.UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        port = server.server_port
        assert told(f"https://127.0.0.1:{port}")[1] == "name its certificate: --ca-file FILE"
        assert told(f"http://127.0.0.1:{port}")[1] == (
            f"does it speak https? --endpoint https://127.0.0.1:{port}; is it running?"
        )
        trusted = told(f"https://127.0.0.1:{port}", ca_file=str(tmp_path / CERTIFICATE_FILE))
        assert "it answered 501" in trusted[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    message, hint = told("https://127.0.0.1:9", ca_file=__file__)
    assert message.startswith(f"cannot read the certificates in {__file__}: ")
    assert hint == "name a file of certificates in PEM: --ca-file FILE"


def test_a_name_that_nobody_knows_is_no_server_that_is_down(monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: object, **__: object) -> None:
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(httpx.Client, "request", unknown)
    assert told("http://states.invalid")[1] == "is the name right? --endpoint URL, or LOCKHOUSE_ENDPOINT"
