"""The HTTP room alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockhouse.protocols.http.room import HttpRoom
from tests.wire.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.mount(b"/http/", HttpRoom(made.house, made.authenticator, lambda: made.now))
    yield made
    made.close()
