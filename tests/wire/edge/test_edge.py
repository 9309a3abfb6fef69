"""The edge against raw sockets: framing, limits, deadlines, and bodies that never look whole when they are not."""

import asyncio
import contextlib
import logging
import random
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop

from lockhouse.edge import connection
from lockhouse.edge.connection import LEAST_TAKEN, Deadlines
from lockhouse.edge.exchange import Exchange
from lockhouse.edge.heads import BadHead, read_target
from lockhouse.edge.pouring import LARGE
from lockhouse.errors import BodyIncomplete, BodyTooLarge, StorageUnavailable
from lockhouse.protocols.web import Response
from lockhouse.runtime.streams import Stream
from tests.eventually import eventually

from .conftest import read_all

CLOSE = b"Connection: close\r\n"


def head(line, *fields, host=b"h"):
    return b"\r\n".join([line, b"Host: " + host, *fields]) + b"\r\n\r\n"


async def echo(request):
    """Says what it was asked."""
    body = b"".join([chunk async for chunk in request.chunks()])
    text = b"|".join([request.method.encode(), request.raw_path, request.raw_query, body])
    return Response(200, [(b"content-type", b"text/plain")], text)


def descriptors_of(server):
    """How many files and sockets this process has open while the server runs and nobody is connected."""
    server.talk(head(b"GET / HTTP/1.1", b"Expect: nothing"))
    return descriptors()


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def said(answer):
    return answer.partition(b"\r\n\r\n")[2]


def status(answer):
    return int(answer[9:12])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET /a/b?c=d%20e HTTP/1.1", b"GET|/a/b|c=d%20e|"),
        (b"GET //double//slash HTTP/1.1", b"GET|//double//slash||"),
        (b"GET /a/../b HTTP/1.1", b"GET|/a/../b||"),
        (b"GET /%2e%2E/%00 HTTP/1.1", b"GET|/%2e%2E/%00||"),
        (b"GET /a?b?c HTTP/1.1", b"GET|/a|b?c|"),
        (b"LOCK /http/ns/key HTTP/1.1", b"LOCK|/http/ns/key||"),
        (b"UNLOCK /http/ns/key HTTP/1.1", b"UNLOCK|/http/ns/key||"),
        (b"DELETE / HTTP/1.1", b"DELETE|/||"),
        (b"GET http://h/key HTTP/1.1", b"GET|/key||"),
        (b"GET http://h HTTP/1.1", b"GET|/||"),
        (b"GET http://h?a=b HTTP/1.1", b"GET|/|a=b|"),
    ],
)
def test_targets_arrive_exactly_as_they_were_sent(serve, line, expected):
    answer = serve(echo).talk(head(line, CLOSE.strip()))
    assert status(answer) == 200
    assert said(answer) == expected


def test_an_absolute_target_for_another_host_is_refused(serve):
    assert status(serve(echo).talk(head(b"GET http://other/key HTTP/1.1"))) == 400
    with pytest.raises(BadHead):
        read_target(b"ftp://h/x", b"h")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", 417),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"NONSENSE / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(64)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"z" * 17_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"z" * 1_000_000, 431),
        (b"GET /" + b"z" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    ],
)
def test_heads_that_could_mean_two_things_or_too_much_are_refused(serve, raw, code):
    reached = []

    async def handler(request):
        reached.append(request)
        return Response(200)

    answer = serve(handler).talk(raw)
    assert status(answer) == code
    assert b"connection: close" in answer.lower()
    refusal, hint, rest = answer.partition(b"\r\n\r\n")[2].split(b"\n")
    assert (refusal[:28], hint[:6], len(hint) > 20, rest) == (b"cannot accept this request: ", b"hint: ", True, b"")
    assert reached == []


def test_sixty_three_fields_besides_host_are_fine(serve):
    fields = [b"X-%d: y" % n for n in range(62)]
    assert status(serve(echo).talk(head(b"GET / HTTP/1.1", *fields, CLOSE.strip()))) == 200


