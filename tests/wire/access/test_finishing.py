"""A credential that has ended: every route is asked, and it finishes what it holds a lock for, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.wire.access.probes import Probe, all_probes
from tests.wire.access.world import Answer, World

PROBES = all_probes()
EACH = pytest.mark.parametrize("probe", PROBES, ids=str)
OVER = (b"ExpiredToken", b"credential.expired", b"its time is over")

SIGNED_ADDRESS = "cloud PUT state-uploads/{pass} a workspace"
"""The address is the credential there; tests/wire/tfe has who may use one."""
FINISHES = {
    "s3 HeadObject an object",
    "s3 HeadObject a lock",
    "s3 GetObject an object",
    "s3 GetObject a lock",
    "s3 PutObject an object",
    "s3 CreateMultipartUpload an object",
    "s3 DeleteObject a lock of one's own",
    "s3 DeleteObject another's lock",  # which is its own here
    "dynamodb GetItem a lock",
    "dynamodb GetItem a digest item",
    "dynamodb PutItem a digest item",
    "dynamodb DeleteItem a lock of one's own",
    "dynamodb DeleteItem another's lock",
    "http read a state",
    "http unlock a lock of one's own",
    "http unlock another's lock",  # let in, and refused: it names no lock
    "cloud GET workspaces/{id} a workspace",
    "cloud GET workspaces/{id}/current-state-version a workspace",
    "cloud GET state-versions/{id} a workspace",
    "cloud GET state-versions/{id}/download a workspace",
    "cloud POST workspaces/{id}/state-versions a workspace",
    "cloud POST workspaces/{id}/actions/unlock a lock of one's own",
    "cloud POST workspaces/{id}/actions/unlock another's lock",
}
"""All that is let in while it holds the lock. (A write over http is let in with the id of the lock only; the parts of an
upload belong to another object in these probes.)"""


@pytest.fixture
def grace(world: World) -> Iterator[World]:
    world.authenticator.grace = 3600.0
    yield world
    world.authenticator.grace = 0.0


def ask(world: World, probe: Probe, *, holding: str) -> Answer:
    return world.ask(world.finishing, replace(world.fill(probe.ask, world.finishing), holding=holding))


def is_let_in(answer: Answer, probe: Probe) -> bool:
    unsaid = probe.ask.method == "HEAD" and answer.status == 400  # S3's status of ExpiredToken, without a body
    return not (answer.status == 401 or unsaid or any(each in answer.body for each in OVER))


@EACH
def test_what_is_finished_under_a_held_lock_is_this_and_nothing_more(grace: World, probe: Probe):
    let_in = is_let_in(ask(grace, probe, holding="caller"), probe)
    assert let_in == (str(probe) in FINISHES or str(probe) == SIGNED_ADDRESS)


@EACH
@pytest.mark.parametrize("holding", ["", "other"])
def test_without_its_lock_nothing_is_let_in(grace: World, probe: Probe, holding: str):
    assert is_let_in(ask(grace, probe, holding=holding), probe) == (str(probe) == SIGNED_ADDRESS)
    assert not grace.changed or holding


@EACH
def test_without_grace_nothing_is_let_in(world: World, probe: Probe):
    assert is_let_in(ask(world, probe, holding="caller"), probe) == (str(probe) == SIGNED_ADDRESS)
