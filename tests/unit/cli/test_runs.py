"""Versions of one run are one line."""

from __future__ import annotations

import msgspec

from lockhouse.cli.commands.states import by_run
from lockhouse.protocols.api.wire import VersionDocument

VERSION = VersionDocument(
    id="1.x",
    number=1,
    created_at="2026-01-01T00:00:00Z",
    current=False,
    deleted=False,
    size=1,
    md5="",
    sha256="",
    serial=1,
    lineage="",
    terraform_version="",
    resources=0,
    outputs=0,
    encrypted=False,
    by="ann",
    protocol="s3",
    peer="",
    agent="",
    lock_id="",
    mark="",
)


def version(number: int, lock_id: str = "", **more: object) -> VersionDocument:
    return msgspec.structs.replace(VERSION, number=number, lock_id=lock_id, **more)


def test_snapshots_of_one_run_are_counted_behind_its_last_version():
    found = [version(6, "b"), version(5, "a"), version(4, "a"), version(3, "a"), version(2), version(1)]
    assert [(each.number, count) for each, count in by_run(found)] == [(6, 0), (5, 2), (2, 0), (1, 0)]


def test_what_came_about_in_a_special_way_keeps_its_line():
    found = [version(3, "a"), version(2, "a", mark="override"), version(1, "a", deleted=True)]
    assert [(each.number, count) for each, count in by_run(found)] == [(3, 0), (2, 0), (1, 0)]