def test_several_requests_share_a_connection_and_pipelined_ones_keep_their_order(serve):
    server = serve(echo)
    raw = (
        head(b"GET /1 HTTP/1.1")
        + head(b"POST /2 HTTP/1.1", b"Content-Length: 2")
        + b"hi"
        + head(b"GET /3 HTTP/1.1", CLOSE.strip())
    )
    answer = server.talk(raw)
    assert [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"GET|/1||",
        b"POST|/2||hi",
        b"GET|/3||",
    ]


@pytest.mark.parametrize("body", [b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"0\r\n\r\n"])
def test_chunked_bodies_arrive_whole_also_empty_ones(serve, body):
    answer = serve(echo).talk(head(b"UNLOCK /x HTTP/1.1", b"Transfer-Encoding: chunked", CLOSE.strip()) + body)
    assert said(answer) == b"UNLOCK|/x||" + (b"hello world" if len(body) > 5 else b"")


CUT = pytest.mark.parametrize("sent", [b"", b"a", b"a" * 99])
FRAMING = pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])


def seen_of_a_cut_body(serve, framing, sent):
    seen = []
    done = threading.Event()

    async def handler(request):
        try:
            seen.append(b"".join([chunk async for chunk in request.chunks()]))
        except BodyIncomplete as problem:
            seen.append(problem.code)
        done.set()
        return Response(200)

    server = serve(handler)
    wire = b"64\r\n" + sent if framing.startswith(b"Transfer") else sent
    with server.connect() as client:
        client.sendall(head(b"PUT /x HTTP/1.1", framing) + wire)
    assert done.wait(10)
    return seen


@CUT
@FRAMING
def test_a_body_that_ends_early_raises_and_never_looks_whole(serve, framing, sent):
    assert seen_of_a_cut_body(serve, framing, sent) == ["body.incomplete"]


@CUT
@FRAMING
def test_that_finds_a_server_that_takes_the_end_of_a_connection_for_the_end_of_a_body(
    serve, framing, sent, monkeypatch
):
    chunks = Exchange.chunks

    async def hopeful(self):
        with contextlib.suppress(BodyIncomplete):
            async for chunk in chunks(self):
                yield chunk

    monkeypatch.setattr(Exchange, "chunks", hopeful)
    assert seen_of_a_cut_body(serve, framing, sent) == [sent]


def test_a_body_over_the_limit_is_refused_before_it_is_sent(serve):
    async def handler(request):
        try:
            async for _ in request.chunks():
                pass
        except BodyTooLarge:
            return Response(413)
        return Response(200)

    server = serve(handler, max_body=1000)
    answer = server.talk(head(b"PUT /x HTTP/1.1", b"Content-Length: 9999999", b"Expect: 100-continue"))
    assert status(answer) == 413
    assert b"100 Continue" not in answer
    chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    answer = server.talk(head(b"PUT /x HTTP/1.1", b"Transfer-Encoding: chunked") + chunk * 3)
    assert status(answer) == 413
    assert status(server.talk(head(b"PUT /x HTTP/1.1", b"Content-Length: 1000", CLOSE.strip()) + b"x" * 1000)) == 200


def test_the_client_is_told_to_continue_only_when_the_body_is_wanted(serve):
    async def handler(request):
        if request.raw_path == b"/denied":
            return Response(403)
        return await echo(request)

    server = serve(handler)
    fields = (b"Content-Length: 5", b"Expect: 100-continue")
    answer = server.talk(head(b"PUT /denied HTTP/1.1", *fields))
    assert status(answer) == 403
    assert b"connection: close" in answer.lower()
    with server.connect() as client:
        client.sendall(head(b"PUT /wanted HTTP/1.1", *fields, CLOSE.strip()))
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert said(read_all(client)) == b"PUT|/wanted||hello"


