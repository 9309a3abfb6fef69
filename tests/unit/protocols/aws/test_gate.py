"""What the gate does around a signature: whose words it refuses in, which bodies it reads, and who is told of a caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from lockhouse.core.principals import Identity
from lockhouse.errors import CredentialExpired, Problem, RequestInvalid
from lockhouse.protocols.aws.gate import MAX_FORM_BYTES, MAX_WHOLE_BYTES, Call, Gate, Service
from lockhouse.protocols.web import Request, Response
from tests.unit.protocols.aws.shapes import Signing, with_headers

SIGNING = Signing()
ALICE = Identity("P1", "alice", SIGNING.key_id, ())
TARGET = (b"x-amz-target", b"DynamoDB_20120810.GetItem")
FORM_TYPE = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")


@dataclass
class Desk:
    """A gate before services that answer with their name and the body that they were given."""

    at_once: bool = True
    problem: Exception | None = None
    expired: bool = False
    told: list[Identity] = field(default_factory=list)
    read: int = 0

    def access_key(self, access_key_id, session_token, finish=None):
        if self.expired and finish is None:
            raise CredentialExpired("cannot accept this: it has ended", hint="", access_key_id=access_key_id)
        return (SIGNING.secret.encode(), ALICE) if access_key_id == SIGNING.key_id else None

    async def asking(self, question):
        return question()

    def seen(self, who):
        self.told.append(who)

    def service(self, name: str) -> Service:
        async def serve(call: Call) -> Response:
            if self.problem:
                raise self.problem
            assert call.caller.who is ALICE
            return Response(200, [], name.encode() + b" " + call.body)

        def refuse(request: Request, problem: Problem | None) -> Response:
            return Response(400, [], f"{name} {problem.code if problem else 'internal'}".encode())

        return Service(name, serve, refuse, finish=lambda _request, body: "finish" if body == b"finish" else None)

    def ask(self, parts, body: bytes = b"", refusal: Problem | None = None) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            self.read += 1
            yield body

        async def unsigned(request: Request, form: bytes) -> Response:
            return Response(200, [], b"unsigned " + form)

        services = {each: self.service(each) for each in ("s3", "dynamodb", "sts")}
        gate = Gate(services, self, time.time, unsigned)  # botocore signs with the machine's clock
        self.request = Request(
            parts.method,
            parts.raw_path,
            parts.raw_query,
            parts.headers,
            "https",
            "",
            "r",
            chunks,
            None,
            refusal=refusal,
        )
        return asyncio.run(gate(self.request))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_body_without_a_stated_hash_is_read_and_proved_before_its_service_has_it(at_once: bool):
    for service, seen in (("dynamodb", b"dynamodb {}"), ("sts", b"sts {}"), ("s3", b"s3 ")):
        desk = Desk(at_once=at_once)
        signed = SIGNING.signed("POST", body=b"{}", service=service)
        assert desk.ask(signed, b"{}").body == seen
        assert (desk.read, desk.told) == (int(service != "s3"), [ALICE])
        assert (desk.request.trail.who, desk.request.trail.protocol) == (ALICE, service)
        if service != "s3":
            assert desk.ask(signed, b"{ }").body == f"{service} signature.mismatch".encode()
            assert desk.told == [ALICE]


def test_a_stated_hash_of_another_body_changes_nothing_where_the_body_itself_is_hashed():
    said = [("x-amz-content-sha256", "0" * 64)]
    signed = SIGNING.signed("POST", body=b"{}", headers=said, service="dynamodb")
    assert Desk().ask(signed, b'{"a":1}').status == 400


@pytest.mark.parametrize(("size", "status"), [(MAX_WHOLE_BYTES, 200), (MAX_WHOLE_BYTES + 1, 400)])
def test_what_is_read_whole_is_bounded(size: int, status: int):
    body = bytes(size)
    assert Desk().ask(SIGNING.signed("POST", body=body, service="dynamodb"), body).status == status


@pytest.mark.parametrize(
    ("method", "headers", "words"),
    [
        ("POST", [TARGET], "dynamodb"),
        ("POST", [TARGET, FORM_TYPE], "dynamodb"),
        ("POST", [FORM_TYPE], "sts"),
        ("PUT", [FORM_TYPE], "s3"),
        ("POST", [(b"content-type", b"text/plain")], "s3"),
        ("GET", [], "s3"),
    ],
)
def test_who_does_not_say_a_scope_is_refused_in_the_words_of_its_protocol(method, headers, words):
    desk = Desk()
    parts = with_headers(SIGNING.signed(method), *headers, (b"authorization", b"Bearer x"))
    assert desk.ask(parts).body == f"{words} signature.missing".encode()
    assert desk.request.trail.code == "signature.missing"
    assert desk.told == []


def test_who_says_a_scope_is_refused_in_the_words_of_its_service():
    signed = SIGNING.signed("POST", body=b"{}", service="dynamodb", secret="another")
    assert Desk().ask(signed, b"{}").body == b"dynamodb signature.mismatch"
    assert Desk().ask(SIGNING.signed(service="execute-api")).body == b"s3 signature.malformed"


def test_a_key_that_nobody_has_is_refused_and_nobody_was_seen():
    desk = Desk()
    assert desk.ask(Signing(key_id="LHAKEXAMPLE0000000002").signed()).body == b"s3 credential.unknown"
    assert desk.told == []


def test_what_the_edge_refuses_and_what_fails_within_is_told_by_the_service(caplog: pytest.LogCaptureFixture):
    desk = Desk()
    assert desk.ask(SIGNING.signed(), refusal=RequestInvalid("cannot", hint="")).body == b"s3 request.invalid"
    assert desk.told == []
    desk.problem = ZeroDivisionError("secret")
    assert desk.ask(SIGNING.signed("POST", service="dynamodb")).body == b"dynamodb internal"
    assert desk.ask(SIGNING.signed()).body == b"s3 internal"
    assert [each.levelname for each in caplog.records] == ["ERROR", "ERROR"]


def test_a_credential_that_has_ended_may_finish_what_its_service_calls_so():
    desk = Desk(expired=True)
    for body, answer in ((b"finish", b"dynamodb finish"), (b"begin", b"dynamodb credential.expired")):
        assert desk.ask(SIGNING.signed("POST", body=body, service="dynamodb"), body).body == answer
    assert desk.told == [ALICE]


def test_the_one_form_without_a_signature_is_a_post_to_the_root_and_nothing_else():
    url = f"http://{SIGNING.host}/"
    form = with_headers(SIGNING.signed("POST", url), FORM_TYPE, drop=("authorization",))
    assert Desk().ask(form, b"Action=X").body == b"unsigned Action=X"
    assert Desk().ask(form, bytes(MAX_FORM_BYTES)).status == 200
    assert Desk().ask(form, bytes(MAX_FORM_BYTES + 1)).status == 400
    for other in (
        with_headers(SIGNING.signed("PUT", url), FORM_TYPE, drop=("authorization",)),
        with_headers(SIGNING.signed("POST", f"{url}a"), FORM_TYPE, drop=("authorization",)),
        with_headers(SIGNING.signed("POST", f"{url}?a=b"), FORM_TYPE, drop=("authorization",)),
        with_headers(form, TARGET),
        with_headers(form, (b"content-type", b"text/plain")),
        with_headers(form, (b"authorization", b"Bearer x")),
    ):
        assert Desk().ask(other).status == 400
