"""The development certificate: made once, renewed in time, and good for real verification."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lockhouse.bootstrap.certificates import development_certificate, open_pair
from lockhouse.errors import SettingInvalid

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


def test_what_is_wrong_with_a_given_pair_is_said_before_anything_is_served(tmp_path: Path):
    certificate, key = development_certificate(tmp_path, "127.0.0.1", NOW)
    assert open_pair(certificate, key).ends > NOW + dt.timedelta(days=300)
    (tmp_path / "other").mkdir()
    _, another = development_certificate(tmp_path / "other", "127.0.0.1", NOW)
    (garbage := tmp_path / "garbage.pem").write_text("garbage")
    locked = serialization.BestAvailableEncryption(b"word")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    (secret := tmp_path / "locked.pem").write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )
    (half := tmp_path / "half.pem").write_bytes(certificate.read_bytes()[:200])
    (cut := tmp_path / "cut.pem").write_bytes(certificate.read_bytes() + certificate.read_bytes()[:200])
    for pair, said in (
        ((tmp_path / "missing.pem", key), "missing.pem: No such file"),
        ((certificate, tmp_path / "missing.pem"), "missing.pem: No such file"),
        ((certificate, another), "the key is not that of the certificate"),
        ((garbage, key), "garbage.pem holds no whole certificate"),
        ((half, key), "half.pem holds no whole certificate"),
        ((cut, key), "cut.pem is damaged behind its first certificate"),
        ((certificate, garbage), "garbage.pem holds no whole private key"),
        ((certificate, secret), "locked.pem asks for a password"),
    ):
        with pytest.raises(SettingInvalid, match=said):
            open_pair(*pair)


def test_it_names_the_host_that_clients_are_told(tmp_path: Path):
    certificate, _ = development_certificate(tmp_path, "0.0.0.0", NOW, public="states.example")
    named = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions
    names = named.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "states.example" in names.get_values_for_type(x509.DNSName)


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
