"""The implementations that the contract holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockhouse.core.ports import Blobs, Store
from lockhouse.storage.blobs.files import FileBlobs
from lockhouse.storage.memory import MemoryStore
from lockhouse.storage.sql.sqlite import SqliteStore

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda path: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "lockhouse.db"),
}
BLOBS: dict[str, Callable[[Path], Blobs]] = {
    "files": lambda path: FileBlobs(path / "blobs"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture(params=BLOBS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return BLOBS[request.param](tmp_path)
