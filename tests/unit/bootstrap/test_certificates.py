"""The development certificate: made once, renewed in time, and good for real verification."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from lockhouse.bootstrap.certificates import development_certificate

NOW = dt.datetime.now(dt.UTC)


def test_it_is_kept_from_start_to_start_and_its_key_is_private(tmp_path: Path):
    certificate, key = development_certificate(tmp_path, "127.0.0.1", NOW)
    before = certificate.read_bytes(), key.read_bytes()
    assert development_certificate(tmp_path, "127.0.0.1", NOW) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_it_is_made_anew_for_another_host_before_it_ends_and_when_it_is_broken(tmp_path: Path):
    certificate, _ = development_certificate(tmp_path, "127.0.0.1", NOW)
    first = certificate.read_bytes()
    development_certificate(tmp_path, "states.example", NOW)
    second = certificate.read_bytes()
    development_certificate(tmp_path, "states.example", NOW + dt.timedelta(days=340))
    third = certificate.read_bytes()
    certificate.write_text("nonsense")
    development_certificate(tmp_path, "states.example", NOW)
    assert len({first, second, third, certificate.read_bytes()}) == 4


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "states.example"])
def test_a_client_that_is_given_the_file_verifies_it(tmp_path: Path, name: str):
    certificate, key = development_certificate(tmp_path, "states.example", NOW)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(certificate))
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as line:
            line.sendall(b"hello")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with client.wrap_socket(ours, server_hostname=name) as line:
        assert line.recv(5) == b"hello"
    thread.join(timeout=10)
