"""One world for all tests of this folder: it is put back before each request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.access.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("gate"))
    yield made
    made.close()
