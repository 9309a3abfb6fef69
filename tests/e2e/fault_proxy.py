"""A faulty line between a client and a server: it loses one answer or cuts one body, and lists the requests it saw.

Bytes pass through unchanged, the Host header included, so signatures stay valid for a server that checks them against
the Host it was sent. HTTP/1.1 only, as RFC 9112 frames it: Content-Length, chunked, Expect: 100-continue.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

_LINE_SECONDS = 120


@dataclass(frozen=True)
class Seen:
    """One request that went through, numbered from 1 since the last fault was set."""

    number: int
    method: str
    target: str
    headers: dict[str, str]
    status: int
    """What the server answered; 0 if the body was cut and no answer was awaited."""
    lost: bool

    @property
    def title(self) -> str:
        """A short name: `PUT /bucket/key`, `DynamoDB PutItem`, `POST /`."""
        return _title(self.method, self.target, self.headers)


class FaultProxy:
    """One listening address in front of one server."""

    def __init__(self, endpoint: str) -> None:
        """Listen on a free port of the loopback interface."""
        address = urlsplit(endpoint)
        self._upstream = (address.hostname or "127.0.0.1", address.port or 80)
        self._lock = threading.Condition()
        self._count = 0
        self._lose = 0
        self._cut: tuple[int, int] | None = None
        self._begun: list[str] = []
        self._seen: list[Seen] = []
        proxy = self

        class Line(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # a client or a server that goes away is what this line is for
                    proxy._serve(self.connection, self.rfile)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.request_queue_size = 64
        self._server.server_bind()
        self._server.server_activate()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def lose_answer(self, number: int) -> None:
        """From now on count from 1, deliver request `number`, and drop the connection instead of its answer."""
        self._set(lose=number)

    def cut_body(self, number: int, after: int) -> None:
        """From now on count from 1, and of request `number` deliver only `after` bytes of its body, then hang up."""
        self._set(cut=(number, after))

    def behave(self) -> None:
        """No fault; count from 1."""
        self._set()

    def seen(self) -> list[Seen]:
        """The requests since the last fault was set, in the order in which they were finished."""
        with self._lock:
            return list(self._seen)

    def wait_until_asked(self, title: str, *, seconds: float = 60) -> None:
        """Wait until a request of that title has been delivered to the server, answered or not."""
        with self._lock:
            assert self._lock.wait_for(lambda: title in self._begun, timeout=seconds), f"{title} not in {self._begun}"

    def wait_until_answered(self, title: str, status: int, *, seconds: float = 60) -> None:
        """Wait until a request of that title has been answered with that status."""

        def answered() -> bool:
            return any((seen.title, seen.status) == (title, status) for seen in self._seen)

        with self._lock:
            assert self._lock.wait_for(answered, timeout=seconds), f"{title} {status} not in {self._seen}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _set(self, *, lose: int = 0, cut: tuple[int, int] | None = None) -> None:
        with self._lock:
            self._count, self._lose, self._cut, self._begun, self._seen = 0, lose, cut, [], []

    def _serve(self, client: socket.socket, requests: BinaryIO) -> None:
        client.settimeout(_LINE_SECONDS)
        with (
            socket.create_connection(self._upstream, timeout=_LINE_SECONDS) as server,
            server.makefile("rb") as answers,
        ):
            while (head := _read_head(requests)) is not None:
                with self._lock:
                    self._count += 1
                    number = self._count
                    lost = number == self._lose
                    cut = self._cut[1] if self._cut and self._cut[0] == number else None
                method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
                headers = _headers(head)
                server.sendall(head)
                if headers.get("expect", "").lower() == "100-continue":
                    client.sendall(_read_head(answers) or b"")
                if not _pass_body(requests, headers, server, cut):
                    self._note(Seen(number, method, target, headers, 0, lost=True))
                    return
                with self._lock:
                    self._begun.append(_title(method, target, headers))
                    self._lock.notify_all()
                if not _wait_for_answer(client, server):
                    return  # the client has gone, so the server must see it go
                answer = _read_head(answers)
                while answer is not None and answer.startswith(b"HTTP/1.1 1"):
                    client.sendall(answer)
                    answer = _read_head(answers)
                if answer is None:
                    return
                status = int(answer.split(b" ", 2)[1])
                body = b"".join(_body(answers, _headers(answer), answered=(method, status)))
                self._note(Seen(number, method, target, headers, status, lost=lost))
                if lost:
                    return
                client.sendall(answer + body)
                if _headers(answer).get("connection", "").lower() == "close":
                    return

    def _note(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)
            self._lock.notify_all()


def _wait_for_answer(client: socket.socket, server: socket.socket) -> bool:
    """Wait until the server says something; False if the client hangs up first."""
    while True:
        ready, _, _ = select.select([client, server], [], [], _LINE_SECONDS)
        if server in ready or not ready:
            return True
        if client in ready and not client.recv(1, socket.MSG_PEEK):
            return False


def _title(method: str, target: str, headers: dict[str, str]) -> str:
    action = headers.get("x-amz-target", "")
    return f"DynamoDB {action.rpartition('.')[2]}" if action else f"{method} {target.partition('?')[0]}"


def _read_head(stream: BinaryIO) -> bytes | None:
    """A request or answer head with its empty line, or nothing at the end of the stream."""
    lines = []
    while line := stream.readline(65536):
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return None


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in head.decode("latin-1").split("\r\n")[1:] if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _body(stream: BinaryIO, headers: dict[str, str], answered: tuple[str, int] | None = None) -> Iterator[bytes]:
    """The body in pieces, framing included."""
    if answered is not None and (answered[0] == "HEAD" or answered[1] in {204, 304}):
        return
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while line := stream.readline(65536):
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while trailer := stream.readline(65536):
                    yield trailer
                    if trailer == b"\r\n":
                        return
            yield stream.read(size + 2)
        return
    if "content-length" in headers:
        left = int(headers["content-length"])
        while left and (piece := stream.read(min(left, 65536))):
            left -= len(piece)
            yield piece
    elif answered is not None:
        yield stream.read()


def _pass_body(requests: BinaryIO, headers: dict[str, str], server: socket.socket, cut: int | None) -> bool:
    """Send a request's body on; False if it was cut."""
    sent = 0
    for piece in _body(requests, headers):
        if cut is not None and sent + len(piece) > cut:
            server.sendall(piece[: cut - sent])
            return False
        server.sendall(piece)
        sent += len(piece)
    return cut is None
