"""What only the SQLite store promises: group commit, full disks, failing disks, a bounded log, refusing newer data."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.locks import FREE, Facet, Release, release
from lockhouse.core.ports import Delivery, Reader, Transaction
from lockhouse.core.records import Namespace
from lockhouse.errors import StorageFull, StorageUnavailable
from lockhouse.storage.reserve import Reserve
from lockhouse.storage.sql.migrations import SQLITE
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.contract.samples import HOME, event, held, version, write_version
from tests.unit.storage.broken_disk import BrokenDisk


@pytest.fixture
def disk() -> Iterator[BrokenDisk]:
    made = BrokenDisk()
    yield made
    made.unregister()


def grant(tx: Transaction) -> bool:
    state = tx.ensure_state(HOME)
    tx.add_lock_event(state, event("taken"))
    return tx.save_lock(state, held(), 0)


def unlock(tx: Transaction) -> bool:
    state = tx.ensure_state(HOME)
    record = tx.lock(state)
    tx.add_lock_event(state, event("released"))
    return tx.save_lock(state, release(record, Release(Facet.TABLE, "c1", 6.0, 0)).record, record.epoch)


def test_many_commands_share_one_sync(tmp_path: Path, disk: BrokenDisk):
    store = SqliteStore(tmp_path / "db", vfs=disk.name)
    seen: list[Delivery] = []
    done = threading.Event()

    def collect(group: list[Delivery]) -> None:
        seen.extend(group)
        if len(seen) == 201:
            done.set()

    store.deliver_to(collect)
    store.write(lambda tx: tx.set_document("a", "warm", b"up"))
    gate = threading.Event()
    store.submit(lambda tx: gate.wait(20), 0)
    before = disk.syncs
    for number in range(200):
        store.submit(lambda tx, n=number: tx.set_document("a", str(n), b"x"), number)
    gate.set()
    assert done.wait(20)
    store.close()
    assert disk.syncs - before <= 5


def test_each_commit_is_synced_before_it_is_answered(tmp_path: Path, disk: BrokenDisk):
    store = SqliteStore(tmp_path / "db", vfs=disk.name)
    store.write(lambda tx: tx.set_document("a", "warm", b"up"))
    for number in range(10):
        before = disk.syncs
        store.write(lambda tx, n=number: tx.set_document("a", str(n), b"x"))
        assert disk.syncs == before + 1
    store.close()


def test_a_command_that_only_reads_and_refuses_syncs_nothing(tmp_path: Path, disk: BrokenDisk):
    store = SqliteStore(tmp_path / "db", vfs=disk.name)
    store.write(grant)
    before = disk.syncs
    for _ in range(5):
        assert store.write(lambda tx: tx.lock(tx.ensure_state(HOME)).lock is not None)
    assert disk.syncs == before
    store.close()


def test_a_full_disk_refuses_writes_and_still_reads_and_unlocks(tmp_path: Path, disk: BrokenDisk):
    reserve = Reserve(tmp_path / "reserve", 1024 * 1024)
    reserve.take()
    store = SqliteStore(tmp_path / "db", vfs=disk.name, reserve=reserve, fail_stop=pytest.fail)
    store.write(grant)
    kept = store.write(lambda tx: write_version(tx, Address("acme", "kept"), version(1)))
    reserve.take = lambda: False  # type: ignore[method-assign] # the disk stays full until the end of the test
    disk.room = lambda: not (tmp_path / "reserve").exists()
    with disk.filled():
        for _ in range(3):
            with pytest.raises(StorageFull):
                store.write(lambda tx: write_version(tx, Address("acme", "new"), version(1)))
        with pytest.raises(StorageFull):
            store.write(lambda tx: tx.save_lock(tx.ensure_state(Address("acme", "kept")), held(FREE, "L9"), 0))
        assert store.read(lambda r: r.current(kept)) == version(1)
        assert store.write(unlock) is True
        assert store.read(lambda r: r.lock(r.state(HOME))).lock is None
    store.close()
    again = SqliteStore(tmp_path / "db")
    assert again.read(lambda r: r.lock(r.state(HOME))).lock is None
    assert again.read(lambda r: r.state(Address("acme", "new"))) is None
    again.close()


def test_of_a_group_on_a_full_disk_only_what_does_not_fit_is_refused(tmp_path: Path, disk: BrokenDisk):
    reserve = Reserve(tmp_path / "reserve", 1024 * 1024)
    reserve.take()
    store = SqliteStore(tmp_path / "db", vfs=disk.name, reserve=reserve, fail_stop=pytest.fail)
    store.write(grant)
    disk.room = lambda: not (tmp_path / "reserve").exists()
    answers: dict[object, Delivery] = {}
    done = threading.Event()

    def collect(group: list[Delivery]) -> None:
        answers.update({delivery[0]: delivery for delivery in group})
        if len(answers) == 4:
            done.set()

    store.deliver_to(collect)
    gate = threading.Event()
    store.submit(lambda tx: gate.wait(20), "gate")
    store.submit(lambda tx: write_version(tx, Address("acme", "one"), version(1)), "put")
    store.submit(unlock, "unlock")
    store.submit(lambda tx: tx.lock(tx.ensure_state(HOME)).lock, "read")
    with disk.filled():
        gate.set()
        assert done.wait(20)
    assert isinstance(answers["put"][2], StorageFull)
    assert answers["unlock"][1:] == (True, None)
    assert answers["read"][1:] == (None, None)
    store.close()


@pytest.mark.parametrize("swallowed", [False, True])
def test_a_command_that_meets_a_full_disk_before_its_commit_is_refused_whatever_it_makes_of_it(
    tmp_path: Path, disk: BrokenDisk, swallowed: bool
):
    store = SqliteStore(tmp_path / "db", vfs=disk.name, fail_stop=pytest.fail)
    store.write(lambda tx: tx.set_document("a", "before", b"kept"))

    def fill(tx: Transaction) -> str:
        try:
            for number in range(10_000):  # more than the cache holds
                tx.set_document("a", str(number), bytes(4000))
        except apsw.FullError as problem:
            if not swallowed:
                raise KeyError("something else") from problem
        return "done"

    with disk.filled(), pytest.raises(StorageFull):
        store.write(fill)
    assert store.write(lambda tx: (tx.document("a", "before"), tx.document("a", "0"))) == (b"kept", None)
    store.close()


def test_writes_resume_when_there_is_room_again(tmp_path: Path, disk: BrokenDisk, caplog: pytest.LogCaptureFixture):
    reserve = Reserve(tmp_path / "reserve", 1024 * 1024)
    reserve.take()
    store = SqliteStore(tmp_path / "db", vfs=disk.name, reserve=reserve, fail_stop=pytest.fail)
    store.write(grant)
    with disk.filled(), pytest.raises(StorageFull):
        store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    deadline = time.monotonic() + 20
    while reserve.given_up and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    assert (tmp_path / "reserve").stat().st_size == 1024 * 1024
    store.close()  # and the thread that says so
    assert [each for each in caplog.messages if each.startswith("Found room on the disk again")]


def test_a_failed_sync_stops_the_process_and_answers_nobody_yes(tmp_path: Path, disk: BrokenDisk):
    stopped: list[str] = []
    store = SqliteStore(tmp_path / "db", vfs=disk.name, fail_stop=stopped.append)
    store.write(grant)
    disk.failing = True
    with pytest.raises(StorageUnavailable):
        store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    disk.failing = False
    assert len(stopped) == 1
    with pytest.raises(StorageUnavailable):
        store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    store.close()


def test_the_default_way_to_stop_ends_the_process(tmp_path: Path):
    script = (
        "import sys; from pathlib import Path\n"
        "from lockhouse.storage.sql.sqlite import SqliteStore\n"
        "from lockhouse.core.records import Namespace\n"
        "from tests.unit.storage.broken_disk import BrokenDisk\n"
        "disk = BrokenDisk(); store = SqliteStore(Path(sys.argv[1]), vfs=disk.name)\n"
        "disk.failing = True\n"
        "store.write(lambda tx: tx.create_namespace(Namespace('acme', 1.0)))\n"
        "print('answered')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "db")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (74, "")
    assert "outcome of a commit is unknown" in done.stderr


def test_a_callback_that_raises_does_not_stop_the_writer(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    store.deliver_to(lambda group: 1 / 0)
    store.submit(grant, "x")
    assert store.write(lambda tx: tx.lock(tx.ensure_state(HOME)).epoch) == 1
    store.close()


def test_a_closed_store_says_so(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    store.close()
    store.close()
    with pytest.raises(StorageUnavailable):
        store.write(grant)
    with pytest.raises(StorageUnavailable):
        store.read(lambda r: r.state(HOME))


def test_data_of_a_newer_lockhouse_is_refused_untouched(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    store.write(grant)
    store.close()
    other = apsw.Connection(str(tmp_path / "db"))
    other.execute("UPDATE schema_version SET version = 99")
    other.close()
    before = (tmp_path / "db").read_bytes()
    with pytest.raises(StorageUnavailable, match=rf"schema 99.*up to {len(SQLITE)}"):
        SqliteStore(tmp_path / "db")
    assert (tmp_path / "db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    (tmp_path / "db").write_bytes(b"not a database, but somebody's file" * 100)
    with pytest.raises((apsw.Error, StorageUnavailable)):
        SqliteStore(tmp_path / "db")


def test_the_log_stays_bounded_under_load(tmp_path: Path):
    bound = 2 * 1024 * 1024
    store = SqliteStore(tmp_path / "db", log_bound=bound)
    room = threading.Semaphore(64)
    problems: list[BaseException] = []

    def collect(group: list[Delivery]) -> None:
        problems.extend(error for _, _, error in group if error is not None)
        room.release(len(group))

    store.deliver_to(collect)
    largest = 0
    for number in range(6000):
        room.acquire()
        store.submit(lambda tx, n=number: tx.set_document("a", str(n % 500), bytes(4000)), number)
        if number % 50 == 0:
            store.read(lambda r: r.document("a", "1"))
            largest = max(largest, (tmp_path / "db-wal").stat().st_size)
    store.close()
    assert problems == []
    # 6,000 documents of a page each are more than 24 MB of log; between two looks at it a few MB may come.
    assert largest < 5 * bound


def test_a_long_read_does_not_hold_up_the_writers_again_and_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    store = SqliteStore(tmp_path / "db", log_bound=1024 * 1024)
    store.write(lambda tx: tx.set_document("a", "0", b"before"))

    def read_for_long(reader: Reader) -> bytes | None:
        assert reader.document("a", "0") == b"before"
        for number in range(4000):
            store.submit(lambda tx, n=number: tx.set_document("a", str(n % 300), bytes(4000)), number)
        store.write(lambda tx: None)
        return reader.document("a", "0")

    store.deliver_to(lambda group: None)
    assert store.read(read_for_long) == b"before"
    # Each failed reset doubles the bound: 16 MB of log from a bound of 1 MB are at most five.
    assert sum("a long read" in record.message for record in caplog.records) <= 5
    store.close()


def test_closing_does_not_wait_for_a_query_that_still_runs(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    store.write(grant)
    inside, leave = threading.Event(), threading.Event()
    outcome: list[object] = []

    def query(reader: Reader) -> None:
        reader.state(HOME)
        inside.set()
        leave.wait(20)

    def read() -> None:
        try:
            store.read(query)
        except StorageUnavailable as problem:
            outcome.append(problem.code)

    thread = threading.Thread(target=read)
    thread.start()
    assert inside.wait(20)
    store.close()
    leave.set()
    thread.join(20)
    assert outcome in ([], ["storage.unavailable"])


def test_threads_that_end_give_their_connections_back(tmp_path: Path):
    store = SqliteStore(tmp_path / "db")
    for _ in range(20):
        thread = threading.Thread(target=lambda: store.read(lambda r: r.state(HOME)))
        thread.start()
        thread.join(20)
    gc.collect()
    assert len(store._open_readers) <= 1
    store.close()