def test_a_small_unread_body_does_not_cost_the_connection(serve):
    async def handler(request):
        return Response(403) if request.raw_path == b"/denied" else await echo(request)

    raw = (
        head(b"PUT /denied HTTP/1.1", b"Content-Length: 200000")
        + b"x" * 200_000
        + head(b"GET /next HTTP/1.1", CLOSE.strip())
    )
    answer = serve(handler).talk(raw)
    assert answer.startswith(b"HTTP/1.1 403")
    assert answer.endswith(b"GET|/next||")


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_who_is_refused_while_sending_a_large_body_still_reads_why(serve, run, framing):
    async def refuse(request):
        return Response(403, [], b"you may not")

    size = 40 << 20
    server = serve(refuse, run=run, max_body=1 << 30)
    with server.connect() as client:
        if framing == "length":
            client.sendall(head(b"PUT /x HTTP/1.1", b"Content-Length: %d" % size))
            client.sendall(bytes(size))
        else:
            client.sendall(head(b"PUT /x HTTP/1.1", b"Transfer-Encoding: chunked"))
            client.sendall(b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n")
        answer = client.recv(65536)
        while b"you may not" not in answer:
            more = client.recv(65536)
            assert more
            answer += more
        assert status(answer) == 403
        assert b"connection: close" in answer.lower()
        assert client.recv(1) == b""


def test_who_goes_on_sending_after_a_refusal_is_ended(serve, monkeypatch):
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.5)

    async def refuse(request):
        return Response(403, [], b"you may not")

    server = serve(refuse, max_body=1 << 40)
    with server.connect() as client:
        client.sendall(head(b"PUT /x HTTP/1.1", b"Content-Length: %d" % (1 << 39)))
        began = time.monotonic()
        with pytest.raises(OSError):
            while True:
                client.sendall(bytes(1 << 16))
                assert time.monotonic() - began < 10


def test_a_large_unread_body_ends_the_connection(serve):
    async def handler(request):
        return Response(403)

    answer = serve(handler).talk(head(b"PUT /x HTTP/1.1", b"Content-Length: 99999999") + b"x" * 1000)
    assert status(answer) == 403
    assert b"connection: close" in answer.lower()


def test_head_announces_the_length_of_what_get_would_send(serve):
    async def handler(request):
        return Response(200, [], b"", head_length=12345)

    answer = serve(handler).talk(head(b"HEAD /x HTTP/1.1", CLOSE.strip()))
    assert b"content-length: 12345\r\n" in answer
    assert said(answer) == b""


@pytest.mark.parametrize("code", [204, 304])
def test_answers_without_a_body_announce_none(serve, code):
    async def handler(request):
        return Response(code)

    answer = serve(handler).talk(head(b"GET /x HTTP/1.1", CLOSE.strip()))
    assert status(answer) == code
    assert b"content-length" not in answer
    assert b"transfer-encoding" not in answer


def test_streams_are_sent_whole_and_closed(serve):
    closed = []
    data = bytes(range(256)) * 4096

    async def pieces():
        for start in range(0, len(data), 100_000):
            yield data[start : start + 100_000]

    async def handler(request):
        return Response(200, [], Stream(len(data), pieces, lambda: closed.append(True)))

    answer = serve(handler).talk(head(b"GET /x HTTP/1.1", CLOSE.strip()))
    assert said(answer) == data
    assert closed == [True]


@pytest.mark.parametrize("pulls", [False, True])
@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_large_pieces_reach_a_slow_client_in_their_order(serve, run, pulls):
    sizes = [LARGE, LARGE - 1, 1, 5 * LARGE + 7, 3, 9 * LARGE, 2 * LARGE + 1]
    pieces = [random.Random(size).randbytes(size) for size in sizes]
    data = b"".join(pieces)

    async def given():
        for piece in pieces:
            yield memoryview(piece)

    async def handler(request):
        if request.raw_path == b"/small":
            return Response(200, [], b"small")
        left = iter(pieces)
        pull = (lambda: next(left, b"")) if pulls else None
        return Response(200, [], Stream(len(data), given, pull=pull))

    server = serve(handler, run=run)
    before = descriptors_of(server)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that the server's socket is full all the time
        client.connect(("127.0.0.1", server.port))
        for _ in range(2):
            client.sendall(head(b"GET /small HTTP/1.1") + head(b"GET /large HTTP/1.1"))
            answer = b""
            while len(answer) < len(data) or not answer.endswith(data[-10:]):
                answer += client.recv(50_000)
            small, large = answer.split(b"HTTP/1.1 ", 2)[1:]
            assert said(small) == b"small"
            assert said(large) == data
    eventually(lambda: descriptors() <= before, 10)


