"""Keys come from where the setting says, are made once, and are never replaced when one is missing."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from lockhouse.core.data_keys import KeyRecord
from lockhouse.errors import DataInvalid, SettingInvalid
from lockhouse.sealing.ring import key_id, key_text
from lockhouse.sealing.sources import KEY_FILE, KeyFile, Opened, choose_source, open_ring
from lockhouse.storage.memory import MemoryStore

NOTHING: dict[str, str] = {}


def opened(store: MemoryStore, path: Path, setting: str = "", environment: dict[str, str] = NOTHING) -> Opened:
    found = open_ring(choose_source(setting, path, environment), store, 5.0)
    assert found is not None
    return found


def test_the_first_start_makes_a_key_that_later_ones_find(tmp_path: Path):
    store = MemoryStore()
    first = opened(store, tmp_path)
    assert first.made
    file = tmp_path / KEY_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    again = opened(store, tmp_path)
    assert (again.made, again.ring.newest) == (False, first.ring.newest)
    assert [each.id for each in store.read(lambda tx: tx.key_records())] == [first.ring.newest]


def test_a_lost_key_file_is_named_and_no_other_key_is_made(tmp_path: Path):
    store = MemoryStore()
    kek = opened(store, tmp_path).ring.newest
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(DataInvalid, match=kek):
        opened(store, tmp_path)
    assert not (tmp_path / KEY_FILE).exists()
    with pytest.raises(DataInvalid, match=kek):
        opened(store, tmp_path, "off")


def test_another_key_does_not_open_the_data(tmp_path: Path):
    store = MemoryStore()
    kek = opened(store, tmp_path).ring.newest
    (tmp_path / KEY_FILE).write_text(key_text(b"x" * 32))
    with pytest.raises(DataInvalid, match=kek):
        opened(store, tmp_path)
    assert [each.id for each in store.read(lambda tx: tx.key_records())] == [kek]


def test_keys_in_a_variable_work_and_are_made_by_people(tmp_path: Path):
    store = MemoryStore()
    found = opened(store, tmp_path, "env:KEYS", {"KEYS": f"{key_text(b'a' * 32)} {key_text(b'b' * 32)}"})
    assert found.ring.newest == key_id(b"b" * 32)
    with pytest.raises(SettingInvalid, match="KEYS is empty"):
        opened(MemoryStore(), tmp_path, "env:KEYS")
    with pytest.raises(DataInvalid):
        found.source.make(1.0)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path):
    store = MemoryStore()
    opened(store, tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(DataInvalid, match="others may read it"):
        opened(store, tmp_path)


def test_off_seals_nothing(tmp_path: Path):
    assert open_ring(choose_source("off", tmp_path, {}), MemoryStore(), 1.0) is None


def test_one_more_key_is_put_after_the_others(tmp_path: Path):
    source = KeyFile(tmp_path / "keys")
    made = [source.make(1.0)[0] for _ in range(3)]
    assert source.load(()) == made


def test_of_two_servers_that_make_the_first_key_at_once_one_does_not_start(tmp_path: Path):
    store = MemoryStore()

    class Late(KeyFile):
        """Between looking and entering its key, another server enters its own."""

        def make(self, now: float):  # type: ignore[no-untyped-def]
            opened(store, tmp_path / "other")
            return super().make(now)

    (tmp_path / "other").mkdir()
    with pytest.raises(DataInvalid):
        open_ring(Late(tmp_path / "mine.key"), store, 5.0)
    assert len(store.read(lambda tx: tx.key_records())) == 1


def test_two_that_add_a_key_to_one_file_at_once_both_find_it_there(tmp_path: Path):
    """The second one comes between the reading of the file and its writing."""
    file = tmp_path / KEY_FILE
    made: list[bytes] = []
    second = threading.Thread(target=lambda: made.append(KeyFile(file).make(1.0)[0]))

    class Slow(KeyFile):
        def load(self, records: Sequence[KeyRecord]) -> list[bytes]:
            found = super().load(records)
            second.start()
            directory = os.open(tmp_path, os.O_RDONLY)
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return found  # the other one has to wait until this one is done
            finally:
                os.close(directory)
            second.join()
            return found

    made.append(Slow(file).make(1.0)[0])
    second.join()
    assert sorted(KeyFile(file).load(())) == sorted(made)
    assert len(made) == 2
