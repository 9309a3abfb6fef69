"""Everything goes from one store to the other and back, and is equal everywhere; for places with a PostgreSQL."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockhouse.auth.authenticator import Authenticator
from lockhouse.auth.master import fingerprint
from lockhouse.cli.tree import app
from lockhouse.core.addresses import Address
from lockhouse.core.ports import Transaction
from lockhouse.errors import DataInvalid
from lockhouse.storage.blobs.rows import RowBlobs
from lockhouse.storage.carry.backup import create, restore, restore_directory
from lockhouse.storage.carry.carrying import Progress, check_served
from lockhouse.storage.carry.database_place import open_database_place
from lockhouse.storage.carry.layout import layout, newest_schema
from lockhouse.storage.carry.moving import move
from lockhouse.storage.carry.place import Place, open_directory_place
from lockhouse.storage.carry.rows import TableFacts
from lockhouse.storage.directory import open_directory
from lockhouse.storage.shared import open_shared
from lockhouse.storage.sql.postgres import PostgresStore
from tests.contract.samples import event
from tests.postgres import Cluster, running_cluster
from tests.unit.storage.test_backup import filled
from tests.unit.storage.test_moving import Cut, facts

ODD = "nul\x00, one\x01, %s ? 'é' 🌊"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as made:
        yield made


@pytest.fixture
def url(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """A new database."""
    name = f"d{abs(hash(request.node.nodeid)) % 10**9}"
    cluster.create_database(name)
    return cluster.url_of(name)


def used(path: Path) -> None:
    """A data directory with rows of many tables, odd names among them."""
    directory = filled(path)

    def more(tx: Transaction) -> None:
        state = tx.ensure_state(Address("acme", ODD))
        tx.add_lock_event(state, event("taken"))
        tx.set_document("acme", "policy", b"\x00\xff'\\")
        gone = tx.ensure_state(Address("acme", "gone"))
        tx.save_state(gone)

    directory.store.write(more)
    directory.close()


@contextmanager
def database(url: str, directory: Path) -> Iterator[Place]:
    with open_database_place(url, "", directory) as place:
        yield place


def rows(found: dict[str, TableFacts]) -> int:
    return sum(each.rows for each in found.values())


def test_there_and_back_all_rows_and_bodies_are_equal(tmp_path: Path, url: str):
    used(tmp_path / "data")
    with (
        open_directory_place(tmp_path / "data") as source,
        database(url, tmp_path / "with-database") as target,
    ):
        carried = move(source, target)
        assert carried.blobs == 4
        assert facts(source) == facts(target) == carried.tables
        with target.store() as store:
            store.read(check_served)
    with (
        database(url, tmp_path / "with-database") as source,
        open_directory_place(tmp_path / "back", create=True) as target,
    ):
        back = move(source, target)
        assert back.tables == carried.tables
        assert back.found is not None
        assert (back.found.versions, back.found.problems) == (8, [])
        with source.store() as store, pytest.raises(DataInvalid, match="was moved to"):
            store.read(check_served)
    again = open_directory(tmp_path / "back")
    assert again.store.read(lambda tx: tx.state(Address("acme", ODD))) is not None
    again.close()


def test_bodies_are_put_where_a_server_of_that_database_looks_for_them(tmp_path: Path, url: str):
    used(tmp_path / "data")
    with (
        open_directory_place(tmp_path / "data") as source,
        database(url, tmp_path / "with-database") as target,
    ):
        wanted = {name for name, _ in source.blobs.names()}
        move(source, target)
    assert len(wanted) == 4
    storage = open_shared(tmp_path / "with-database", url, connections=2)
    try:
        assert {name for name, _ in RowBlobs(storage.store).names()} == wanted
    finally:
        storage.close()


def test_a_move_into_a_database_that_is_cut_is_completed_by_the_next(tmp_path: Path, url: str):
    used(tmp_path / "data")
    count = 0
    while True:
        left = count

        def stop(told: Progress) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut(told.what)

        with (
            open_directory_place(tmp_path / "data") as source,
            database(url, tmp_path / "with-database") as target,
        ):
            try:
                move(source, target, progress=stop)
            except Cut:
                with target.store() as store, pytest.raises(DataInvalid):
                    store.read(check_served)
                count += 5
                continue
            assert facts(source) == facts(target)
            break
    assert count > 20


def test_numbers_go_on_after_the_last_that_was_given(tmp_path: Path, url: str):
    used(tmp_path / "data")
    directory = open_directory(tmp_path / "data")
    last = directory.store.write(lambda tx: tx.ensure_state(Address("acme", "last"))).id
    directory.store.write(lambda tx: tx.delete_namespace("acme"))
    directory.close()
    with (
        open_directory_place(tmp_path / "data") as source,
        database(url, tmp_path / "with-database") as target,
    ):
        move(source, target)
        with target.store() as store:
            made = store.write(lambda tx: tx.ensure_state(Address("acme", "new")))
            assert made.id > last
            store.write(lambda tx: tx.add_lock_event(made, event("taken")))


def test_a_backup_of_either_store_is_restored_into_either(tmp_path: Path, cluster: Cluster, url: str):
    used(tmp_path / "data")
    with open_directory_place(tmp_path / "data") as source:
        first = create(source, tmp_path / "from-sqlite", now=5.0)
    with database(url, tmp_path / "with-database") as target:
        assert restore(tmp_path / "from-sqlite", target).tables == first.tables
        with pytest.raises(DataInvalid, match="data in it already"):
            restore(tmp_path / "from-sqlite", target)
        second = create(target, tmp_path / "from-postgres", now=6.0)
    assert second.tables == first.tables
    assert second.numbers == first.numbers
    assert second.index == first.index
    assert restore_directory(tmp_path / "from-postgres", tmp_path / "again").tables == first.tables


def test_a_backup_is_one_moment_while_others_write(tmp_path: Path, url: str):
    used(tmp_path / "data")
    with (
        open_directory_place(tmp_path / "data") as source,
        database(url, tmp_path / "with-database") as target,
    ):
        before = move(source, target).tables
        other = PostgresStore(url)

        def write(told: Progress) -> None:
            if told.what.startswith("rows of"):
                other.write(lambda tx: tx.delete_parked("p"))

        made = create(target, tmp_path / "copy", now=5.0, progress=write)
        assert made.tables == before
        assert other.read(lambda tx: tx.parked("p")) is None
        other.close()


def test_every_table_of_a_store_is_carried_or_known_to_belong_to_its_place(cluster: Cluster, url: str):
    PostgresStore(url).close()
    found = {
        name
        for (name,) in cluster.psql(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
            database=url.rpartition("/")[2],
        )
    }
    own = {"schema_steps", "house", "house_facts", "marks", "notices", "blobs", "blob_pieces"}
    of_replicas = {"waiters", "replicas", "recollections"}
    assert found == {table.name for table in layout(newest_schema())} | own | of_replicas


def reset(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["admin", "reset-credentials", *map(str, arguments)])
    return done.exit_code, done.output


def test_the_administrator_of_a_database_is_reset_and_that_of_the_place_it_was_moved_from_is_not(
    tmp_path: Path, url: str
):
    data = tmp_path / "data"
    used(data)
    (data / "master.key").write_bytes(b"k" * 32)
    (data / "master.key").chmod(0o600)
    with open_directory_place(data) as source, database(url, data) as target:
        move(source, target)
    (data / "credentials.json").write_text(told := '{"those": "of the database"}')
    code, said = reset("--data", data)
    assert (code, "it was moved to postgresql://" in said) == (1, True)
    assert (data / "credentials.json").read_text() == told
    (data / "credentials.json").unlink()

    assert reset("--data", data, "--database-url", url)[0] == 0
    token = json.loads((data / "credentials.json").read_text())["token"]
    storage = open_shared(data, url, connections=2)
    try:
        storage.check_master_key(fingerprint(b"k" * 32))
        assert Authenticator(storage.store, b"k" * 32, time.time).token(token).name == "administrator"
    finally:
        storage.close()


def test_a_lost_master_key_of_a_database_is_replaced_only_when_that_is_asked_for(tmp_path: Path, url: str):
    storage = open_shared(tmp_path / "replica", url, connections=2)
    try:
        storage.check_master_key(fingerprint(b"lost" * 8))
        code, said = reset("--data", tmp_path, "--database-url", url)
        assert (code, "--master-key-file" in said) == (1, True)
        other = tmp_path / "other.key"
        other.write_bytes(b"k" * 32)
        other.chmod(0o600)
        named = ("--data", tmp_path, "--database-url", url, "--master-key-file", other)
        code, said = reset(*named)
        assert (code, "use another master key" in said) == (1, True)
        assert reset(*named, "--new-master-key")[0] == 0
        storage.check_master_key(fingerprint(b"k" * 32))
    finally:
        storage.close()


def test_replicas_are_one_house_and_what_is_moved_into_their_database_is_another_than_it_was(tmp_path: Path, url: str):
    data = tmp_path / "data"
    used(data)
    directory = open_directory(data)
    was = directory.house()
    assert directory.house() == was
    directory.close()
    with open_directory_place(data) as source, database(url, data) as target:
        move(source, target)
    replicas = [open_shared(tmp_path / name, url, connections=2) for name in ("one", "two")]
    try:
        assert len({replica.house() for replica in replicas}) == 1
        assert replicas[0].house() != was
    finally:
        for replica in replicas:
            replica.close()
    directory = open_directory(data)
    assert directory.house() == was
    directory.close()
