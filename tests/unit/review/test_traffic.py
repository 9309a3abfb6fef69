"""The review beside a server's traffic: which clients still lock through the table."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from typer.testing import CliRunner

from lockhouse.review.command import review_command
from lockhouse.review.review import review
from lockhouse.review.traffic import TrafficUnavailable, addresses, seen, sentence

from .fixtures import FOLDER

REPO = FOLDER / "origin-shape" / "repo"
HISTORY = [
    {
        "number": 3,
        "at": "2026-11-20T10:00:00Z",
        "verb": "lock",
        "facet": "table",
        "name": "ci-old",
        "who": "a@b",
        "operation": "plan",
    },
    {
        "number": 2,
        "at": "2026-11-19T10:00:00Z",
        "verb": "lock",
        "facet": "lockfile",
        "name": "alice",
        "who": "a@b",
        "operation": "plan",
    },
    {
        "number": 1,
        "at": "2026-11-01T10:00:00Z",
        "verb": "lock",
        "facet": "table",
        "name": "ci-old",
        "who": "a@b",
        "operation": "plan",
    },
]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.seen.append((url.path, parse_qs(url.query), self.headers["Authorization"]))
        body = {"history": HISTORY} if url.path.endswith("/lock") else {"states": [{"key": "a.tfstate"}], "next": ""}
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    out = HTTPServer(("127.0.0.1", 0), Handler)
    out.seen, out.status = [], 200
    threading.Thread(target=out.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield out
    out.shutdown()
    out.server_close()


def endpoint(server: HTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_the_addresses_are_those_that_the_backends_name():
    assert addresses(review(REPO)) == (("classla-terraform-state", "infrastructure/terraform.tfstate"),)


def test_each_client_is_told_with_its_last_lock_through_each_facet(server: HTTPServer):
    clients = seen(review(REPO), endpoint(server), "token")
    assert [(c.name, c.facet, c.last) for c in clients] == [
        ("alice", "lockfile", "2026-11-19T10:00:00Z"),
        ("ci-old", "table", "2026-11-20T10:00:00Z"),
    ]
    assert sentence(clients) == "Still lock through the table: ci-old."
    path, query, authorization = server.seen[0]
    assert path == "/lockhouse/v1/namespaces/classla-terraform-state/lock"
    assert query == {"key": ["infrastructure/terraform.tfstate"]}
    assert authorization == "Bearer token"


def test_a_computed_key_asks_for_every_state_of_the_bucket(server: HTTPServer):
    found = review(FOLDER / "backend-config-in-workflow" / "repo")
    assert [(c.key, c.name) for c in seen(found, endpoint(server), "token")] == [
        ("a.tfstate", "alice"),
        ("a.tfstate", "ci-old"),
    ]


def test_a_server_that_refuses_is_an_error_without_the_token(server: HTTPServer):
    server.status = 403
    with pytest.raises(TrafficUnavailable) as refused:
        seen(review(REPO), endpoint(server), "secret-token")
    assert "secret-token" not in refused.value.message + refused.value.hint


def test_the_command_adds_it_to_the_document_and_to_the_json(server: HTTPServer):
    app = typer.Typer()
    app.command()(review_command)
    options = ["--ask", "dynamodb", "--traffic", "--endpoint", endpoint(server), "--token", "t"]
    assert "Still lock through the table: ci-old." in CliRunner().invoke(app, [str(REPO), *options]).stdout
    document = json.loads(CliRunner().invoke(app, [str(REPO), *options, "--json"]).stdout)
    assert document["traffic"]["still_through_the_table"] == ["ci-old"]
    assert CliRunner().invoke(app, [str(REPO), "--traffic"]).exit_code == 2
