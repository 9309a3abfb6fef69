"""What only PostgreSQL has: several stores on one database, connections that break, a database that goes back in time."""

from __future__ import annotations

import inspect
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, LockRecord, Release, Take, release, take
from lockhouse.core.ports import Store, Transaction
from lockhouse.core.principals import Principal
from lockhouse.core.records import Namespace, StateRecord
from lockhouse.core.workspaces import Workspace, name_from_key
from lockhouse.errors import StorageUnavailable
from lockhouse.storage.sql import postgres_holding, postgres_schema, postgres_writer
from lockhouse.storage.sql.dialect import statement
from lockhouse.storage.sql.postgres import PostgresStore
from lockhouse.storage.sql.postgres_session import READ_WRITE, Lost, Session, options_of
from lockhouse.storage.sql.postgres_transaction import LISTS, PostgresTransaction
from lockhouse.storage.sql.reader import SqlReader
from lockhouse.storage.sql.records import encode_lock, state_of
from lockhouse.storage.sql.workspaces import _ADOPTABLE, _ALL
from tests.contract.changes import CHANGES, two_versions
from tests.contract.conftest import cluster
from tests.contract.samples import HOME, version, write_version
from tests.eventually import eventually
from tests.fleet.pooler import pooled
from tests.postgres import Cluster, running_cluster

