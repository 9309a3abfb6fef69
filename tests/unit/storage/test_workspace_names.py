"""Workspace names of states that were written before names were kept beside them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.workspaces import Workspace
from lockhouse.storage.sql import name_blocks
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.contract.samples import version, write_version


def test_states_of_an_older_version_are_found_by_name_before_and_after_they_are_settled(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    for number in range(7):
        address = Address("acme", f"app/{number}.tfstate")
        store.write(lambda tx, address=address: write_version(tx, address, version(1)))
    named = Address("acme", "app/3.tfstate")
    store.write(lambda tx: tx.save_workspace(Workspace("ws-3", named, "three", 1.0, 1.0)))
    store.close()
    connection = apsw.Connection(str(tmp_path / "db"))
    connection.execute("UPDATE states SET awaits = NULL WHERE key <> 'app/6.tfstate'")
    connection.close()

    store = SqliteStore(tmp_path / "db")
    expected = [f"app/{number}.tfstate" for number in (0, 1, 2, 4, 5, 6)]

    def check() -> None:
        assert store.read(lambda tx: tx.unnamed_states("acme")) == expected
        assert store.read(lambda tx: tx.states_suggesting("acme", "app-2")) == ["app/2.tfstate"]
        assert store.read(lambda tx: tx.states_suggesting("acme", "app-3")) == []

    check()
    assert [store.write(lambda tx: tx.settle_names(4)) for _ in range(3)] == [4, 2, 0]
    check()
    store.close()


def test_names_of_an_older_version_are_counted_before_and_after_they_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(name_blocks, "MOST", 6)
    names = [f"w{number:02}" for number in range(17)]

    def add(name: str) -> None:
        workspace = Workspace(f"ws-{name}", Address("acme", name), name, 1.0, 1.0)
        store.write(lambda tx: tx.save_workspace(workspace))

    def check() -> None:
        assert store.read(lambda tx: tx.count_workspaces("acme")) == len(names)
        for skip in range(len(names) + 1):
            page = store.read(lambda tx, skip=skip: tx.workspaces("acme", limit=2, skip=skip))
            assert [each.name for each in page] == names[skip : skip + 2]

    def blocks() -> list[int]:
        with closing(apsw.Connection(str(tmp_path / "db"))) as connection:
            return [row[0] for row in connection.execute("SELECT names FROM workspace_blocks ORDER BY first")]

    store = SqliteStore(tmp_path / "db")
    for name in names:
        add(name)
    assert sum(blocks()) == 17
    assert max(blocks()) <= 6
    store.close()
    with closing(apsw.Connection(str(tmp_path / "db"))) as connection:
        connection.execute("DELETE FROM workspace_blocks")
    store = SqliteStore(tmp_path / "db")
    check()
    names.append("w99")
    add("w99")
    assert blocks() == [3, 3, 3, 3, 6]
    check()
    store.close()