@pytest.mark.parametrize("pulls", [False, True])
@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_clients_that_leave_in_the_middle_of_large_pieces_leave_nothing_behind(serve, run, pulls, caplog):
    closed = []

    async def given():
        for _ in range(1000):
            yield bytes(1 << 20)

    async def handler(request):
        pull = (lambda: bytes(1 << 20)) if pulls else None
        return Response(200, [], Stream(1000 << 20, given, lambda: closed.append(True), pull))

    server = serve(handler, run=run)
    before = descriptors_of(server)
    for taken in range(0, 4 << 20, 100_000):
        with server.connect() as client:
            client.sendall(head(b"GET /x HTTP/1.1"))
            while taken > 0:
                taken -= len(client.recv(1 << 20))
    eventually(lambda: len(closed) == 42 and descriptors() <= before, 10)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def _pulled(pieces, length, closed):
    """What a handler answers whose stream gives these pieces, and raises those that are errors."""
    left = iter([*pieces, b""])

    def pull():
        piece = next(left)
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def handler(request):
        return Response(200, [], Stream(length, None, closed.set, pull))

    return handler


@pytest.mark.parametrize(
    ("pieces", "length"),
    [
        ([bytes(LARGE), StorageUnavailable("cannot read a version: its blob is cut off", hint="try again")], 2 * LARGE),
        ([bytes(LARGE)], 2 * LARGE),
        ([bytes(LARGE), bytes(LARGE)], 2 * LARGE - 1),
        ([], LARGE),
    ],
    ids=["an error", "too little", "too much", "nothing"],
)
def test_a_stream_that_cannot_be_read_ends_the_connection_and_is_closed(serve, pieces, length, caplog):
    closed = threading.Event()
    answer = serve(_pulled(pieces, length, closed)).talk(head(b"GET /x HTTP/1.1"))
    assert len(said(answer)) < length
    assert closed.wait(10)
    assert "Cannot send an answer" in caplog.text or "Cannot read a body to its end" in caplog.text


def test_a_server_that_is_stopped_while_a_thread_sends_waits_for_it_and_closes_the_stream(serve):
    began, go_on, closed = threading.Event(), threading.Event(), threading.Event()
    pulls, tasks = [], []

    def pull():
        pulls.append(closed.is_set())
        began.set()
        go_on.wait(10)
        pulls.append(closed.is_set())
        return bytes(1 << 20)

    async def handler(request):
        tasks.append(asyncio.current_task())
        return Response(200, [], Stream(1000 << 20, None, closed.set, pull))

    server = serve(handler)
    with server.connect() as client:
        client.sendall(head(b"GET /x HTTP/1.1"))
        assert began.wait(10)
        server.server.should_exit = server.server.force_exit = True
        eventually(lambda: tasks[0].cancelling() > 0, 10)
        tasks[0].get_loop().call_soon_threadsafe(tasks[0].cancel)  # as a server whose time is up and its loop both do
        eventually(lambda: tasks[0].cancelling() > 1, 10)
        go_on.set()
        assert closed.wait(10)
    assert pulls == [False, False]


def test_large_bodies_and_what_else_needs_a_thread_do_not_wait_for_each_other(serve):
    freed = threading.Event()

    async def handler(request):
        loop = asyncio.get_running_loop()
        if request.raw_path == b"/other":
            loop.set_default_executor(ThreadPoolExecutor(1))
            await asyncio.to_thread(freed.wait, 20)
            return Response(200, [], b"done")
        return Response(200, [], Stream(LARGE, None, pull=lambda: bytes(LARGE)))

    server = serve(handler)
    with server.connect() as client:
        client.sendall(head(b"GET /other HTTP/1.1", CLOSE.strip()))
        assert len(said(server.talk(head(b"GET /large HTTP/1.1", CLOSE.strip())))) == LARGE
        assert not freed.is_set()
        freed.set()
        assert said(read_all(client)) == b"done"


def test_a_stream_is_closed_when_its_client_leaves(serve):
    closed = threading.Event()
    sent = []

    async def pieces():
        for _ in range(10_000):
            sent.append(1)
            yield bytes(1 << 20)

    async def handler(request):
        return Response(200, [], Stream(10_000 << 20, pieces, closed.set))

    server = serve(handler)
    with server.connect() as client:
        client.sendall(head(b"GET /x HTTP/1.1"))
        client.recv(1000)
    assert closed.wait(10)
    assert len(sent) < 1000


