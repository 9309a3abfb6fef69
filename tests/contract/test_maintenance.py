"""Maintenance is kept by place, and nobody decides as if it were not there once it is committed."""

from __future__ import annotations

import contextlib
from pathlib import Path

from msgspec.structs import replace

from lockhouse.core.maintenance import Maintenance
from lockhouse.core.ports import Store, Transaction
from lockhouse.core.records import Namespace
from lockhouse.storage.sql.postgres import PostgresStore
from tests.contract.conftest import cluster, postgres_store
from tests.contract.samples import HOME


def maintenance(namespace: str = "acme", prefix: str = "", *, exact: bool = False, reason: str = "r") -> Maintenance:
    return Maintenance("m", namespace, prefix, reason, 1.5, "p", "ann", 9.5, exact)


def test_it_is_kept_by_place(store: Store):
    one, two = maintenance(prefix="b"), maintenance(prefix="a")
    exact, other = maintenance(prefix="a", exact=True), maintenance("other")
    for each in (one, other, exact, two):
        store.write(lambda tx, each=each: tx.save_maintenance(each))
    assert list(store.read(lambda r: r.maintenances("acme"))) == [two, exact, one]
    assert list(store.read(lambda r: r.maintenances())) == [two, exact, one, other]
    assert list(store.read(lambda r: r.maintenances("none"))) == []
    again = replace(two, reason="another", until=0.0)
    store.write(lambda tx: tx.save_maintenance(again))
    assert list(store.read(lambda r: r.maintenances("acme"))) == [again, exact, one]
    store.write(lambda tx: tx.delete_maintenance(two))
    store.write(lambda tx: tx.delete_maintenance(two))
    assert list(store.read(lambda r: r.maintenances("acme"))) == [exact, one]


def test_a_command_sees_its_own_and_an_undone_one_leaves_none(store: Store):
    def start(tx: Transaction) -> int:
        assert not tx.maintenances("acme")
        tx.save_maintenance(maintenance())
        return len(tx.maintenances("acme"))

    def fail(tx: Transaction) -> None:
        start(tx)
        raise LookupError

    with contextlib.suppress(LookupError):
        store.write(fail)
    assert not store.read(lambda r: r.maintenances("acme"))
    assert store.write(start) == 1
    assert store.write(lambda tx: list(tx.maintenances("acme"))) == [maintenance()]


def test_it_goes_with_its_namespace(store: Store):
    store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    store.write(lambda tx: tx.save_maintenance(maintenance()))
    store.write(lambda tx: tx.save_maintenance(maintenance("other")))
    store.write(lambda tx: tx.delete_namespace("acme"))
    assert list(store.read(lambda r: r.maintenances())) == [maintenance("other")]


def test_every_server_on_one_database_decides_by_it_from_its_commit_on(tmp_path: Path):
    with (
        contextlib.closing(postgres_store(tmp_path)) as here,
        contextlib.closing(PostgresStore(cluster().url)) as there,
    ):

        def decide(tx: Transaction) -> int:
            """As a lock request does: by what is kept, in a transaction that changes something."""
            found = len(tx.maintenances(HOME.namespace))
            tx.ensure_state(HOME)
            return found

        for count, change in enumerate((lambda tx: tx.save_maintenance(maintenance()), lambda tx: None)):
            here.write(change)
            assert [there.write(decide), here.write(decide)] == [1, 1], count
        here.write(lambda tx: tx.delete_maintenance(maintenance()))
        assert there.write(decide) == 0
        assert not there.read(lambda r: r.maintenances(HOME.namespace))
