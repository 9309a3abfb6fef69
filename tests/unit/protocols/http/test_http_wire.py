"""What a request of `backend "http"` says, and what is none: a broken one must never force a lock or name nobody."""

from __future__ import annotations

import base64

import pytest

from lockhouse.core.addresses import Address
from lockhouse.errors import BodyDigestInvalid, BodyDigestMismatch, MethodNotAllowed, NamespaceInvalid, RequestInvalid
from lockhouse.protocols.http import wire
from lockhouse.protocols.web import Headers


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        (f"Basic {coded('ann:secret')}", ("ann", "secret")),
        (f"bAsIc  {coded('ann:a:b')} ", ("ann", "a:b")),
        (f"Basic {coded(':token')}", ("", "token")),
        (f"Basic {coded('ä:ö')}", ("ä", "ö")),
        (f"Basic {coded('ann')}", None),
        (f"Basic {coded('ann:x')}!", None),
        (f"Basic {coded('ann:x')[:-1]}", None),
        ("Basic " + base64.b64encode(b"\xff:x").decode(), None),
        (f"Bearer {coded('ann:secret')}", None),
        ("", None),
    ],
)
def test_a_name_and_a_password_are_read_or_nobody(text, pair):
    assert wire.decode_basic(text) == pair


@pytest.mark.parametrize(("text", "token"), [("Bearer t", "t"), ("bearer  t ", "t"), ("Basic t", None), ("", None)])
def test_a_token_is_read_or_nobody(text, token):
    assert wire.decode_bearer(text) == token


def test_a_parameter_is_text_that_can_be_printed_and_has_an_end():
    assert wire.decode_parameter(None) == wire.decode_parameter("") == ""
    for text in ("lock-1", "ä b", "x" * wire.MAX_PARAMETER, "\uac00"):
        assert wire.decode_parameter(text) == text
    for text in ("x" * (wire.MAX_PARAMETER + 1), "a\nb", "a\x00", "\ud800", "a\udfff"):
        with pytest.raises(RequestInvalid):
            wire.decode_parameter(text)


def test_a_digest_that_is_none_is_refused_and_another_one_too():
    body = b"body"
    right = base64.b64encode(bytes.fromhex("841a2d689ad86bd1611447453c22c6fc")).decode()

    def check(sent):
        wire.check_document(Headers([(b"content-md5", sent.encode())]), body)

    check(right)
    wire.check_document(Headers([]), body)
    for none in ("", "x", right[:-2], right + "!", coded("x" * 17), coded("x" * 15)):
        with pytest.raises(BodyDigestInvalid):
            check(none)
    with pytest.raises(BodyDigestMismatch):
        check(coded("x" * 16))


def test_an_unlock_forces_only_when_its_body_is_empty():
    document = b'{"ID":"one"}'
    assert wire.decode_lock_id(document) == wire.decode_unlock_id(document) == "one"
    assert wire.decode_unlock_id(b"") == wire.decode_unlock_id(b" \n") == ""
    for broken in (b"{", b"{}", b'{"ID":""}', b'{"ID":1}', b'"one"', b"null"):
        with pytest.raises(RequestInvalid):
            wire.decode_unlock_id(broken)
    with pytest.raises(RequestInvalid):
        wire.decode_lock_id(b"")


def test_the_address_is_the_namespace_and_all_that_follows():
    found = wire.decode_target("GET", b"/http/acme/env%3A/a%2Fb//c")
    assert found.address == Address("acme", "env:/a/b//c")
    assert wire.decode_target("GET", b"/http/acme/lock").address.key == "lock"
    with pytest.raises(MethodNotAllowed) as refused:
        wire.decode_target("TRACE", b"/http/acme/app")
    assert refused.value.details["allow"] == wire.ALLOW
    for path, problem in (
        (b"/http/acme/", RequestInvalid),
        (b"/http/acme", RequestInvalid),
        (b"/http//x", NamespaceInvalid),
    ):
        with pytest.raises(problem):
            wire.decode_target("GET", path)
