"""Workspace names of states that were written before names were kept beside them."""

from __future__ import annotations

from pathlib import Path

import apsw

from lockhouse.core.addresses import Address
from lockhouse.core.workspaces import Workspace
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
