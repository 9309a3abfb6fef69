"""A body that was opened a moment ago is not opened again, and nothing else is taken for it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockhouse.core.versions import Body
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.outgoing import give_out
from lockhouse.runtime.packing import compress
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.opened import Opened
from lockhouse.sealing.ring import Ring
from lockhouse.storage.blobs.files import FileBlobs

RAW = b"a state " * 1000


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    return Bodies(FileBlobs(tmp_path / "blobs"), Ring([b"k" * 32]))


def row(bodies: Bodies, raw: bytes = RAW, place: bytes = b"here") -> Body:
    secret = bodies.make_secret()
    md5 = hashlib.md5(raw, usedforsecurity=False).digest()
    body = Body(len(raw), md5, hashlib.sha256(raw).digest(), packed=bodies.seal(secret, compress(raw)))
    return bodies.bind(body, secret, place)


def give(body: Body, bodies: Bodies) -> bytes:
    given = asyncio.run(give_out(body, bodies))
    assert isinstance(given, bytes)
    return given


def test_a_body_in_a_row_is_opened_once(bodies: Bodies):
    body = row(bodies)
    first = give(body, bodies)
    assert first == RAW
    assert give(replace(body, packed=bytes(bytearray(body.packed))), bodies) is first


def test_what_was_changed_moved_or_lost_its_key_since_does_not_open(bodies: Bodies):
    body = row(bodies)
    assert give(body, bodies) == RAW
    assert body.key is not None
    changed = bytearray(body.packed)
    changed[40] ^= 1
    for other in (
        replace(body, packed=bytes(changed)),
        replace(body, key=replace(body.key, place=b"there")),
        replace(body, key=replace(body.key, wrapped=body.key.wrapped[:-1] + b"x")),
        replace(body, key=replace(body.key, kek="", wrapped=b"")),
        replace(body, size=body.size - 1),
    ):
        with pytest.raises(StorageUnavailable):
            give(other, bodies)
    assert give(body, bodies) == RAW


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(bodies: Bodies):
    opened = Opened(most=30_000, largest=10_000)
    first, second, third = (row(bodies, bytes([number]) * 9000) for number in range(3))
    for body, raw in ((first, b"1" * 9000), (second, b"2" * 9000), (third, b"3" * 9000)):
        opened.keep(body, raw)
        opened.get(first)
    assert [opened.get(body) is not None for body in (first, second, third)] == [True, True, True]
    opened.get(first)
    opened.keep(row(bodies), b"4" * 9000)
    assert [opened.get(body) is not None for body in (first, second, third)] == [True, False, True]
    large = row(bodies)
    opened.keep(large, b"5" * 10_001)
    assert opened.get(large) is None


def test_a_body_that_is_not_sealed_is_read_each_time(tmp_path: Path):
    bodies = Bodies(FileBlobs(tmp_path / "blobs"))
    body = row(bodies)
    assert body.key is None
    assert give(body, bodies) == RAW
    with pytest.raises(StorageUnavailable):
        give(replace(body, packed=compress(b"b" * len(RAW))), bodies)
