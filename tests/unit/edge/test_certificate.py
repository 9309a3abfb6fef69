"""The certificate that is served: renewed whole or not at all, and told of in the log before it ends."""

from __future__ import annotations

import datetime as dt
import logging
import os
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509

from lockhouse.edge.certificate import ServedCertificate
from tests.e2e.certificates import Certificate

DAY = 86400.0


@pytest.fixture
def first(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path, days=90)


@pytest.fixture
def second(tmp_path: Path) -> Certificate:
    (tmp_path / "renewed").mkdir()
    return Certificate(tmp_path / "renewed", days=90)


def shown(served: ServedCertificate) -> int:
    """The serial number that a client sees which names no host."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_bio(to_client, to_server)
    server = served.context.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for each in (client, server):
            try:
                each.do_handshake()
            except ssl.SSLWantReadError:
                continue
            done.add(each)
    found = client.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found).serial_number


@pytest.mark.anyio
async def test_a_renewed_pair_is_shown_and_a_look_at_the_same_files_changes_nothing(
    first: Certificate, second: Certificate, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "lockhouse.tls")
    served = ServedCertificate(first.path, first.key_path)
    await served.look()
    assert (shown(served), caplog.messages) == (first.serial, [])
    second.replace(first)
    await served.look()
    await served.look()
    assert shown(served) == second.serial
    assert len(caplog.messages) == 1
    assert f"serial={second.serial:x}" in caplog.text
    await served.look(asked=True)  # who asks is answered
    assert len(caplog.messages) == 2
    assert abs(served.ends - (time.time() + 90 * DAY)) < DAY


@pytest.mark.anyio
async def test_a_renewal_that_is_half_done_is_refused_once_and_taken_when_it_is_whole(
    first: Certificate, second: Certificate, caplog: pytest.LogCaptureFixture
):
    served = ServedCertificate(first.path, first.key_path)
    whole, key = second.path.read_bytes(), second.key_path.read_bytes()
    steps = [
        (lambda: first.path.write_bytes(whole[:300]), f"{first.path} holds no whole certificate"),
        (lambda: first.path.write_bytes(whole), "the key is not that of the certificate"),
        (lambda: first.key_path.write_bytes(key[:50]), f"{first.key_path} holds no whole private key"),
        (first.key_path.unlink, f"cannot read {first.key_path}: No such file"),
        (lambda: os.mkfifo(first.key_path), f"cannot read {first.key_path}: it is no file"),
    ]
    for act, said in steps:
        act()
        caplog.clear()
        for _ in range(3):
            await served.look()
            assert shown(served) == first.serial
        assert len(caplog.messages) == 1
        assert said in caplog.text
        assert "hint=" in caplog.text
        await served.look(asked=True)
        assert len(caplog.messages) == 2  # who asks is answered
    first.key_path.unlink()
    first.key_path.write_bytes(key)
    await served.look()
    assert shown(served) == second.serial


@pytest.mark.anyio
@pytest.mark.parametrize(("days", "warned_from"), [(90, 14.0), (6, 2.02)], ids=["of three months", "of six days"])
async def test_the_end_of_a_certificate_is_told_once_a_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, warned_from: float
):
    now = time.time()
    pair = Certificate(tmp_path, days=days)
    served = ServedCertificate(pair.path, pair.key_path, hangup=True, now=lambda: now)
    ends = served.ends
    now = ends - (warned_from + 0.1) * DAY
    await served.look()
    assert caplog.messages == []
    now = ends - (warned_from - 0.1) * DAY
    for _ in range(3):
        await served.look()
    assert len(caplog.messages) == 1
    assert "ends soon" in caplog.text
    assert str(dt.datetime.fromtimestamp(ends, dt.UTC).date()) in caplog.text
    assert "renew it in place" in caplog.text
    now += DAY
    await served.look()
    assert len(caplog.messages) == 2
    now = ends + DAY
    await served.look()
    assert "has ended: clients refuse it" in caplog.messages[-1]


@pytest.mark.anyio
@pytest.mark.parametrize(("begins", "ends", "said"), [(-9, -1, "it ended at"), (1, 90, "it begins at")])
async def test_a_renewed_pair_that_clients_would_refuse_waits_while_the_one_before_it_is_valid(
    first: Certificate, tmp_path: Path, caplog: pytest.LogCaptureFixture, begins: float, ends: float, said: str
):
    now = time.time()
    served = ServedCertificate(first.path, first.key_path, now=lambda: now)
    (tmp_path / "renewed").mkdir()
    other = Certificate(tmp_path / "renewed", begins=begins, days=ends)
    other.replace(first)
    for _ in range(2):
        await served.look()
        assert shown(served) == first.serial
    assert len(caplog.messages) == 1
    assert said in caplog.text
    now += (1.1 if begins > 0 else 91) * DAY  # it has begun, or the one before it has ended, too
    await served.look()
    assert shown(served) == other.serial
    assert ("clients refuse it" in caplog.text) == (begins < 0)


@pytest.mark.anyio
async def test_a_certificate_that_has_not_begun_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    pair = Certificate(tmp_path, begins=1, days=90)
    await ServedCertificate(pair.path, pair.key_path).look()
    assert "has not begun: clients refuse it" in caplog.text
