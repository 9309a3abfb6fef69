"""Which keys the options of offline commands name."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from lockhouse.cli.places import ring_of
from lockhouse.errors import RequestInvalid
from lockhouse.sealing.ring import key_id, key_text


def test_a_key_file_is_read_and_a_missing_one_is_told(tmp_path: Path):
    kek = secrets.token_bytes(32)
    (tmp_path / "copy.key").write_text(key_text(kek))
    (tmp_path / "copy.key").chmod(0o600)
    ring = ring_of(str(tmp_path / "copy.key"))
    assert ring is not None
    assert ring.ids == {key_id(kek)}
    with pytest.raises(RequestInvalid):
        ring_of(str(tmp_path / "another.key"))


@pytest.mark.parametrize("named", ["", "off"])
def test_no_key_is_asked_for_where_none_can_be_had(named: str):
    assert ring_of(named) is None
