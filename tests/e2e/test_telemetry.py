"""OpenTelemetry traces of a real server, as a collector in a process of its own gets them."""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clouds import Lockhouse, client_environment
from tests.e2e.processes import Child
from tests.eventually import eventually

KEY = "very-secret-name.tfstate"
STATE = {"version": 4, "serial": 1, "lineage": "l", "outputs": {"p": {"value": "in-the-state"}}, "resources": []}
LOCK = {"ID": "in-the-lock-document", "Operation": "OperationTypeApply", "Who": "ann@laptop"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """The process, and what it was sent."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "spans.jsonl"
        self.child = Child(
            [sys.executable, "-m", "tests.e2e.otlp_receiver", str(self.file)],
            environment=client_environment(),
            directory=Path(__file__).parents[2],
        )
        port = self.child.wait_for(r"Listening on (\d+)", seconds=30)[1]
        self.url = f"http://127.0.0.1:{port}"

    def requests(self) -> list[dict]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def spans(self) -> list[dict]:
        return [span for each in self.requests() for span in each["spans"]]

    def wait_for(self, wanted: Callable[[list[dict]], bool]) -> list[dict]:
        eventually(lambda: wanted(self.spans()), 30, seen=lambda: [each["name"] for each in self.spans()])
        return self.spans()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    made = Collector(tmp_path)
    yield made
    made.child.end()


def ask(server: Lockhouse, method: str, path: str, document: object = None, token: str = "", **headers: str) -> int:
    data = json.dumps(document).encode() if document is not None else None
    headers = {"authorization": f"Bearer {token or server.token}"} | headers
    request = urllib.request.Request(server.endpoint + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def test_each_request_is_a_span_with_its_transactions_and_nothing_secret(start_lockhouse, collector: Collector):
    server = start_lockhouse(
        settings={
            "LOCKHOUSE_OTEL_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "LOCKHOUSE_LOCK_WAIT": "0",
        }
    )
    path = f"/http/{server.namespace}/{KEY}"
    assert ask(server, "LOCK", path, LOCK, traceparent=f"00-{TRACE}-{PARENT}-01") == 200
    assert ask(server, "POST", f"{path}?ID={LOCK['ID']}", STATE) == 200
    assert ask(server, "LOCK", path, LOCK | {"ID": "another"}) == 423
    assert ask(server, "GET", path, token="lkh_AAAAAAAAAAAAAAAA_" + "a" * 43) == 401
    server.cloud.sdk("s3").get_object(Bucket=server.namespace, Key=KEY)
    assert ask(server, "GET", "/lockhouse/v1/namespaces") == 200
    assert ask(server, "GET", "/readyz") == 200
    assert ask(server, "GET", path, traceparent=f"00-{'1' * 32}-{PARENT}-00") == 200  # the caller does not record it
    found = collector.wait_for(lambda spans: any(each["name"] == "api GET /namespaces" for each in spans))
    server.stop()
    found = collector.spans()

    served = [each for each in found if each["kind"] == 2]  # SERVER
    assert [each["name"] for each in served] == [
        "http LOCK",
        "http POST",
        "http LOCK",
        "http GET",
        "s3 GetObject",
        "api GET /namespaces",
    ]
    first, wrote, refused, stranger, read, listed = served
    assert (first["trace"], first["parent"]) == (TRACE, PARENT)
    assert first["attributes"] | {"lockhouse.request_id": ""} == {
        "http.request.method": "LOCK",
        "http.route": "LOCK",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "lockhouse.protocol": "http",
        "lockhouse.request_id": "",
        "lockhouse.principal.kind": "administrator",
        "lockhouse.namespace": server.namespace,
    }
    assert refused["attributes"]["lockhouse.problem"] == "lock.held"
    assert stranger["attributes"]["lockhouse.problem"] == "credential.unknown"
    assert "lockhouse.principal.kind" not in stranger["attributes"]
    assert listed["attributes"]["http.route"] == "GET /namespaces"
    assert {each["resource"]["service.name"] for each in found} == {"lockhouse"}
    for span in (first, wrote):
        below = [each for each in found if each["parent"] == span["id"]]
        assert {"transaction wait", "transaction", "commit"} <= {each["name"] for each in below}
        for each in below:
            assert each["trace"] == span["trace"]
            assert span["began"] <= each["began"] <= each["ended"] <= span["ended"]
    assert "query" in [each["name"] for each in found if each["parent"] == read["id"]]

    sent = b"".join(bytes.fromhex(each["raw"]) for each in collector.requests())
    for secret in (
        server.token,
        server.cloud.credentials.secret_access_key,
        server.cloud.credentials.access_key_id,
        KEY,
        LOCK["ID"],
        LOCK["Who"],
        "in-the-state",
        "lkh_",
    ):
        assert secret.encode() not in sent, secret


def test_a_collector_that_is_away_costs_nobody_anything(start_lockhouse):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    server = start_lockhouse(settings={"OTEL_EXPORTER_OTLP_ENDPOINT": nowhere, "OTEL_BSP_SCHEDULE_DELAY": "100"})
    for _ in range(20):
        assert ask(server, "GET", "/lockhouse/v1/namespaces") == 200
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10
