"""A certificate that is renewed under a server that serves."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import re
import signal
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from tests.e2e.certificates import Certificate
from tests.e2e.clouds import Lockhouse
from tests.eventually import eventually

LOCK = {"Operation": "", "Info": "", "Who": "", "Version": "", "Created": "2026-01-01T00:00:00Z", "Path": ""}


@pytest.fixture
def renewals(tmp_path: Path) -> list[Certificate]:
    made = []
    for number in range(3):
        (directory := tmp_path / f"tls-{number}").mkdir()
        made.append(Certificate(directory))
    return made


def serial(server: Lockhouse, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> int:
    """That of the certificate which a new connection is shown."""
    context = trusting_all()
    context.maximum_version = version
    at = urlsplit(server.endpoint)
    assert at.hostname
    with (
        socket.create_connection((at.hostname, at.port or 0), timeout=30) as line,
        context.wrap_socket(line) as secured,
    ):
        found = secured.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found).serial_number


def trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Line(http.client.HTTPSConnection):
    """One connection to a server, kept open."""

    def __init__(self, server: Lockhouse) -> None:
        super().__init__(urlsplit(server.endpoint).netloc, timeout=60, context=trusting_all())
        self._who = {"Authorization": "Basic " + b64encode(f"any:{server.token}".encode()).decode()}

    def send_lock(self, method: str, name: str) -> None:
        self.request(method, "/http/terraform-state/app", json.dumps(LOCK | {"ID": name}), self._who)

    def ask(self, path: str) -> str:
        self.request("GET", path, headers=self._who)
        with self.getresponse() as answer:
            return answer.read().decode()

    def status(self) -> int:
        with self.getresponse() as answer:
            answer.read()
            return answer.status


def test_a_renewed_certificate_is_served_without_a_restart_and_open_connections_live_on(
    start_lockhouse: Callable[..., Lockhouse], renewals: list[Certificate]
):
    files, second, third = renewals
    server = start_lockhouse(flags=files.flags, authority=files.path, settings={"LOCKHOUSE_LOCK_WAIT": "50"})
    assert serial(server) == files.serial
    held, other = Line(server), Line(server)
    other.send_lock("LOCK", "first")
    assert other.status() == 200
    held.send_lock("LOCK", "second")
    eventually(lambda: "lockhouse_lock_waiters 1.0" in other.ask("/metrics"), 20)

    second.replace(files)  # noticed by itself
    server.child.wait_for(f"Serving a renewed certificate .*serial={second.serial:x}", seconds=60)
    assert {serial(server, each) for each in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)} == {second.serial}

    key = files.key_path.read_bytes()
    files.key_path.write_bytes(key[:100])
    server.child.signal(signal.SIGHUP)
    server.child.wait_for(f"Refused the renewed certificate: .* error=.*{files.key_path} holds no whole", seconds=30)
    assert serial(server) == second.serial

    third.replace(files)
    server.child.signal(signal.SIGHUP)
    server.child.wait_for(f"Serving a renewed certificate .*serial={third.serial:x}", seconds=30)
    assert serial(server) == third.serial
    said = re.search(r"^lockhouse_certificate_end_seconds (\S+)$", other.ask("/metrics"), re.MULTILINE)
    assert said is not None
    assert float(said[1]) == ends(third)
    told = server.json("status", "--ca-file", str(files.path))["certificate_end"]
    assert dt.datetime.fromisoformat(told).timestamp() == ends(third)

    other.send_lock("UNLOCK", "first")  # both are the connections of the first certificate
    assert other.status() == 200
    assert held.status() == 200
    held.send_lock("UNLOCK", "second")
    assert held.status() == 200


def test_a_server_that_ends_waits_for_no_client_that_only_keeps_its_connection(
    start_lockhouse: Callable[..., Lockhouse], certificate: Certificate
):
    server = start_lockhouse(flags=certificate.flags, authority=certificate.path, settings={"LOCKHOUSE_DRAIN": "600"})
    idle = Line(server)
    assert "lockhouse_lock_waiters" in idle.ask("/metrics")
    server.child.signal(signal.SIGTERM)
    assert server.child.wait(seconds=15).code == 0  # the loop itself would give the client 30 seconds
    idle.close()


def ends(certificate: Certificate) -> float:
    return x509.load_pem_x509_certificate(certificate.path.read_bytes()).not_valid_after_utc.timestamp()


def test_a_certificate_that_cannot_be_used_ends_the_start_with_what_is_wrong(
    start_lockhouse: Callable[..., Lockhouse], renewals: list[Certificate]
):
    first, second, _ = renewals
    first.path.write_bytes(second.path.read_bytes())
    with pytest.raises(AssertionError, match="the key is not that of the certificate"):
        start_lockhouse(flags=first.flags)
