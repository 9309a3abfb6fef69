"""A move ends with two equal places, of which one may be served, wherever it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockhouse.errors import DataInvalid, StorageUnavailable
from lockhouse.storage.carry.carrying import Progress, check_served
from lockhouse.storage.carry.layout import layout, newest_schema
from lockhouse.storage.carry.moving import move, undo
from lockhouse.storage.carry.place import Place, open_directory_place
from lockhouse.storage.carry.rows import TableFacts, facts_of
from tests.unit.storage.test_backup import filled


def facts(place: Place) -> dict[str, TableFacts]:
    snapshot = place.snapshot()
    try:
        return {table.name: facts_of(snapshot, table) for table in layout(newest_schema())}
    finally:
        snapshot.close()


def moved(tmp_path: Path, progress=bool) -> tuple[dict[str, TableFacts], dict[str, TableFacts]]:
    with (
        open_directory_place(tmp_path / "data") as source,
        open_directory_place(tmp_path / "new", create=True) as target,
    ):
        move(source, target, progress=progress)
        return facts(source), facts(target)


def served(path: Path) -> None:
    with open_directory_place(path) as place, place.store() as store:
        store.read(check_served)


def test_after_a_move_both_are_equal_and_only_the_new_one_is_served(tmp_path: Path):
    filled(tmp_path / "data").close()
    old, new = moved(tmp_path)
    assert new == old
    assert (old["versions"].rows, old["maintenances"].rows) == (8, 1)
    served(tmp_path / "new")
    with pytest.raises(DataInvalid, match=r"it was moved to .*new"):
        served(tmp_path / "data")


def test_a_mark_is_taken_back_by_undo(tmp_path: Path):
    filled(tmp_path / "data").close()
    moved(tmp_path)
    with open_directory_place(tmp_path / "data") as place:
        assert undo(place) == str(tmp_path / "new")
    served(tmp_path / "data")


def test_a_mark_names_the_same_place_from_wherever_the_command_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    filled(tmp_path / "data").close()
    monkeypatch.chdir(tmp_path)
    moved(Path())
    with pytest.raises(DataInvalid, match=str(tmp_path / "new")):
        served(tmp_path / "data")
    with pytest.raises(DataInvalid, match="data in it already"):  # and not: moved elsewhere
        moved(tmp_path)


def test_what_is_only_partly_here_is_not_given_back_by_undo(tmp_path: Path):
    filled(tmp_path / "data").close()

    def stop(told: Progress) -> None:
        raise Cut(told.what)

    with pytest.raises(Cut):
        moved(tmp_path, stop)
    with open_directory_place(tmp_path / "new") as place, pytest.raises(DataInvalid, match="only partly here"):
        undo(place)


class Cut(Exception):
    """Stands for the end of the process."""


def steps(tmp_path: Path) -> list[Progress]:
    told: list[Progress] = []
    filled(tmp_path / "data").close()
    moved(tmp_path, told.append)
    return told


def test_a_move_that_is_cut_anywhere_is_completed_by_the_next(tmp_path: Path):
    count = len(steps(tmp_path / "whole"))
    assert count > 20
    for cut in range(0, count, 3):
        here = tmp_path / f"cut-{cut}"
        filled(here / "data").close()
        left = cut

        def stop(told: Progress) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut(told.what)

        with pytest.raises(Cut):
            moved(here, stop)
        with pytest.raises(DataInvalid):
            served(here / "data")
        with pytest.raises(DataInvalid, match="only partly here"):
            served(here / "new")
        old, new = moved(here)
        assert new == old
        served(here / "new")


def test_a_place_with_other_data_is_not_written_to(tmp_path: Path):
    filled(tmp_path / "data").close()
    filled(tmp_path / "new").close()
    with open_directory_place(tmp_path / "new") as place:
        before = facts(place)
    with pytest.raises(DataInvalid, match="data in it already"):
        moved(tmp_path)
    with open_directory_place(tmp_path / "new") as place:
        assert facts(place) == before


def test_a_served_directory_is_not_moved(tmp_path: Path):
    directory = filled(tmp_path / "data")
    with pytest.raises(StorageUnavailable, match="server is using"):
        moved(tmp_path)
    directory.close()


def test_what_a_server_wrote_between_two_runs_arrives_too(tmp_path: Path):
    filled(tmp_path / "data").close()

    def stop(told: Progress) -> None:
        if told.what == "bodies":
            raise Cut

    with pytest.raises(Cut):
        moved(tmp_path, stop)
    with open_directory_place(tmp_path / "data") as place, place.store() as store:
        store.write(lambda tx: tx.delete_parked("p"))
    old, new = moved(tmp_path)
    assert new == old
    assert new["parked"].rows == 0


def test_a_damaged_body_ends_the_move_and_the_new_place_is_not_served(tmp_path: Path):
    filled(tmp_path / "data").close()
    body = next(path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file())
    body.write_bytes(b"x" + body.read_bytes()[1:])
    with pytest.raises(StorageUnavailable, match="versions are damaged"):
        moved(tmp_path)
    with pytest.raises(DataInvalid):
        served(tmp_path / "new")