def test_a_held_request_learns_that_its_client_has_left(serve):
    left = threading.Event()
    waiting = threading.Event()

    async def handler(request):
        async for _ in request.chunks():
            pass
        waiting.set()
        await request.disconnected()
        left.set()
        return Response(200)

    server = serve(handler)
    with server.connect() as client:
        client.sendall(head(b"PUT /x HTTP/1.1", b"Content-Length: 2") + b"hi")
        assert waiting.wait(10)
        assert not left.is_set()
    assert left.wait(10)


def test_an_error_of_ours_is_a_500_with_the_request_id_and_without_a_word_of_it(serve):
    async def handler(request):
        raise RuntimeError("secret detail")

    answer = serve(handler).talk(head(b"GET /x HTTP/1.1", CLOSE.strip()))
    assert status(answer) == 500
    request_id = answer.split(b"x-request-id: ")[1][:16]
    assert request_id in said(answer)
    assert b"secret" not in answer


QUICK = Deadlines(head=0.4, progress=0.4, progress_bytes=1000)


@pytest.mark.parametrize("raw", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_head_that_does_not_end_is_not_waited_for(serve, raw):
    server = serve(echo, deadlines=QUICK)
    began = time.monotonic()
    with server.connect() as client:
        client.sendall(raw)
        answer = read_all(client)
    assert time.monotonic() - began < 5
    assert answer == b"" if not raw else status(answer) == 408


def test_dripping_a_head_does_not_buy_time(serve):
    server = serve(echo, deadlines=QUICK)
    began = time.monotonic()
    with server.connect() as client, pytest.raises(OSError):
        while time.monotonic() - began < 8:
            client.sendall(b"G" if time.monotonic() - began < 0.01 else b"")
            client.sendall(b"E")
            time.sleep(0.05)
    assert time.monotonic() - began < 8


def test_the_second_head_on_a_connection_is_timed_too(serve):
    server = serve(echo, deadlines=QUICK)
    with server.connect() as client:
        client.sendall(head(b"GET /1 HTTP/1.1"))
        client.recv(65536)
        client.sendall(b"GET /2 HTTP/1.1\r\nHost")
        assert b" 408 " in read_all(client)


def test_a_body_that_drips_is_given_up(serve):
    outcome = []
    done = threading.Event()

    async def handler(request):
        try:
            async for _ in request.chunks():
                pass
        except BodyIncomplete:
            outcome.append("incomplete")
        done.set()
        return Response(200)

    server = serve(handler, deadlines=QUICK)
    with server.connect() as client:
        client.sendall(head(b"PUT /x HTTP/1.1", b"Content-Length: 100000"))
        with pytest.raises(OSError):
            for _ in range(200):
                client.sendall(b"x")
                time.sleep(0.05)
    assert done.wait(5)
    assert outcome == ["incomplete"]


def test_a_body_that_comes_steadily_may_take_its_time(serve):
    server = serve(echo, deadlines=QUICK)
    with server.connect() as client:
        client.sendall(head(b"PUT /x HTTP/1.1", b"Content-Length: 12000", CLOSE.strip()))
        for _ in range(12):
            client.sendall(b"x" * 1000)
            time.sleep(0.1)
        assert said(read_all(client)).endswith(b"x" * 12000)


def test_a_client_that_takes_nothing_is_given_up(serve):
    closed = threading.Event()

    async def pieces():
        for _ in range(1000):
            yield bytes(1 << 20)

    async def handler(request):
        return Response(200, [], Stream(1000 << 20, pieces, closed.set))

    server = serve(handler, deadlines=QUICK)
    with server.connect() as client:
        client.sendall(head(b"GET /x HTTP/1.1"))
        assert closed.wait(10)


@pytest.mark.parametrize("pulls", [False, True])
@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_a_client_that_takes_little_but_enough_in_each_period_gets_the_whole(serve, run, pulls):
    data = random.Random(5).randbytes(1 << 20) * 8

    async def pieces():
        for start in range(0, len(data), 1 << 20):
            yield memoryview(data)[start : start + (1 << 20)]

    async def handler(request):
        given = iter(range(0, len(data), 1 << 20))
        pull = (lambda: memoryview(data)[(start := next(given)) : start + (1 << 20)]) if pulls else None
        return Response(200, [], Stream(len(data), pieces, pull=pull))

    server = serve(handler, run=run, deadlines=QUICK)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.settimeout(10)
        client.connect(("127.0.0.1", server.port))
        client.sendall(head(b"GET /x HTTP/1.1", CLOSE.strip()))
        answer = b""
        until = time.monotonic() + 8 * QUICK.progress
        while time.monotonic() < until:
            answer += client.recv(LEAST_TAKEN)
            time.sleep(QUICK.progress / 8)
        assert len(answer) < len(data) / 2
        assert said(answer + read_all(client)) == data


@pytest.mark.parametrize("pulls", [False, True])
def test_a_body_that_cannot_be_read_at_all_is_answered_and_one_that_cannot_in_the_middle_is_cut(serve, pulls, caplog):
    good = 0

    def read(number):
        if number >= good:
            raise StorageUnavailable("cannot read a version: it was changed", hint="restore it from a backup")
        return bytes(LARGE)

    async def pieces():
        for number in range(9):
            yield read(number)

    async def handler(request):
        numbers = iter(range(9))
        pull = (lambda: read(next(numbers))) if pulls else None
        return Response(200, [], Stream(9 * LARGE, pieces, pull=pull))

    server = serve(handler)
    answer = server.talk(head(b"GET /acme/prod HTTP/1.1") + head(b"GET /acme/prod HTTP/1.1", CLOSE.strip()))
    assert answer.count(b"HTTP/1.1 503 ") == 2  # the connection is as good as before
    assert b"\r\n\r\ncannot read a version: it was changed\nhint: restore it from a backup\nrequest id " in answer
    assert "Cannot read a body request=" in caplog.text
    assert "path=/acme/prod error=cannot read a version" in caplog.text
    good = 5
    answer = server.talk(head(b"GET /acme/prod HTTP/1.1"))
    assert status(answer) == 200
    assert said(answer) == bytes(good * LARGE)
    assert "Cannot read a body to its end request=" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_a_body_that_cannot_be_read_when_its_client_has_left_is_only_told_in_the_log(serve, run, caplog):
    left, closed = threading.Event(), threading.Event()

    def pull():
        assert left.wait(10)
        raise StorageUnavailable("cannot read a version: it was changed", hint="try again")

    async def handler(request):
        task = asyncio.ensure_future(request.disconnected())
        task.add_done_callback(lambda _: left.set())
        return Response(200, [], Stream(LARGE, None, closed.set, pull))

    with serve(handler, run=run).connect() as client:
        client.sendall(head(b"GET /x HTTP/1.1"))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert closed.wait(10)
    assert "Cannot read a body request=" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_bodies_from_a_slow_disk_take_turns(serve, run):
    ended, begun = [], threading.Semaphore(0)
    piece = bytes(1 << 16)

    async def handler(request):
        count = 200 if request.raw_path == b"/long" else 8
        left = iter(range(count))

        def pull():
            begun.release()
            time.sleep(0.005)  # a disk that is slower than the client: the socket is never full
            next(left)
            return piece

        return Response(200, [], Stream(count << 16, None, lambda: ended.append(request.raw_path), pull))

    def take(path):
        with server.connect() as client:
            client.sendall(head(b"GET " + path + b" HTTP/1.1", CLOSE.strip()))
            room = bytearray(1 << 20)
            while client.recv_into(room):
                pass

    server = serve(handler, run=run)
    takers = [threading.Thread(target=take, args=(b"/long",)) for _ in range(4)]
    for taker in takers:
        taker.start()
    for _ in takers:
        begun.acquire()
    take(b"/short")
    for taker in takers:
        taker.join()
    assert ended[0] == b"/short"


def test_a_slow_answer_is_not_cut_by_the_clients_clocks(serve):
    async def handler(request):
        async for _ in request.chunks():
            pass
        await asyncio.sleep(1.5)
        return Response(200, [], b"late")

    server = serve(handler, deadlines=QUICK)
    assert said(server.talk(head(b"PUT /x HTTP/1.1", b"Content-Length: 2", CLOSE.strip()) + b"hi")) == b"late"
