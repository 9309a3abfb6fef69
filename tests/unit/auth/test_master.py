"""The master key file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lockhouse.auth.master import MASTER_KEY_FILE, open_master_key, read_master_key
from lockhouse.durable import replace_durably
from lockhouse.errors import DataInvalid


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path):
    key = open_master_key(tmp_path)
    assert len(key) == 32
    assert open_master_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / MASTER_KEY_FILE).stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [MASTER_KEY_FILE]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path):
    open_master_key(tmp_path)
    (tmp_path / MASTER_KEY_FILE).chmod(0o640)
    with pytest.raises(DataInvalid, match="others may read it") as problem:
        open_master_key(tmp_path)
    assert problem.value.hint.startswith("chmod 600 ")


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_file_of_the_wrong_size_is_refused(tmp_path: Path, content: bytes):
    replace_durably(tmp_path / MASTER_KEY_FILE, content)
    with pytest.raises(DataInvalid, match="exactly 32 bytes"):
        open_master_key(tmp_path)


def test_a_missing_key_is_only_made_where_that_is_wanted(tmp_path: Path):
    with pytest.raises(DataInvalid, match="is missing"):
        open_master_key(tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path):
    replace_durably(tmp_path / "elsewhere", bytes(32))
    (tmp_path / MASTER_KEY_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataInvalid):
        open_master_key(tmp_path)


def test_a_mounted_key_may_be_a_link_and_a_group_may_read_it(tmp_path: Path):
    replace_durably(tmp_path / "elsewhere", bytes(range(32)))
    (tmp_path / "elsewhere").chmod(0o640)
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    assert read_master_key(tmp_path / "secret") == bytes(range(32))
    (tmp_path / "elsewhere").chmod(0o644)
    with pytest.raises(DataInvalid, match="everybody may read it"):
        read_master_key(tmp_path / "secret")
    with pytest.raises(DataInvalid, match="cannot open"):
        read_master_key(tmp_path / "nothing")
    for size in (31, 33):
        replace_durably(tmp_path / "wrong", bytes(size))
        with pytest.raises(DataInvalid, match="exactly 32 bytes"):
            read_master_key(tmp_path / "wrong")
