"""Sending a review: one POST with the token, and the token goes nowhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lockhouse.review.send import SendFailed, send


class Server(HTTPServer):
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.headers, self.seen = status, headers, []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b'{"id": "rev-1", "url": "/console/reviews/rev-1"}')

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator:
    servers = []

    def start(status: int, **headers: str) -> Server:
        server = Server(status, headers)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_review_is_posted_once_with_the_bearer_token(serve):
    server = serve(201)
    where = send({"schema": "lockhouse.review/1"}, f"http://127.0.0.1:{server.server_port}/", "secret")
    assert where == "/console/reviews/rev-1"
    path, authorization, body = server.seen[0]
    assert (path, authorization, json.loads(body)) == (
        "/lockhouse/v1/reviews",
        "Bearer secret",
        {"schema": "lockhouse.review/1"},
    )


def test_a_redirect_is_not_followed(serve):
    other = serve(201)
    server = serve(307, Location=f"http://127.0.0.1:{other.server_port}/lockhouse/v1/reviews")
    with pytest.raises(SendFailed):
        send({}, f"http://127.0.0.1:{server.server_port}", "secret")
    assert other.seen == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 500])
def test_a_refusal_is_an_error_without_the_token(serve, status: int):
    server = serve(status)
    with pytest.raises(SendFailed) as refused:
        send({}, f"http://127.0.0.1:{server.server_port}", "secret-token")
    assert str(status) in refused.value.message
    assert "secret-token" not in refused.value.message + refused.value.hint
