"""Nobody removes a blob while somebody copies, in whatever process."""

from __future__ import annotations

from pathlib import Path

from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.holds import HOLD_SECONDS, held, is_held
from lockhouse.storage.memory import MemoryStore
from tests.unit.storage.test_sweep import names, put


def test_a_sweep_removes_nothing_while_a_copy_is_made(tmp_path: Path):
    store = MemoryStore()
    orphan = put(tmp_path, at=1.0)
    with held(store, lambda: 1000.0):
        assert is_held(store, 1000.0)
        assert sweep(FileBlobs(tmp_path), store, now=1000.0, grace=0.0) == 0
    assert not is_held(store, 1000.0)
    assert names(tmp_path) == {orphan}
    assert sweep(FileBlobs(tmp_path), store, now=1000.0, grace=0.0) == 1


def test_the_hold_of_a_process_that_died_ends_by_itself(tmp_path: Path):
    store = MemoryStore()
    store.write(lambda tx: None)
    with held(store, lambda: 1000.0):
        assert is_held(store, 1000.0 + HOLD_SECONDS - 1)
        assert not is_held(store, 1000.0 + HOLD_SECONDS)


def test_two_copies_hold_each_for_itself():
    store = MemoryStore()
    with held(store, lambda: 0.0):
        with held(store, lambda: 0.0):
            pass
        assert is_held(store, 0.0)
