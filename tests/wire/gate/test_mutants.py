"""Signed requests with one other byte, through everything that the server dispatches: no handler does anything.

A mutant is refused with a status that says so, shows nothing of what is kept, and writes nothing at all; or it spells the
same request differently, and then it does exactly what the request did.
"""

from __future__ import annotations

import hashlib
import random
import string
from collections import Counter
from dataclasses import replace

import pytest

from lockhouse.core.principals import Identity, Right
from tests.wire.access.world import Sent, World
from tests.wire.gate.signing import BODY, Shape, Who, all_shapes, meaning

ALPHABET = (string.ascii_letters + string.digits + '/%&=+-._~:;, *"{}<>\r\n').encode()
IN_HEADERS = bytes(each for each in ALPHABET if each not in b"\r\n")
REFUSALS = {400, 401, 403, 405, 411, 501}
"""501: a mutant of a name that S3 has and that is not offered here."""
MARK = b"vpc-1"
"""What stands in the state."""
NOT_SIGNED = frozenset({b"content-length"})
"""What frames the message: another length is another message, which the edge refuses."""


@pytest.fixture(scope="module")
def shapes(world: World) -> list[Shape]:
    admin = world.people[Right.ADMIN]
    identity = Identity(world._principal(admin), admin.name, admin.key, ())
    issued = world.authenticator.issue_session(identity, seconds=3600.0)
    who = Who(admin.key, admin.secret)
    return all_shapes(who, Who(issued.access_key_id, issued.secret_access_key, issued.session_token))


def other(data: bytes, dice: random.Random, alphabet: bytes) -> bytes:
    at = dice.randrange(len(data))
    byte = dice.choice(alphabet.replace(data[at : at + 1], b""))
    return data[:at] + bytes([byte]) + data[at + 1 :]


def mutant(sent: Sent, dice: random.Random) -> Sent:
    """The request with one other byte, somewhere that is signed; of a long part not oftener than of a short one."""
    places = (
        ["method", "path", "header", "header", "name"] + ["query"] * bool(sent.query) + ["body"] * 3 * bool(sent.body)
    )
    match dice.choice(places):
        case "method":
            return replace(sent, method=other(sent.method.encode(), dice, string.ascii_letters.encode()).decode())
        case "path":
            return replace(sent, path=b"/" + other(sent.path[1:] or b"x", dice, IN_HEADERS))
        case "query":
            return replace(sent, query=other(sent.query, dice, IN_HEADERS))
        case "body":
            return replace(sent, body=other(sent.body, dice, ALPHABET))
        case where:
            fields = list(sent.headers)
            at = dice.choice([place for place, (name, _) in enumerate(fields) if name not in NOT_SIGNED])
            name, value = fields[at]
            names = (string.ascii_lowercase + string.digits + "-").encode()
            fields[at] = (
                (other(name, dice, names), value) if where == "name" else (name, other(value, dice, IN_HEADERS))
            )
            return replace(sent, headers=tuple(fields))


def refuse(world: World, shape: Shape, count: int, dice: random.Random) -> Counter[str]:
    """Send so many mutants of one request. What became of them."""
    original, said = world.send(shape.sent), meaning(shape.sent)
    assert original.status in (200, 204, 206), (shape.name, original)
    seen: Counter[str] = Counter()
    while seen["refused"] < count:
        changed = mutant(shape.sent, dice)
        answer = world.send(changed)
        if answer.status < 300:
            assert meaning(changed) == said, (shape.name, changed, answer)
            if changed.body != shape.sent.body:
                assert shape.framed, (shape.name, changed, answer)
                assert answer.etag.strip('"') == hashlib.md5(BODY).hexdigest(), (shape.name, changed)
            assert (answer.status, answer.etag) == (original.status, original.etag), (shape.name, changed)
            seen["the same, spelled differently"] += 1
            assert seen["the same, spelled differently"] < count // 5 + 20
            continue
        assert answer.status in REFUSALS, (shape.name, changed, answer)
        assert world.untouched, (shape.name, changed, answer)
        assert MARK not in answer.body, (shape.name, changed, answer)
        seen["refused"] += 1
    return seen


def test_ten_thousand_signed_requests_with_one_other_byte_are_refused(world: World, shapes: list[Shape]):
    each = 10_000 // len(shapes) + 1
    dice = random.Random(20261129)
    refused = sum(refuse(world, shape, each, dice)["refused"] for shape in shapes)
    assert refused >= 10_000


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_and_fifty_thousand_signed_requests_with_one_other_byte_are_refused(
    world: World, shapes: list[Shape]
):
    each = 150_000 // len(shapes) + 1
    total: Counter[str] = Counter()
    for number, shape in enumerate(shapes):
        total += refuse(world, shape, each, random.Random(number))
    print(dict(total))
    assert total["refused"] >= 150_000


def test_every_place_of_a_signed_chunk_is_proved(world: World, shapes: list[Shape]):
    """Each byte of a body in chunks, of its framing and of its trailer, one after the other."""
    for shape in shapes:
        if shape.framed:
            for at in range(len(shape.sent.body)):
                raw = bytearray(shape.sent.body)
                raw[at] ^= 1
                answer = world.send(replace(shape.sent, body=bytes(raw)))
                assert answer.status in REFUSALS, (shape.name, at, answer)
                assert world.untouched, (shape.name, at)


def test_a_harness_that_verifies_nothing_would_be_noticed(world: World, shapes: list[Shape], monkeypatch):
    """The same mutants, with a gate that forgets to compare the signature: they come through, and are found."""
    monkeypatch.setattr("lockhouse.protocols.aws.sigv4.hmac.compare_digest", lambda *_: True)
    found = 0
    for shape in shapes:
        try:
            refuse(world, shape, 100, random.Random(1))
        except AssertionError:
            found += 1
    assert found > len(shapes) // 2
