"""Large bodies that a thread sends: when it goes on, when it waits, and when it lets others have their turn."""

import asyncio
import contextlib
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop

from lockhouse.edge import pouring
from lockhouse.edge.pouring import LARGE
from lockhouse.protocols.web import Response
from lockhouse.runtime.streams import Stream

ASK = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
ASK_ONCE = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


class Counted(ThreadPoolExecutor):
    """Counts how often a thread is asked for."""

    asked = 0

    def submit(self, *given, **named):
        self.asked += 1
        return super().submit(*given, **named)


@pytest.fixture
def threads(monkeypatch):
    with Counted(4) as counted:
        monkeypatch.setattr(pouring, "_threads", counted)
        yield counted


def giving(length, piece, before=lambda: None):
    """A handler whose bodies have so many bytes, in copies of a piece."""

    def pull():
        before()
        return piece

    async def handler(request):
        return Response(200, [], Stream(length, None, pull=pull))

    return handler


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_a_client_that_reads_at_once_is_waited_for_by_the_thread(serve, threads, run, monkeypatch):
    """On a busy machine a client that would read at once waits for a processor, and then the thread rightly goes: so
    the best of some rounds counts."""
    piece = random.Random(1).randbytes(LARGE)
    server = serve(giving(128 * LARGE, piece), run=run)

    def threads_asked(patience: float) -> int:
        monkeypatch.setattr(pouring, "PATIENCE_SECONDS", patience)
        threads.asked = 0
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)  # so that the server's is often full
            client.connect(("127.0.0.1", server.port))
            client.sendall(ASK_ONCE)
            assert read(client).endswith(b"\r\n\r\n" + 128 * piece)
        return threads.asked

    rounds = [(threads_asked(patience), threads_asked(0.0)) for patience in [pouring.PATIENCE_SECONDS] * 5]
    assert min(patient for patient, _ in rounds) < max(impatient for _, impatient in rounds) / 3


def test_a_thread_that_nobody_else_wants_stays_with_a_slow_disk(serve, threads):
    server = serve(giving(LARGE, bytes(LARGE // 64), lambda: time.sleep(pouring.TURN_SECONDS / 8)))
    assert len(server.talk(ASK_ONCE)) > LARGE
    assert threads.asked == 1


def test_clients_that_take_nothing_keep_no_thread(serve, threads):
    endless, short = giving(1000 << 20, bytes(1 << 20)), giving(LARGE, bytes(LARGE))
    server = serve(lambda request: (endless if request.raw_path == b"/x" else short)(request))
    with contextlib.ExitStack() as clients:
        for _ in range(12):
            clients.enter_context(server.connect()).sendall(ASK)
        for _ in range(50):
            assert len(server.talk(ASK_ONCE.replace(b"/x", b"/short"))) > LARGE
    assert threads.asked > 60


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_what_is_sent_to_this_machine_is_not_paced_and_what_goes_elsewhere_is_as_the_system_wants(serve, run):
    with socket.socket() as fresh:
        usual = congestion(fresh)
    server = serve(giving(LARGE, bytes(LARGE)), run=run)
    for address, expected in (("127.0.0.1", "reno"), ("127.0.0.2", usual)):
        with socket.socket() as client:
            client.bind((address, 0))
            client.connect(("127.0.0.1", server.port))
            assert congestion_at_the_server(client) == usual
            client.sendall(ASK)
            taken = 0
            while taken < LARGE:
                taken += len(client.recv(1 << 20))
            assert congestion_at_the_server(client) == expected


def read(client):
    """All that comes until the server closes."""
    out, room = bytearray(), memoryview(bytearray(1 << 20))
    while count := client.recv_into(room):
        out += room[:count]
    return bytes(out)


def congestion(own):
    return own.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


def congestion_at_the_server(client):
    """Of the other end of a connection, which is in this process."""
    for _ in range(1000):
        for open_file in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if not str(open_file.readlink()).startswith("socket:"):
                    continue
                with socket.fromfd(int(open_file.name), socket.AF_INET, socket.SOCK_STREAM) as own:
                    if own.getpeername() == client.getsockname():
                        return congestion(own)
        time.sleep(0.01)
    raise AssertionError("nobody has accepted the connection")
