"""A console over a fresh data directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockhouse.console.app import Console
from tests.unit.console.browser import Browser
from tests.unit.console.doors import entrance_of
from tests.unit.protocols.api.desk import Desk, opened


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path / "data") as made:
        yield made


@pytest.fixture
def console(desk: Desk) -> Console:
    return Console(desk.house, entrance_of(desk))


@pytest.fixture
def browser(desk: Desk, console: Console) -> Browser:
    return Browser(desk, console)
