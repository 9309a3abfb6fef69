"""The load generator: one thread, epoll, raw sockets, requests built beforehand. The same for every server.

It knows nothing of what it sends: a client is a sequence of requests, each a head and body parts that are sent as they
are, with the status that is expected back. Every client has one request on the way at a time (a closed loop). An answer
is read to its end by Content-Length or chunks and thrown away. A connection that the server closes is made again, and
that is counted. A measurement ends when its time is over or when a client has nothing left to send.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_RECEIVE = 1 << 20
_STALL_SECONDS = 20.0


class Broken(Exception):
    """A server answered something else than the measurement is about."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, built and signed."""

    head: bytes
    body: tuple[memoryview | bytes, ...] = ()
    status: int = 200
    answer: int = -1
    """How long the body of the answer must be, in bytes; -1: anything."""


@dataclass
class Measured:
    """What one measurement saw. Times in seconds."""

    clients: int
    seconds: float
    latencies: list[float] = field(repr=False)
    generator_cpu: float
    connections: int

    @property
    def requests(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """A latency in seconds; `share` between 0 and 1."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class _Line:
    """One client: its connection, what it sends, how much of the answer has come."""

    __slots__ = ("began", "closing", "full", "head", "left", "out", "requests", "sock", "wanted")

    def __init__(self, requests: Iterator[Request]) -> None:
        self.requests = requests
        self.sock: socket.socket | None = None
        self.wanted: Request | None = None
        self.began = 0.0
        self.out: list[memoryview] = []
        self.head = b""
        self.left = -1
        self.full = False
        self.closing = False


class Load:
    """Clients against one address."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._buffer = bytearray(_RECEIVE)
        self._connections = 0

    def run(self, clients: Sequence[Iterator[Request]], seconds: float) -> Measured:
        """Send until the time is over. Raises Broken at the first unexpected answer."""
        self._connections = 0
        lines = [_Line(requests) for requests in clients]
        poll = select.epoll()
        owners: dict[int, _Line] = {}
        latencies: list[float] = []
        clock = time.perf_counter
        for line in lines:
            self._connect(line, poll, owners)
        cpu = time.thread_time()
        begin = clock()
        end = begin + seconds
        busy = 0
        for line in lines:
            busy += self._next(line, poll, clock())
        while busy:
            events = poll.poll(_STALL_SECONDS)
            if not events:
                raise Broken(f"no answer in {_STALL_SECONDS:g} s")
            for number, event in events:
                line = owners[number]
                if event & select.EPOLLOUT and line.out:
                    self._send(line, poll)
                    continue
                if not self._receive(line, poll, owners):
                    continue
                now = clock()
                latencies.append(now - line.began)
                if now >= end or not self._next(line, poll, now):
                    busy -= 1
        spent = clock() - begin
        cpu = time.thread_time() - cpu
        for line in lines:
            if line.sock is not None:
                line.sock.close()
        poll.close()
        return Measured(len(lines), spent, latencies, cpu, self._connections)

    def _connect(self, line: _Line, poll: select.epoll, owners: dict[int, _Line]) -> None:
        line.sock = socket.create_connection(self._address, timeout=10)
        line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sock.setblocking(False)
        owners[line.sock.fileno()] = line
        poll.register(line.sock.fileno(), select.EPOLLIN)
        self._connections += 1

    def _next(self, line: _Line, poll: select.epoll, now: float) -> int:
        """Send the next request; 0 if there is none."""
        request = next(line.requests, None)
        if request is None:
            return 0
        line.wanted = request
        line.began = now
        if not request.body:
            try:
                sent = line.sock.send(request.head)  # type: ignore[union-attr]
            except BlockingIOError:
                sent = 0
            if sent == len(request.head):
                return 1
            line.out = [memoryview(request.head)[sent:]]
        else:
            line.out = [memoryview(part) for part in (request.head, *request.body)]
        self._send(line, poll)
        return 1

    def _send(self, line: _Line, poll: select.epoll) -> None:
        sock = line.sock
        assert sock is not None
        while line.out:
            try:
                sent = sock.sendmsg(line.out)
            except BlockingIOError:
                if not line.full:
                    line.full = True
                    poll.modify(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
                return
            except (BrokenPipeError, ConnectionResetError):
                line.out = []  # refused before the whole body was taken: the answer says why
                break
            while sent:
                first = line.out[0]
                if sent < first.nbytes:
                    line.out[0] = first[sent:]
                    break
                sent -= first.nbytes
                line.out.pop(0)
        if line.full:
            line.full = False
            poll.modify(sock.fileno(), select.EPOLLIN)

    def _receive(self, line: _Line, poll: select.epoll, owners: dict[int, _Line]) -> bool:
        """Take what has come; True when the answer is complete."""
        sock = line.sock
        request = line.wanted
        assert sock is not None
        assert request is not None
        try:
            count = sock.recv_into(self._buffer)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            count = 0
        if line.left > 0 and count:  # the middle of a long body
            line.left -= count
            if line.left or not line.closing:
                return line.left == 0
            self._again(line, poll, owners)
            return True
        if not count:
            return self._closed(line, poll, owners)
        data = bytes(memoryview(self._buffer)[:count])
        if line.head:
            data = line.head + data
        cut = data.find(b"\r\n\r\n")
        if cut < 0:
            line.head = data
            return False
        if data.startswith(b"100", 9):
            line.head = data[cut + 4 :]
            return False
        if not data.startswith(b"%d" % request.status, 9):
            raise Broken(f"expected {request.status} to {request.head[:60]!r}, got {data[:600]!r}")
        body = len(data) - cut - 4
        length = _content_length(data, cut)
        if length < 0:
            return self._without_length(line, data, cut, poll, owners)
        if request.answer >= 0 and length != request.answer:
            raise Broken(f"expected {request.answer} bytes to {request.head[:60]!r}, got {length}")
        line.head = b""
        line.closing = data.find(b"onnection: close", 0, cut) >= 0
        line.left = length - body
        if line.left <= 0:
            if line.closing:
                self._again(line, poll, owners)
            return True
        return False

    def _without_length(self, line: _Line, data: bytes, cut: int, poll: select.epoll, owners: dict[int, _Line]) -> bool:
        assert line.wanted is not None
        if data.startswith(b"204", 9):
            line.head = b""
            if data.find(b"onnection: close", 0, cut) >= 0:
                self._again(line, poll, owners)
            return True
        if b"hunked" in data[:cut]:
            if data.endswith(b"0\r\n\r\n"):
                line.head = b""
                return True
            line.head = data
            return False
        line.head = data  # ends when the server closes
        return False

    def _closed(self, line: _Line, poll: select.epoll, owners: dict[int, _Line]) -> bool:
        had = line.head
        if had and b"\r\n\r\n" in had and _content_length(had, had.find(b"\r\n\r\n")) < 0:
            line.head = b""
            self._again(line, poll, owners)
            return True
        if had or line.left > 0:
            raise Broken("the connection was closed in the middle of an answer")
        raise Broken(f"the connection was closed without an answer to {line.wanted!r:.200}")

    def _again(self, line: _Line, poll: select.epoll, owners: dict[int, _Line]) -> None:
        assert line.sock is not None
        number = line.sock.fileno()
        poll.unregister(number)
        del owners[number]
        line.sock.close()
        self._connect(line, poll, owners)


def _content_length(data: bytes, cut: int) -> int:
    at = data.find(b"ontent-", 0, cut)
    while at >= 0:
        if data[at + 7 : at + 14].lower() == b"length:":
            stop = data.find(b"\r\n", at)
            return int(data[at + 14 : stop])
        at = data.find(b"ontent-", at + 7, cut)
    return -1


def forever(requests: Sequence[Request]) -> Iterator[Request]:
    """The same requests again and again."""
    return itertools.cycle(requests)
