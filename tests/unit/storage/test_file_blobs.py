"""What is synced before the name of a blob is given out, in every run of the tests and not only where power can be cut."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockhouse.storage.blobs import files
from lockhouse.storage.blobs.files import FileBlobs


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
