"""The work of a request does not grow with what is stored. Counted in steps of SQLite's machine, never in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import ItemRecord
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.contract.samples import event, held, parked, version, write_version

FEW, MANY = 300, 100_000
MIDDLE = Address("acme", "team-00000150/terraform.tfstate")
MARK = apsw.SQLITE_TRACE_PROFILE


def filled(path: Path, number: int) -> SqliteStore:
    """A store with this many states of one version each, some of them locked, and one state with many versions."""
    store = SqliteStore(path)

    def fill(tx: Transaction) -> None:
        for each in range(number):
            state = write_version(tx, Address("acme", f"team-{each:08}/terraform.tfstate"), version(1))
            if each % 3 == 0:
                tx.save_lock(state, held(), 0)
        long = write_version(tx, Address("acme", "long"), version(1))
        for seq in range(2, number // 10 + 40):
            tx.add_version(long, version(seq))
            tx.add_lock_event(long, event("taken"))
        tx.save_state(replace(long, current=number // 10 + 39))
        for each in range(number // 10):
            tx.put_item("t", ItemRecord(b"%08d" % each, b"", b"x"))
            tx.add_parked(parked(f"{each:08}", MIDDLE if each < 5 else Address("acme", "long")))

    store.write(fill)
    return store


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteStore, SqliteStore]]:
    folder = tmp_path_factory.mktemp("flat")
    few, many = filled(folder / "few", FEW), filled(folder / "many", MANY)
    yield few, many
    few.close()
    many.close()


def counted(connection: apsw.Connection, work: Callable[[], object]) -> int:
    """Steps of all statements; a full scan or a sort fails at once."""
    steps = 0

    def note(profile: dict) -> None:
        nonlocal steps
        status = profile["stmt_status"]
        steps += status["SQLITE_STMTSTATUS_VM_STEP"]
        assert status["SQLITE_STMTSTATUS_FULLSCAN_STEP"] == 0, profile["sql"]
        assert status["SQLITE_STMTSTATUS_SORT"] == 0, profile["sql"]
        assert status["SQLITE_STMTSTATUS_AUTOINDEX"] == 0, profile["sql"]

    connection.trace_v2(MARK, note)
    work()
    connection.trace_v2(0, None)
    return steps


QUERIES: dict[str, Callable[[Reader], object]] = {
    "state": lambda r: r.state(MIDDLE),
    "current": lambda r: r.current(r.state(MIDDLE)),
    "version": lambda r: r.version(r.state(Address("acme", "long")), 17),
    "newest versions": lambda r: r.versions(r.state(Address("acme", "long")), limit=20),
    "versions before": lambda r: r.versions(r.state(Address("acme", "long")), 30, 20),
    "list 50": lambda r: r.states("acme", limit=50),
    "list 50 from the middle": lambda r: r.states("acme", after=MIDDLE.key, limit=50),
    "list below a prefix": lambda r: r.states("acme", "team-0000015", limit=50),
    "folders": lambda r: r.leading_keys("acme", "", "/", limit=5),
    "list below a prefix after": lambda r: r.states("acme", "team-000001", MIDDLE.key, 20),
    "list everything below a key": lambda r: r.states("acme", "team-00000150", live_only=False),
    "lock": lambda r: r.lock(r.state(MIDDLE)),
    "held locks": lambda r: r.held_locks(limit=20),
    "held locks after": lambda r: r.held_locks(after=MIDDLE, limit=20),
    "held locks below": lambda r: r.held_locks("acme", "team-0000015", limit=20),
    "lock history": lambda r: r.lock_events(r.state(Address("acme", "long")), limit=20),
    "parked writes": lambda r: r.parked_writes(limit=20),
    "parked writes of one": lambda r: r.parked_writes(MIDDLE, limit=20),
    "items": lambda r: r.items("t", after=(b"00000010", b""), limit=10),
    "items backward": lambda r: r.items("t", after=(b"00000020", b""), limit=10, descending=True),
    "items of a prefix": lambda r: r.items("t", hash_prefix=b"0000001", limit=10),
    "item": lambda r: r.item("t", b"00000010", b""),
    "blob names": lambda r: r.blob_names(limit=20),
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_read_takes_as_many_steps_among_100_000_states_as_among_300(
    stores: tuple[SqliteStore, SqliteStore], query: str
):
    steps = []
    for store in stores:
        store.read(lambda r: r.state(MIDDLE))
        connection = store._readers.session.connection
        steps.append(counted(connection, lambda store=store: store.read(QUERIES[query])))
    assert 0 < steps[1] <= steps[0] * 1.1 + 5


def lock_and_put(tx: Transaction) -> None:
    state = tx.ensure_state(MIDDLE)
    record = tx.lock(state)
    assert tx.save_lock(state, replace(record, epoch=record.epoch + 1), record.epoch)
    tx.add_lock_event(state, event("taken"))
    write_version(tx, MIDDLE, version(state.next_seq))
    tx.ensure_state(Address("acme", "new one"))
    tx.put_item("t", ItemRecord(b"k", b"", b"x"))
    tx.expire_items(1.0)
    tx.delete_parked("none")


def test_a_lock_and_a_write_take_as_many_steps_too(stores: tuple[SqliteStore, SqliteStore]):
    steps = []
    for store in stores:
        connection = store._writer_connection
        steps.append(store.write(lambda tx, c=connection: counted(c, lambda: lock_and_put(tx))))
    assert 0 < steps[1] <= steps[0] * 1.1 + 5


def test_the_count_sees_a_scan(stores: tuple[SqliteStore, SqliteStore]):
    stores[1].read(lambda r: r.state(MIDDLE))
    connection = stores[1]._readers.session.connection
    with pytest.raises(AssertionError):
        counted(connection, lambda: connection.execute("SELECT max(parked) FROM states").fetchall())
    connection.trace_v2(0, None)
