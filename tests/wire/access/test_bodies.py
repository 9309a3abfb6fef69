"""Whoever may not write is told so before the body is read: nothing of it is kept, however large it is."""

from __future__ import annotations

import random

import pytest

from lockhouse.core.principals import Right
from tests.wire.access.world import KEY, NAMESPACE, Ask, World

LARGE = random.Random(1).randbytes(600_000)
"""More than fits into a row, and nothing can make it smaller."""


@pytest.mark.parametrize(
    "ask",
    [
        Ask("PUT", f"/{NAMESPACE}/new.bin", LARGE, service="s3"),
        Ask("PUT", f"/{NAMESPACE}/parts.txt?uploadId=upload-of-only-admin&partNumber=1", LARGE, service="s3"),
        Ask("POST", f"/http/{NAMESPACE}/{KEY}", LARGE),
    ],
    ids=["object", "part", "http"],
)
def test_of_a_body_that_somebody_may_not_send_nothing_is_kept(world: World, ask: Ask):
    before = list(world.blobs.names())
    assert world.ask(world.people[Right.READ], ask).refused
    assert list(world.blobs.names()) == before
    if "uploadId" in ask.path:
        assert world.ask(world.people[Right.ADMIN], ask).status == 200
        assert len(list(world.blobs.names())) == len(before) + 1
