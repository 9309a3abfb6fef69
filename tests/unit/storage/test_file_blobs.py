"""What is synced before the name of a blob is given out, in every run of the tests and not only where power can be cut."""

from __future__ import annotations

import fcntl
import gc
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockhouse.errors import StorageFull, StorageUnavailable
from lockhouse.storage.blobs import files
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.reserve import Reserve


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, tuple[str, ...]]]:
    """(inode, what is in it if it is a directory) at each sync, in order. The syncs themselves are made."""
    seen: list[tuple[int, tuple[str, ...]]] = []
    fsync, control = os.fsync, fcntl.fcntl

    def note(file: int) -> None:
        facts = os.fstat(file)
        seen.append((facts.st_ino, tuple(sorted(os.listdir(file))) if stat.S_ISDIR(facts.st_mode) else ()))

    def noted_fsync(file: int) -> None:
        fsync(file)
        note(file)

    def noted_control(file: int, wish: int, *more: int) -> object:
        answer = control(file, wish, *more)
        if wish == getattr(fcntl, "F_FULLFSYNC", None):  # how macOS is asked for a file
            note(file)
        return answer

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(fcntl, "fcntl", noted_control)
    return seen


def test_the_bytes_then_their_directories_are_synced_before_a_name_is_given(tmp_path: Path, synced):
    root = tmp_path / "blobs"
    blobs = FileBlobs(root)
    writer = blobs.create()
    writer.write(b"bytes")
    synced.clear()
    name = writer.finish()

    place = root / name[:2] / name
    first, second, third = synced
    assert first == (place.stat().st_ino, ())
    assert second[0] == root.stat().st_ino
    assert name[:2] in second[1]
    assert third == (place.parent.stat().st_ino, (name,))


def test_a_second_blob_in_a_directory_is_synced_with_its_entry(tmp_path: Path, synced):
    root = tmp_path / "blobs"
    blobs = FileBlobs(root)
    blobs.put("ab" + "0" * 30, [b"first"])
    synced.clear()
    blobs.put("ab" + "1" * 30, [b"second"])
    assert [inode for inode, _ in synced] == [
        (root / "ab" / ("ab" + "1" * 30)).stat().st_ino,
        (root / "ab").stat().st_ino,
    ]
    assert synced[-1][1] == ("ab" + "0" * 30, "ab" + "1" * 30)


def test_the_directory_of_blobs_is_durable_before_anything_is_in_it(tmp_path: Path, synced):
    root = tmp_path / "blobs"
    FileBlobs(root)
    assert synced == [(root.stat().st_ino, ("incoming",)), (tmp_path.stat().st_ino, ("blobs",))]


def test_no_name_is_given_in_a_directory_that_another_thread_makes_before_that_is_durable(tmp_path: Path, monkeypatch):
    blobs = FileBlobs(tmp_path / "blobs")
    making, go_on = threading.Event(), threading.Event()
    real = files.sync_directory

    def slow(path: Path) -> None:
        if path == tmp_path / "blobs":
            making.set()
            assert go_on.wait(60)
        real(path)

    monkeypatch.setattr(files, "sync_directory", slow)
    with ThreadPoolExecutor(2) as pool:
        try:
            first = pool.submit(blobs.put, "ab" + "0" * 30, [b"first"])
            assert making.wait(60)
            second = pool.submit(blobs.put, "ab" + "1" * 30, [b"second"])
            with pytest.raises(TimeoutError):
                second.result(0.5)
        finally:
            go_on.set()
        first.result(60)
        second.result(60)


def test_a_directory_that_somebody_removed_while_it_was_empty_is_made_again(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    blobs.put("ab" + "0" * 30, [b"first"])
    blobs.delete("ab" + "0" * 30)
    (tmp_path / "blobs" / "ab").rmdir()
    blobs.put("ab" + "1" * 30, [b"second"])
    assert [name for name, _ in blobs.names()] == ["ab" + "1" * 30]


def test_nobody_else_may_look_into_the_directory_or_into_a_body(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    blobs.put("ab" + "0" * 30, [b"bytes"])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blobs", *blobs._root.rglob("*"))}
    assert modes == {"blobs": 0o700, "incoming": 0o700, "ab": 0o700, "ab" + "0" * 30: 0o600}


def test_what_is_opened_to_be_read_alone_is_left_as_it_is(tmp_path: Path):
    root = tmp_path / "blobs"
    FileBlobs(root, read_only=True)
    assert not root.exists()
    FileBlobs(root).put("ab" + "0" * 30, [b"bytes"])
    (root / "incoming" / "half").write_bytes(b"left")
    (root / "note").write_bytes(b"somebody's own")
    assert [name for name, _ in FileBlobs(root, read_only=True).names()] == ["ab" + "0" * 30]
    assert (root / "incoming" / "half").exists()
    FileBlobs(root)
    assert not (root / "incoming" / "half").exists()


def test_a_body_that_cannot_be_carried_to_its_end_or_has_no_such_name_leaves_nothing(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise KeyError("the source is gone")

    for name, pieces, problem in (
        ("ab" + "0" * 30, broken(), KeyError),
        ("../" + "a" * 29, [b"x"], StorageUnavailable),
    ):
        with pytest.raises(problem) as kept:  # the error may be kept: what was written goes at once
            blobs.put(name, pieces)
        assert list((tmp_path / "blobs").rglob("*")) == [tmp_path / "blobs" / "incoming"], kept


def test_a_client_of_a_server_is_told_of_a_full_disk_and_no_path(tmp_path: Path):
    reserve = Reserve(tmp_path / "reserve", 4096)
    reserve.take()
    served, own = FileBlobs(tmp_path / "served", reserve=reserve), FileBlobs(tmp_path / "own")
    for blobs, place in ((served, "the data directory"), (own, str(tmp_path / "own"))):
        writer = blobs.create()
        with Path("/dev/full").open("wb") as full:
            os.dup2(full.fileno(), writer._file)
        with pytest.raises(StorageFull) as refused:
            writer.write(b"x")
        assert f"the disk of {place} is full" in refused.value.message
        assert list(blobs._incoming.iterdir()) == []
    reserve.give_up()
    with pytest.raises(StorageFull, match="the data directory"):
        served.create()
    own.create().abort()


def test_of_a_body_that_nobody_finishes_nothing_is_left(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    writer = blobs.create()
    writer.write(b"half")
    del writer
    gc.collect()
    assert list(blobs._incoming.iterdir()) == []
