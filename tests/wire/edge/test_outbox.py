"""Answers that wait for each other: each still comes, whole, in order, on the connection of its request."""

import fcntl
import socket
import struct
import sys
import threading

import pytest
import uvloop

from lockhouse.edge.outbox import MOST
from lockhouse.protocols.web import Response
from tests.eventually import eventually

from .conftest import read_all
from .test_edge import head, said, status

ENOUGH = 10


class Gate:
    """A handler that stops the event loop at `/stop` until it is told to go on, so that others come in one turn."""

    def __init__(self):
        self.stopped = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)

    async def __call__(self, request):
        if request.raw_path == b"/stop":
            self.stopped.release()
            assert self.go_on.acquire(timeout=ENOUGH)
        return Response(200, [], request.raw_path)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def server(serve, gate):
    return serve(gate, run=uvloop.run)


def answers(client, count):
    """The next `count` answers of a connection that stays open: their bodies."""
    bodies, read = [], client.makefile("rb")
    for _ in range(count):
        assert read.readline() == b"HTTP/1.1 200 OK\r\n"
        fields = dict(iter(lambda: read.readline().rstrip(b"\r\n").partition(b": ")[::2], (b"", b"")))
        bodies.append(read.read(int(fields[b"content-length"])))
    return bodies


def give(client, data):
    """Send this and wait until it has left, which is to say arrived: the system may pace what it sends."""
    client.sendall(data)
    eventually(lambda: not unsent(client), ENOUGH, every=0.001)


def unsent(client):
    """Bytes. Source: tcp(7), SIOCOUTQNSD of linux/sockios.h."""
    return int.from_bytes(fcntl.ioctl(client, 0x894B, bytes(4)), sys.byteorder)


def ask(client, target, method=b"GET"):
    give(client, head(method + b" " + target + b" HTTP/1.1"))


def connections(server, count):
    """Connections that were used: what all of them send now is read in one turn of the event loop."""
    clients = [server.connect(ENOUGH) for _ in range(count)]
    for client in clients:
        ask(client, b"/first")
        assert answers(client, 1) == [b"/first"]
    return clients


def stop(gate, client):
    """The event loop stands still when this returns, until `gate.go_on` is released."""
    ask(client, b"/stop", b"POST")
    assert gate.stopped.acquire(timeout=ENOUGH)


@pytest.mark.parametrize("count", [1, MOST - 1, MOST, MOST + 1, 3 * MOST + 5])
@pytest.mark.parametrize("last", [b"GET", b"POST"])
def test_each_of_many_that_come_at_once_gets_its_own_answer(server, gate, count, last):
    first, behind, *clients = connections(server, count + 2)
    stop(gate, first)
    for number, client in enumerate(clients):
        ask(client, b"/%d" % number)
    ask(behind, b"/behind", last)
    gate.go_on.release()
    assert [answers(client, 1) for client in clients] == [[b"/%d" % number] for number in range(count)]
    assert answers(behind, 1) == [b"/behind"]
    assert answers(first, 1) == [b"/stop"]


@pytest.fixture
def held(server, gate):
    """A client whose answer waits, while the event loop stands still; then one behind it, whose request stops it."""
    first, client, behind = connections(server, 3)
    stop(gate, first)
    ask(client, b"/held")
    ask(behind, b"/stop", b"POST")
    gate.go_on.release()
    assert gate.stopped.acquire(timeout=ENOUGH)
    yield client, behind
    first.close()


def test_what_is_said_of_the_next_head_comes_behind_an_answer_that_waits(gate, held):
    client, behind = held
    give(client, b"this is no request\r\n\r\n")
    gate.go_on.release()
    answer, _, refusal = read_all(client).partition(b"/held")
    assert status(answer) == 200
    assert status(refusal) == 400
    assert answers(behind, 1) == [b"/stop"]


def test_a_client_that_says_no_more_gets_the_answer_that_waits(gate, held):
    client, _ = held
    client.shutdown(socket.SHUT_WR)
    eventually(lambda: not unsent(client), ENOUGH, every=0.001)
    gate.go_on.release()
    assert said(read_all(client)) == b"/held"


def test_a_server_that_ends_sends_what_waits(server, gate, held):
    client, _ = held
    server.server.should_exit = True
    gate.go_on.release()
    assert said(read_all(client)) == b"/held"


def test_a_client_that_has_left_keeps_no_answer_from_others(server, gate):
    first, leaves, stays, behind = connections(server, 4)
    stop(gate, first)
    ask(leaves, b"/left")
    ask(stays, b"/stays")
    ask(behind, b"/stop", b"POST")
    gate.go_on.release()
    assert gate.stopped.acquire(timeout=ENOUGH)
    leaves.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    leaves.close()
    gate.go_on.release()
    assert answers(stays, 1) == [b"/stays"]


def test_pipelined_requests_are_answered_in_order_whatever_waits(server, gate):
    first, client, *others = connections(server, 6)
    stop(gate, first)
    give(client, b"".join(head(method + b" HTTP/1.1") for method in (b"GET /1", b"POST /2", b"GET /3", b"PUT /4")))
    for other in others:
        ask(other, b"/other")
    gate.go_on.release()
    assert answers(client, 4) == [b"/1", b"/2", b"/3", b"/4"]
    assert [answers(other, 1) for other in others] == [[b"/other"]] * 4
