"""Limits of a real server: every protocol says in its own form that somebody must slow down, and nobody else notices."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.clouds import Lockhouse

Start = Callable[..., Lockhouse]
PROXIED = ("--trusted-proxies", "127.0.0.1")


def ask(
    server: Lockhouse, method: str, path: str, *, address: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> httpx.Response:
    fields = {"x-forwarded-for": address} | (headers or {})
    return httpx.request(method, server.endpoint + path, content=body, headers=fields, timeout=30)


def ask_until_refused(server: Lockhouse, method: str, path: str, **options) -> httpx.Response:
    """The allowance grows by one each second: some later request is surely too much."""
    for _ in range(20):
        answer = ask(server, method, path, **options)
        if answer.status_code in (429, 503) or b"hrottling" in answer.content:
            return answer
    raise AssertionError(f"{method} {path} is never refused: {answer.status_code}")


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def slow(start_lockhouse: Start) -> Iterator[Lockhouse]:
    yield start_lockhouse(flags=(*PROXIED, "--address-rate", "1"))


def test_every_protocol_says_slow_down_in_its_own_form(slow: Lockhouse):
    address = "198.51.100.1"
    s3 = ask_until_refused(slow, "GET", "/tfs/app.tfstate", address=address)
    assert s3.status_code == 503
    assert b"<Code>SlowDown</Code>" in s3.content
    assert int(s3.headers["retry-after"]) >= 1
    target = {"x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0"}
    table = ask_until_refused(slow, "POST", "/", address=address, body=b"{}", headers=target)
    assert table.status_code == 400
    assert table.json()["__type"].endswith("#ThrottlingException")
    form = {"content-type": "application/x-www-form-urlencoded"}
    sts = ask_until_refused(slow, "POST", "/", address=address, body=b"Action=GetCallerIdentity", headers=form)
    assert b"<Code>Throttling</Code>" in sts.content
    plain = ask_until_refused(slow, "GET", "/http/acme/prod", address=address, headers=basic("u", slow.token))
    assert plain.status_code == 429
    assert int(plain.headers["retry-after"]) >= 1
    cloud = ask_until_refused(slow, "GET", "/api/v2/ping", address=address)
    assert cloud.status_code == 429
    assert float(cloud.headers["x-ratelimit-reset"]) > 0
    api = ask_until_refused(slow, "GET", "/lockhouse/v1/status", address=address)
    assert api.status_code == 429
    assert api.json()["error"]["code"] == "slow_down"
    assert int(api.headers["retry-after"]) >= 1
    page = ask_until_refused(slow, "GET", "/console/reviews", address=address)
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) >= 1
    assert ask(slow, "GET", "/healthz", address=address).status_code == 200
    assert ask(slow, "GET", "/readyz", address=address).status_code == 200
    assert ask(slow, "GET", "/api/v2/ping", address="198.51.100.2").status_code != 429


def test_wrong_credentials_shut_out_their_address_and_no_other(start_lockhouse: Start):
    server = start_lockhouse(flags=(*PROXIED, "--failure-rate", "5"))
    right, wrong = basic("u", server.token), basic("u", "lht_wrong")
    for _ in range(30):  # a request without any credential is no failed one
        assert ask(server, "GET", "/http/acme/prod", address="198.51.100.1").status_code == 401
    answers = [ask(server, "GET", "/http/acme/prod", address="198.51.100.1", headers=wrong) for _ in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    assert answers[-1].status_code == 429
    assert ask(server, "GET", "/http/acme/prod", address="198.51.100.1", headers=right).status_code == 429
    assert ask(server, "GET", "/http/acme/prod", address="198.51.100.2", headers=right).status_code < 429


def test_a_token_guessed_in_the_sign_in_form_counts_as_a_wrong_credential(start_lockhouse: Start):
    server = start_lockhouse(flags=(*PROXIED, "--failure-rate", "5"))
    address = "198.51.100.1"
    page = ask(server, "GET", "/console/sign-in", address=address)
    form_token = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert form_token is not None
    form = f"form_token={quote(form_token[1])}&next=&token=lht_guessed".encode()
    headers = {
        "origin": server.endpoint,
        "cookie": "; ".join(f"{name}={value}" for name, value in page.cookies.items()),
        "content-type": "application/x-www-form-urlencoded",
    }
    answers = [
        ask(server, "POST", "/console/sign-in", address=address, headers=headers, body=form).status_code
        for _ in range(8)
    ]
    assert answers[0] in (401, 403)
    assert answers[-1] == 429


def test_an_id_token_that_nobody_signed_counts_as_a_wrong_credential(start_lockhouse: Start):
    server = start_lockhouse(flags=(*PROXIED, "--failure-rate", "5"))
    asked, headers = b'{"policy":"deploy","token":"a.b.c"}', {"content-type": "application/json"}
    answers = [
        ask(server, "POST", "/lockhouse/v1/exchange", address="198.51.100.1", headers=headers, body=asked).status_code
        for _ in range(8)
    ]
    assert answers[0] in (401, 403)
    assert answers[-1] == 429


def test_wrong_signatures_count_as_wrong_credentials(start_lockhouse: Start):
    server = start_lockhouse(flags=(*PROXIED, "--failure-rate", "5"))
    seen = []
    for _ in range(7):
        request = AWSRequest("GET", f"{server.endpoint}/tfs/app.tfstate")
        S3SigV4Auth(Credentials("LHAK00000000000000000", "wrong"), "s3", "us-east-1").add_auth(request)
        headers = dict(request.headers.items())
        seen.append(ask(server, "GET", "/tfs/app.tfstate", address="198.51.100.1", headers=headers).status_code)
    assert seen[:5] == [403] * 5
    assert seen[-1] == 503


def test_a_principal_is_limited_from_all_addresses_together(start_lockhouse: Start):
    server = start_lockhouse(flags=(*PROXIED, "--principal-rate", "1"))
    mine = {"authorization": f"Bearer {server.token}"}
    for number in range(40):
        answer = ask(server, "GET", "/lockhouse/v1/status", address=f"198.51.100.{number}", headers=mine)
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "slow_down"
    assert number >= 10 - 1


def test_a_forwarded_address_is_not_believed_from_anybody(start_lockhouse: Start):
    server = start_lockhouse(flags=("--address-rate", "1"))
    codes = {ask(server, "GET", "/api/v2/ping", address=f"198.51.100.{n}").status_code for n in range(40)}
    assert 429 in codes


def test_an_address_has_only_so_many_connections(start_lockhouse: Start):
    server = start_lockhouse(flags=("--max-connections-per-address", "3"))
    host, _, port = server.endpoint.rpartition("/")[2].rpartition(":")
    raw = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    opened = [socket.create_connection((host, int(port)), 10) for _ in range(3)]
    try:
        for each in opened:
            each.sendall(raw)
            assert each.recv(100).startswith(b"HTTP/1.1 200")
        with socket.create_connection((host, int(port)), 10) as one_more:
            assert one_more.recv(100).startswith(b"HTTP/1.1 503")
        opened.pop().close()
        answers = (_first_line(host, int(port), raw) for _ in range(100))
        assert any(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    finally:
        for each in opened:
            each.close()


def _first_line(host: str, port: int, raw: bytes) -> bytes:
    with socket.create_connection((host, port), 10) as client:
        try:
            client.sendall(raw)
            return client.recv(100)
        except ConnectionError:
            return b""


def test_honest_clients_never_meet_the_default_limits(start_lockhouse: Start):
    server = start_lockhouse()
    key = server.cloud.credentials
    credentials = Credentials(key.access_key_id, key.secret_access_key)
    with httpx.Client(base_url=server.endpoint) as client:
        for _ in range(300):
            request = AWSRequest("POST", server.endpoint + "/", data=b"{}")
            request.headers["X-Amz-Target"] = "DynamoDB_20120810.ListTables"
            SigV4Auth(credentials, "dynamodb", "us-east-1").add_auth(request)
            assert client.post("/", content=b"{}", headers=dict(request.headers.items())).status_code == 200
