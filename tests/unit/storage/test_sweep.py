"""The sweep takes orphans and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.records import Part
from lockhouse.core.versions import Body
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.sweep import GRACE_SECONDS, sweep
from lockhouse.storage.memory import MemoryStore
from tests.contract.samples import parked, version, write_version

NOW = 2_000_000_000.0


def put(root: Path, data: bytes = b"body", *, at: float) -> str:
    """A blob of an earlier process."""
    writer = FileBlobs(root, durable=False).create()
    writer.write(data)
    name = writer.finish()
    os.utime(root / name[:2] / name, (at, at))
    return name


def names(root: Path) -> set[str]:
    return {name for name, _ in FileBlobs(root).names()}


def test_an_orphan_goes_after_its_grace(tmp_path: Path):
    old = put(tmp_path, at=NOW - GRACE_SECONDS)
    young = put(tmp_path, at=NOW - GRACE_SECONDS + 1)
    assert sweep(FileBlobs(tmp_path), MemoryStore(), now=NOW) == 1
    assert names(tmp_path) == {young}
    assert old not in names(tmp_path)


def test_whatever_a_version_a_part_or_a_parked_write_refers_to_stays(tmp_path: Path):
    store = MemoryStore()
    kept = [put(tmp_path, at=1.0) for _ in range(3)]
    orphans = [put(tmp_path, at=1.0) for _ in range(520)]
    store.write(lambda tx: write_version(tx, Address("acme", "s"), version(1, blob=kept[0])))
    store.write(lambda tx: tx.save_part("u", Part(1, Body(1, b"", b"", blob=kept[1]), 1.0)))
    store.write(lambda tx: tx.add_parked(parked("p", blob=kept[2])))
    assert sweep(FileBlobs(tmp_path), store, now=NOW) == len(orphans)
    assert names(tmp_path) == set(kept)
    assert sweep(FileBlobs(tmp_path), store, now=NOW) == 0


def test_a_body_about_to_be_committed_survives_a_clock_that_jumps_ten_years(tmp_path: Path):
    blobs = FileBlobs(tmp_path)
    writer = blobs.create()
    writer.write(b"just uploaded")
    name = writer.finish()
    assert sweep(blobs, MemoryStore(), now=NOW + 10 * 365 * 86400) == 0
    assert names(tmp_path) == {name}


def test_a_clock_that_went_back_takes_nothing(tmp_path: Path):
    put(tmp_path, at=NOW)
    assert sweep(FileBlobs(tmp_path), MemoryStore(), now=NOW - 10 * 365 * 86400) == 0


def test_no_blob_is_removed_while_a_backup_copies(tmp_path: Path):
    put(tmp_path, at=1.0)
    blobs = FileBlobs(tmp_path)
    with blobs.sweeping:
        assert sweep(blobs, MemoryStore(), now=NOW) == 0
    assert sweep(blobs, MemoryStore(), now=NOW) == 1


def test_a_sweep_stops_when_it_is_told_to(tmp_path: Path):
    put(tmp_path, at=1.0)
    assert sweep(FileBlobs(tmp_path), MemoryStore(), now=NOW, stop=lambda: True) == 0


@pytest.mark.parametrize("grace", [0.0, 5.0])
def test_the_grace_can_be_set(tmp_path: Path, grace: float):
    put(tmp_path, at=NOW - 5)
    assert sweep(FileBlobs(tmp_path), MemoryStore(), now=NOW, grace=grace) == 1


def test_a_sweep_that_is_told_to_stop_stops_before_the_next_blob(tmp_path: Path):
    orphans = {put(tmp_path, at=1.0) for _ in range(5)}

    def stop() -> bool:
        return len(names(tmp_path)) < len(orphans)

    assert sweep(FileBlobs(tmp_path), MemoryStore(), now=NOW, stop=stop) == 1
    assert len(names(tmp_path)) == 4
