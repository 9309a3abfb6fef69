"""What is taken in is durable, digested and understood, in whatever pieces it comes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lockhouse.core.bodies import read_facts
from lockhouse.core.versions import Facts
from lockhouse.errors import BodyIncomplete, BodyTooLarge
from lockhouse.runtime.facts import FactsReader
from lockhouse.runtime.intake import BUFFERED_BYTES, PARALLEL_BYTES, THREAD_BYTES, Intake, take_in
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring
from lockhouse.storage.blobs.files import FileBlobs

LIMIT = 1 << 30


def state(size: int, *, value: object = None) -> bytes:
    """A state of about `size` bytes; with a `value`, its resources are no such list as Terraform writes."""
    chance = random.Random(size)
    one = {"mode": "managed", "type": "t", "name": "n", "instances": [{"schema_version": 0, "attributes": {}}]}
    resources = []
    while size > 0:
        attributes = {"input": chance.randbytes(300).hex()}
        resources.append(one | {"instances": [{"schema_version": 0, "attributes": attributes}]})
        size -= 700
    document = {"version": 4, "serial": 3, "lineage": "l", "resources": value or resources}
    return json.dumps(document).encode()


async def pieces(raw: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


@pytest.fixture(params=[True, False], ids=["sealed", "plain"])
def bodies(request: pytest.FixtureRequest, tmp_path: Path) -> Bodies:
    return Bodies(FileBlobs(tmp_path / "blobs"), Ring([b"k" * 32]) if request.param else None)


def take(raw: bytes, bodies: Bodies, *, size: int = 256_000, announced: int = 0, limit: int = LIMIT) -> Intake:
    async def taking() -> Intake:
        facts = FactsReader(bodies)
        return await take_in(pieces(raw, size), bodies, facts, announced, limit=limit, expect_state=False)

    return asyncio.run(taking())


def check(intake: Intake, raw: bytes, bodies: Bodies, facts: Facts | None) -> None:
    body = intake.body
    assert (body.size, body.md5, body.sha256) == (
        len(raw),
        hashlib.md5(raw, usedforsecurity=False).digest(),
        hashlib.sha256(raw).digest(),
    )
    assert intake.facts == facts
    if body.blob:
        reader = bodies.open_new(body.blob, intake.secret)
        assert reader.read(0, reader.size) == raw
        reader.close()


@pytest.mark.parametrize(
    "size", [0, 1000, THREAD_BYTES + 1000, PARALLEL_BYTES + 1000, BUFFERED_BYTES + 1000, 6_000_000]
)
@pytest.mark.parametrize("is_announced", [True, False])
def test_a_state_of_any_size_is_kept_with_its_digests_and_facts(bodies, size, is_announced):
    raw = state(size)
    check(take(raw, bodies, announced=len(raw) if is_announced else 0), raw, bodies, read_facts(raw))


def test_a_large_body_that_comes_in_crumbs_is_the_same(bodies):
    raw = state(3_000_000)
    check(take(raw, bodies, size=1400, announced=len(raw)), raw, bodies, read_facts(raw))


def test_a_large_state_that_is_no_terraforms_is_read_as_a_whole(bodies):
    raw = state(0, value=[["x" * 1000] * 1000 for _ in range(6)])
    facts = read_facts(raw)
    assert facts is not None
    check(take(raw, bodies, announced=len(raw)), raw, bodies, facts)


def test_a_large_state_that_is_cut_off_has_no_facts(bodies):
    raw = state(3_000_000)[:-5]
    check(take(raw, bodies, announced=len(raw)), raw, bodies, None)


def test_a_large_object_that_is_no_state_has_no_facts(bodies):
    raw = random.Random(1).randbytes(3_000_000)
    check(take(raw, bodies, announced=len(raw)), raw, bodies, None)


@pytest.mark.parametrize("announced", [0, 9_000_000])
def test_nothing_is_left_of_a_body_that_did_not_come_to_its_end(bodies, tmp_path, announced):
    raw = state(5_000_000)

    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(raw, 256_000):
            yield piece
        raise BodyIncomplete("the client left")

    async def taking() -> None:
        await take_in(broken(), bodies, FactsReader(bodies), announced, limit=LIMIT, expect_state=True)

    with pytest.raises(BodyIncomplete):
        asyncio.run(taking())
    with pytest.raises(BodyTooLarge):
        take(raw, bodies, announced=announced, limit=4_000_000)
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_nothing_is_left_of_a_body_whose_request_was_given_up(bodies, tmp_path):
    raw = state(5_000_000)

    async def taking() -> None:
        half = asyncio.Event()

        async def stuck() -> AsyncIterator[bytes]:
            async for piece in pieces(raw, 256_000):
                yield piece
            half.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(
            take_in(stuck(), bodies, FactsReader(bodies), 9_000_000, limit=LIMIT, expect_state=True)
        )
        await half.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(taking())
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []
