"""The data directory: made private, used by one server at a time, honest about why it cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from lockhouse.errors import StorageFull, StorageUnavailable
from lockhouse.storage.blobs.reach import lacks_bodies
from lockhouse.storage.blobs.rows import RowBlobs
from lockhouse.storage.directory import open_directory
from lockhouse.storage.reserve import Reserve
from lockhouse.storage.sql.migrations import SQLITE
from tests.contract.samples import HOME, version, write_version
from tests.unit.storage.test_backup import filled

REPOSITORY = Path(__file__).parents[3]
HOLDER = (
    "import sys; from lockhouse.storage.directory import open_directory\n"
    "kept = open_directory(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
)


def test_a_directory_is_made_with_all_its_parents_for_its_owner_alone(tmp_path: Path):
    directory = open_directory(tmp_path / "a" / "b" / "data", reserve_bytes=4096)
    directory.close()
    for path in (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "data"):
        assert path.stat().st_mode & 0o777 == 0o700
    private = ["lock", "reserve", "lockhouse.db"]
    assert [(tmp_path / "a/b/data" / name).stat().st_mode & 0o077 for name in private] == [0, 0, 0]


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path):
    directory = open_directory(tmp_path / "data")
    directory.store.write(lambda tx: write_version(tx, HOME, version(1)))
    directory.close()
    again = open_directory(tmp_path / "data")
    assert again.store.read(lambda r: r.current(r.state(HOME))) == version(1)
    again.close()


def test_a_second_server_is_refused_by_name_and_the_first_goes_on(tmp_path: Path):
    directory = open_directory(tmp_path / "data")
    with pytest.raises(StorageUnavailable, match="a Lockhouse server") as caught:
        open_directory(tmp_path / "data")
    assert str(tmp_path / "data") in caught.value.message
    assert caught.value.hint
    directory.store.write(lambda tx: tx.ensure_state(HOME))
    directory.close()
    open_directory(tmp_path / "data").close()


def test_a_server_in_another_process_is_noticed_too(tmp_path: Path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLDER,
            str(tmp_path / "data"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StorageUnavailable, match="a Lockhouse server"):
            open_directory(tmp_path / "data")
        holder.kill()
        holder.wait(20)
        open_directory(tmp_path / "data").close()
    finally:
        holder.kill()
        holder.wait(20)


@pytest.mark.parametrize("wrong", ["a file", "a file as parent", "a strange database"])
def test_a_place_that_cannot_be_used_is_named(tmp_path: Path, wrong: str):
    path = tmp_path / "data"
    if wrong == "a strange database":
        path.mkdir()
        (path / "lockhouse.db").write_bytes(b"this is not a database" * 500)
    else:
        path.write_text("mine")
        path = path if wrong == "a file" else path / "below"
    with pytest.raises(StorageUnavailable) as caught:
        open_directory(path)
    assert str(path) in caught.value.message


def test_newer_data_is_refused_and_the_directory_given_back(tmp_path: Path):
    open_directory(tmp_path / "data").close()
    connection = apsw.Connection(str(tmp_path / "data" / "lockhouse.db"))
    connection.execute("UPDATE schema_version SET version = 99")
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match=f"cannot use {tmp_path}/data/lockhouse.db: it has schema 99"):
            open_directory(tmp_path / "data")
    connection.execute("UPDATE schema_version SET version = ?", (len(SQLITE),))
    connection.close()
    open_directory(tmp_path / "data").close()


def test_unfinished_bodies_of_a_killed_server_are_removed(tmp_path: Path):
    directory = open_directory(tmp_path / "data")
    directory.close()
    (tmp_path / "data" / "blobs" / "incoming" / "left").write_bytes(b"half")
    directory = open_directory(tmp_path / "data")
    assert list((tmp_path / "data" / "blobs" / "incoming").iterdir()) == []
    assert list(directory.blobs.names()) == []
    directory.close()


def test_no_body_is_taken_in_while_the_reserve_is_given_up(tmp_path: Path):
    directory = open_directory(tmp_path / "data", reserve_bytes=4096)
    begun = directory.blobs.create()
    begun.write(b"begun before")
    directory.reserve.give_up()
    with pytest.raises(StorageFull):
        directory.blobs.create()
    with pytest.raises(StorageFull):
        begun.write(b"more")
    begun.abort()
    assert directory.reserve.take()
    writer = directory.blobs.create()
    writer.write(b"again")
    writer.finish()
    directory.close()


def test_the_reserve_occupies_its_room(tmp_path: Path):
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    assert reserve.take()
    assert reserve.take()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
    reserve.give_up()
    reserve.give_up()
    assert not (tmp_path / "reserve").exists()
    assert not Reserve(tmp_path / "reserve", 1 << 60).take()
    assert not (tmp_path / "reserve").exists()


def test_a_place_that_has_none_of_the_bodies_is_noticed(tmp_path: Path):
    directory = filled(tmp_path / "data")
    try:
        assert not lacks_bodies(directory.blobs, directory.store)
        assert lacks_bodies(RowBlobs(directory.store), directory.store)
        for name, _ in list(directory.blobs.names())[:-1]:
            directory.blobs.delete(name)
        assert not lacks_bodies(directory.blobs, directory.store)
    finally:
        directory.close()
    empty = open_directory(tmp_path / "empty")
    assert not lacks_bodies(RowBlobs(empty.store), empty.store)
    empty.close()