STATE = "SELECT s.id FROM states s"


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of an empty database."""
    name = f"test_{os.getpid()}_{time.monotonic_ns()}"
    url = cluster().create_database(name)
    yield url
    cluster().drop_database(name)


@pytest.fixture
def pair(database: str) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    """Two stores, as two servers have them."""
    with closing(PostgresStore(database)) as one, closing(PostgresStore(database)) as other:
        yield one, other


def _state_first(tx: Transaction, state: StateRecord) -> None:
    tx.save_state(replace(state, current=3))
    tx.add_version(state, version(3))


@pytest.mark.parametrize("change", [*CHANGES.values(), _state_first], ids=[*CHANGES, "the state before its version"])
def test_the_copy_of_the_newest_version_follows_every_change(
    pair: tuple[PostgresStore, PostgresStore], database: str, change: Callable[[Transaction, StateRecord], object]
):
    pair[0].write(two_versions)

    def run(tx: Transaction) -> None:
        state = tx.state(HOME)
        assert state is not None
        change(tx, state)

    pair[1].write(run)
    with psycopg.connect(database) as connection:
        copies = connection.execute(
            "SELECT s.newest, (SELECT v.record FROM versions v WHERE v.state_id = s.id AND v.seq = s.current) FROM states s"
        ).fetchall()
    assert len(copies) == 1
    assert copies[0][0] == copies[0][1]


@pytest.mark.parametrize("query", [_ADOPTABLE, _ALL], ids=["adoptable", "unnamed"])
def test_states_without_workspaces_are_looked_up_and_not_joined(database: str, query: str):
    """A join compares each state with every workspace, which for 100,000 took longer than a statement may."""

    def fill(tx: Transaction, first: int) -> None:
        for number in range(first, first + 50):
            write_version(tx, Address("acme", f"app-{number:04}.tfstate"), version(1))
        for key in tx.adoptable_states("acme", limit=25):
            tx.add_workspaces("acme", [Workspace(f"ws-{key}", Address("acme", key), name_from_key(key), 1.0, 1.0)])

    with closing(PostgresStore(database)) as store:
        for first in range(0, 600, 50):
            store.write(partial(fill, first=first))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ANALYZE")
        plan = connection.execute(b"EXPLAIN " + statement(query), ("acme", "", 25)).fetchall()
    said = "\n".join(row[0] for row in plan)
    assert "SubPlan" in said
    assert "Join" not in said


def test_a_database_of_a_lockhouse_without_copies_is_given_them(database: str):
    with closing(PostgresStore(database)) as store:
        store.write(two_versions)
        before = store.read(lambda r: r.states("acme"))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP FUNCTION states_newest, versions_newest CASCADE")
        connection.execute("ALTER TABLE states DROP COLUMN newest")
        connection.execute("UPDATE schema_steps SET version = 1 WHERE list = 'own'")
    with closing(PostgresStore(database)) as store:
        assert store.read(lambda r: r.states("acme")) == before
        with psycopg.connect(database) as connection:
            rows = connection.execute("SELECT s.newest = v.record FROM states s JOIN versions v ON v.seq = s.current")
            assert rows.fetchall() == [(True,)]


class Race:
    """Many threads of several stores that take and release a few locks; notes where two held one at once."""

    def __init__(self, stores: list[PostgresStore], seconds: float) -> None:
        self.broken: list[str] = []
        self.granted = 0
        self._held: dict[Address, str] = {}
        self._guard = threading.Lock()
        self._end = time.monotonic() + seconds
        places = [Address("race", f"state-{number}") for number in range(3)]
        threads = [
            threading.Thread(target=self._run, args=(store, place, f"{place.key}-{number}-{of}"))
            for of, store in enumerate(stores)
            for number, place in enumerate(places * 3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def _run(self, store: PostgresStore, place: Address, name: str) -> None:
        def grab(tx: Transaction) -> bool:
            state = tx.ensure_state(place)
            record = tx.lock(state)
            outcome = take(record, Take(Facet.HTTP, name, b"{}", name, name, name, 1.0))
            return record.lock is None and tx.save_lock(state, outcome.record, record.epoch)

        def leave(tx: Transaction) -> None:
            state = tx.ensure_state(place)
            record = tx.lock(state)
            tx.save_lock(state, release(record, Release(Facet.HTTP, name, 2.0, 0, id=name)).record, record.epoch)

        while time.monotonic() < self._end and not self.broken:
            if not store.write(grab):
                continue
            with self._guard:
                self.granted += 1
                if place in self._held:
                    self.broken.append(f"{place.key} was given to {name} while {self._held[place]} had it")
                self._held[place] = name
            store.read(lambda r: r.state(place))  # as long as it takes
            with self._guard:
                self._held.pop(place, None)
            store.write(leave)


def test_two_stores_never_give_one_lock_to_two(pair: tuple[PostgresStore, PostgresStore]):
    race = Race(list(pair), 3.0)
    assert race.broken == []
    assert race.granted > 20


def test_the_race_finds_a_store_that_only_reads_and_then_writes(database: str, monkeypatch: pytest.MonkeyPatch):
    """The planted bug: without holding the row, and without comparing the epoch."""

    class Naive(PostgresTransaction):
        def hold(self, address: Address):
            rows = self._fetch(f"{postgres_transaction_state()}", (address[0], address[1]))
            if not rows:
                return None
            state = state_of(rows[0])
            self._states[address], self._locks[state.id] = state, rows[0][12]
            return state

        def save_lock(self, state, record: LockRecord, expected_epoch: int) -> bool:
            self._send(
                "INSERT INTO locks (state_id, namespace, key, epoch, held, record) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (state_id) DO UPDATE SET epoch = excluded.epoch, held = excluded.held, "
                "record = excluded.record",
                (state.id, *state.address, record.epoch, int(record.lock is not None), encode_lock(state.id, record)),
            )
            return True

    monkeypatch.setattr(postgres_writer, "PostgresTransaction", Naive)
    with closing(PostgresStore(database)) as one, closing(PostgresStore(database)) as other:
        assert Race([one, other], 20.0).broken


def postgres_transaction_state() -> str:
    return postgres_holding._STATE


def test_every_read_is_known_to_be_safe_while_others_write():
    """A reader's method on PostgreSQL holds what it reads, or runs alone, or reads what only commands that run alone
    change. Whoever adds one decides which it is (`postgres_transaction` has the law)."""
    changed_by_commands_that_run_alone = {
        "namespace", "namespaces", "document", "parked", "principal", "principal_named", "principal_linked",
        "principals", "memberships_of", "members_of", "credential", "credentials", "uses", "last_uses", "table", "tables",
        "workspace", "workspace_named", "workspace_at", "workspaces", "count_workspaces", "project", "projects",
        "maintenances", "review", "review_body", "reviews", "notices", "last_segment", "segments", "segments_before", "session",
        "sessions", "key_records", "webhook_named", "webhooks",
    }  # fmt: skip
    by_the_held_state = {"current", "recollection", "discarded", "trash", "kept", "dependants"}
    decides_nothing = {"unsealed", "next_to_ask", "blob_size", "blob_piece", "blobs"}
    own = {name for name in vars(PostgresTransaction) if not name.startswith("_")}
    known = changed_by_commands_that_run_alone | by_the_held_state | decides_nothing | own | set(LISTS)
    reads = {name for name, _ in inspect.getmembers(SqlReader, inspect.isfunction) if not name.startswith("_")}
    assert reads - known == set()


def test_what_one_store_has_committed_the_other_sees_at_once(pair: tuple[PostgresStore, PostgresStore]):
    one, other = pair
    for number in range(20):
        changed = Namespace("acme", 1.0, require_lock=number % 2 == 0, region=str(number))
        one.write(lambda tx, changed=changed: tx.save_namespace(changed))
        assert other.read(lambda r: r.namespace("acme")) == changed
        assert other.write(lambda tx: tx.namespace("acme")) == changed
        one, other = other, one


def test_a_change_of_access_is_counted_for_all_stores(pair: tuple[PostgresStore, PostgresStore]):
    one, other = pair
    before = one.access_generation, other.access_generation
    one.write(lambda tx: tx.save_principal(Principal("p1", "ann", (), 1.0)))
    assert one.access_generation > before[0]
    eventually(lambda: other.access_generation > before[1], 3)


def count(tx: Transaction, key: str = "counter") -> int:
    """One more version of a state, whose number is the count."""
    address = Address("acme", key)
    state = tx.ensure_state(address)
    write_version(tx, address, version(state.next_seq))
    return state.next_seq


def test_nothing_is_served_from_a_database_that_went_back_in_time(tmp_path: Path):
    cluster().create_database("present")
    url, marks = cluster().url_of("present"), tmp_path / "marks.json"
    with closing(PostgresStore(url, marks=marks)) as store:
        assert [store.write(count) for _ in range(3)] == [1, 2, 3]
        assert cut_off("present")
        cluster().create_database("past", template="present")
        assert [store.write(count) for _ in range(2)] == [4, 5]
        cluster().drop_database("present")
        cluster().psql('ALTER DATABASE "past" RENAME TO "present"')
        for act in (lambda: store.read(lambda r: r.state(HOME)), lambda: store.write(count)):
            with pytest.raises(StorageUnavailable, match="back in time") as problem:
                act()
            assert "lockhouse db accept-rollback" in problem.value.hint
        with pytest.raises(StorageUnavailable, match="back in time"):
            store.check()
    with pytest.raises(StorageUnavailable, match="back in time"), closing(PostgresStore(url, marks=marks)) as again:
        again.read(lambda r: r.state(HOME))
    postgres_schema.accept_rollback_at(url)
    with closing(PostgresStore(url, marks=marks)) as store:
        assert store.write(count) == 4
        store.check()
    cluster().drop_database("present")


def cut_off(name: str) -> bool:
    """End all connections to a database: it can only be copied while nobody uses it."""
    end = time.monotonic() + 10
    while cluster().psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"):
        assert time.monotonic() < end
    return True


def test_a_replica_that_runs_goes_on_after_the_rollback_was_accepted(database: str):
    with closing(PostgresStore(database)) as store:
        store.write(count)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE marks SET commits = commits - 1 WHERE commits > 0")
        with pytest.raises(StorageUnavailable, match="back in time"):
            store.write(count)
        postgres_schema.accept_rollback_at(database)
        eventually(lambda: serves(store), 5)
        assert store.write(count) == 2


def serves(store: Store) -> bool:
    try:
        store.read(lambda r: r.state(HOME))
    except StorageUnavailable:
        return False
    return True


class Writers:
    """Threads that count, each on a state of its own, until they are stopped."""

    def __init__(self, stores: list[PostgresStore], number: int = 4) -> None:
        self.acknowledged: dict[str, int] = {}
        self.slowest = 0.0
        self.refused = 0
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(store, f"key-{of}-{each}"))
            for of, store in enumerate(stores)
            for each in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, store: PostgresStore, key: str) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self.acknowledged[key] = store.write(lambda tx: count(tx, key))
            except StorageUnavailable:
                self.refused += 1
                time.sleep(0.05)
            self.slowest = max(self.slowest, time.monotonic() - began)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    with running_cluster() as made:
        yield made


def test_no_acknowledged_write_is_lost_when_the_database_is_killed(own_cluster: Cluster):
    with ExitStack() as ending:
        stores = [ending.enter_context(closing(PostgresStore(own_cluster.url))) for _ in range(2)]
        writers = Writers(stores)
        for _ in range(2):
            done = dict(writers.acknowledged)
            eventually(
                lambda done=done: (
                    all(n > done.get(k, 0) for k, n in writers.acknowledged.items())
                    and bool(done or writers.acknowledged)
                ),
                20,
            )
            own_cluster.kill()
            own_cluster.start()
        done = dict(writers.acknowledged)
        eventually(lambda: all(writers.acknowledged[key] > number for key, number in done.items()), 10)
        writers.stop()
        assert writers.slowest < 5.5
        for key, number in writers.acknowledged.items():
            state = stores[0].read(lambda r, key=key: r.state(Address("acme", key)))
            assert state is not None
            assert state.current >= number


def test_a_database_that_does_not_answer_is_told_of_within_five_seconds(own_cluster: Cluster):
    with closing(PostgresStore(own_cluster.url)) as store:
        store.write(count)
        stopped = [own_cluster.pid, *(row[0] for row in own_cluster.psql("SELECT pid FROM pg_stat_activity"))]
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                continue
        answers: list[tuple[str, float]] = []

        def ask(act: Callable[[], object]) -> None:
            began = time.monotonic()
            try:
                act()
            except StorageUnavailable as problem:
                answers.append((problem.code, time.monotonic() - began))

        asking = [threading.Thread(target=ask, args=(lambda: store.write(count),)) for _ in range(12)]
        asking += [threading.Thread(target=ask, args=(lambda: store.read(lambda r: r.state(HOME)),)) for _ in range(12)]
        try:
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join(20)
        finally:
            for pid in stopped:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    continue
        assert len(answers) == 24
        assert max(seconds for _, seconds in answers) < 5.5
        eventually(lambda: serves(store), 10)
        store.write(count)


def test_commands_are_answered_when_the_line_is_lost_as_their_writer_makes_its_mark(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    """After an outcome that could not be told a writer makes a new mark before its next group, and the answer to that
    commit may be lost too: the group has then not begun."""
    with closing(PostgresStore(database, connections=2)) as store, ThreadPoolExecutor(3) as pool:
        (writer,) = store._writers
        commit, committed, lost = Session.commit, writer._committed, threading.Event()

        def forget(now: float) -> None:
            committed(now)
            if not lost.is_set():
                writer.mark = ""

        def lose(session: Session) -> None:
            commit(session)
            if session is writer._session and not writer.mark and writer._transaction.dirty and not lost.is_set():
                lost.set()
                session.drop()
                raise Lost("the answer never came", unknown=True)

        held, go_on = threading.Event(), threading.Event()

        def hold(tx: Transaction) -> int:
            held.set()
            assert go_on.wait(20)
            return count(tx, "first")

        first = pool.submit(store.write, hold)
        assert held.wait(20)
        monkeypatch.setattr(writer, "_committed", forget)
        monkeypatch.setattr(Session, "commit", lose)
        waiting = [pool.submit(store.write, lambda tx, key=key: count(tx, key)) for key in ("a", "b")]
        eventually(lambda: len(store._queue) == 2, 10)
        go_on.set()
        assert first.result(10) == 1
        assert [each.result(10) for each in waiting] == [1, 1]
        assert lost.is_set()


def test_who_is_frozen_in_the_middle_of_a_transaction_holds_nothing_for_long(database: str):
    """As a replica whose machine is paused, or cut off: the server hears nothing more of it, and no end either."""
    with closing(PostgresStore(database)) as store:
        assert store.write(count) == 1
        frozen = Session(options_of(database))
        frozen.begin(READ_WRITE)
        assert len(frozen.fetch("SELECT id FROM states FOR UPDATE")) == 1
        began = time.monotonic()
        eventually(lambda: counts(store), 10)
        assert time.monotonic() - began < 8
        with pytest.raises(Lost):
            frozen.fetch("SELECT 1")


def counts(store: PostgresStore) -> bool:
    try:
        return store.write(count) == 2
    except StorageUnavailable:
        return False


def test_everything_works_behind_a_pooler_of_transactions(database: str):
    name = database.rpartition("/")[2]
    with pooled(cluster(), connections=3) as pooler:
        url = f"{pooler.url.rpartition('/')[0]}/{name}"
        with closing(PostgresStore(url)) as one, closing(PostgresStore(url)) as other:
            race = Race([one, other], 2.0)
            assert race.broken == []
            assert race.granted > 5
            body = bytes(range(256)) * 400
            one.write(lambda tx: write_version(tx, HOME, version(1, b"{}", packed=body)))
            state = other.read(lambda r: r.state(HOME))
            assert other.read(lambda r: r.current(state)).body.packed == body


def test_programs_that_start_at_once_make_the_tables_once(database: str):
    opened: list[PostgresStore] = []
    threads = [threading.Thread(target=lambda: opened.append(PostgresStore(database))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == 4
    for store in opened:
        store.close()
    assert not any(each.behind or each.too_new for each in postgres_schema.status_of(database))


def test_an_older_program_goes_on_beside_steps_that_only_add(database: str):
    PostgresStore(database).close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE schema_steps SET version = version + 1")
        PostgresStore(database).close()
        connection.execute("UPDATE schema_steps SET compatible_from = version")
    with pytest.raises(StorageUnavailable, match="needs a Lockhouse that knows") as problem:
        PostgresStore(database)
    assert "newer Lockhouse" in problem.value.hint


def test_a_role_that_may_not_make_tables_is_told_the_command(database: str):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM public")
    cluster().psql(
        "REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO postgres", database.rpartition("/")[2]
    )
    cluster().psql("GRANT USAGE ON SCHEMA public TO lockhouse", database.rpartition("/")[2])
    with pytest.raises(StorageUnavailable, match="cannot make the tables") as problem:
        PostgresStore(database)
    assert "lockhouse db migrate" in problem.value.hint


def test_a_command_that_needs_the_house_for_itself_waits_for_nobody_for_long(pair: tuple[PostgresStore, PostgresStore]):
    """Creating namespaces while others write: each is alone for its moment, and both go on."""
    one, other = pair
    writers = Writers([one, other], 2)
    for number in range(20):
        one.write(lambda tx, number=number: tx.create_namespace(Namespace(f"space-{number}", 1.0)))
    writers.stop()
    assert writers.refused == 0
    assert len(one.read(lambda r: r.namespaces())) == 20
    assert all(number > 1 for number in writers.acknowledged.values())
