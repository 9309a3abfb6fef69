"""Any history of commands leaves every store with the same answers as the reference."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Release, Take, release, take
from lockhouse.core.ports import Reader, Store, Transaction
from lockhouse.core.records import ItemRecord, Namespace, Part, StateRecord, TableRecord, Upload
from lockhouse.core.versions import Body, Facts
from lockhouse.storage.memory import MemoryStore
from tests.contract.conftest import STORES
from tests.contract.samples import event, marker, parked, version, write_version

SPACES = st.sampled_from(["a", "a-b", "b"])
KEYS = st.sampled_from(["a", "a-b", "a-b/c", "a/", "a/b", "a//b", "A", "é", "z", "\U0010ffff", "a\U0010ffffz"])
ADDRESSES = st.builds(Address, SPACES, KEYS)
BYTES = st.sampled_from([b"", b"\x00", b"a", b"a\xff", b"\xff", b"\xff\xff"])
BLOBS = st.sampled_from(["", "b1", "b2", "b3"])
IDS = st.sampled_from(["1", "2", "A", "é"])


EXAMPLES = {"postgres": 10}
"""Fewer, and not compared after every step, where each question is a round trip."""


def without_ids(answer: object) -> object:
    """The ids of states are a store's own: with many that write, an id may be left out."""
    if isinstance(answer, StateRecord):
        return replace(answer, id=0)
    if isinstance(answer, tuple | list):
        return [without_ids(part) for part in answer]
    return answer


def everything(reader: Reader) -> list[object]:
    """All answers that a reader can give, by walking pages of odd sizes."""
    found: list[object] = [list(reader.namespaces()), list(reader.tables()), list(reader.principals())]
    for space in ("a", "a-b", "b"):
        found.append([reader.document(space, kind) for kind in ("policy", "tags")])
        for prefix in ("", "a", "a/", "é", "\U0010ffff"):
            after = ""
            while page := reader.states(space, prefix, after, 2, live_only=prefix == "a"):
                found.append(page)
                after = page[-1][0].address.key
            found.append(list(reader.uploads(space, prefix, ("a", "1"), 3)))
            found.append(list(reader.held_locks(space, prefix, Address(space, "a"), 3)))
        for state, _ in reader.states(space, live_only=False):
            found += [reader.state_and_version(state.address, packed=whole) for whole in (True, False)]
            found += [reader.current(state), list(reader.versions(state)), reader.lock(state)]
            found += [[each.epoch for each in reader.lock_events(state, limit=50)]]
            found += [reader.version(state, seq) for seq in range(state.next_seq + 1)]
    after_lock = None
    while locks := reader.held_locks(after=after_lock, limit=2):
        found.append(locks)
        after_lock = locks[-1][0].address
    found += [list(reader.parked_writes(after="1", limit=2)), [reader.parked(name) for name in "12A"]]
    found += [list(reader.parts(name)) for name in "12A"]
    for table in ("t", "u"):
        for descending in (False, True):
            for prefix in (b"", b"a", b"\xff"):
                found.append(list(reader.items(table, None, (b"a", b""), 3, descending=descending, hash_prefix=prefix)))
            found.append(list(reader.items(table, b"a", None, 3, descending=descending)))
            found.append(list(reader.items(table, descending=descending)))
    found.append([*reader.blob_names(limit=2), *reader.blob_names("b1")])
    return found


class Histories(RuleBasedStateMachine):
    """The same command on both; the same answer or both refuse."""

    name = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.steps = 0
        self.reference: Store = MemoryStore()
        self.store: Store = STORES[self.name](self.path)

    def both(self, command) -> None:
        answers: list[object] = []
        for store in (self.reference, self.store):
            try:
                answers.append(without_ids(store.write(command)))
            except Exception as problem:  # noqa: BLE001 - a refusal is an answer
                answers.append(("refused", str(problem) if isinstance(problem, LookupError) else ""))
        assert answers[0] == answers[1]

    @rule(address=ADDRESSES, size=st.integers(0, 3), blob=BLOBS, serial=st.sampled_from([0, 2**63, 2**64 - 1]))
    def write(self, address: Address, size: int, blob: str, serial: int) -> None:
        def command(tx: Transaction) -> object:
            new = version(tx.ensure_state(address).next_seq, b"x" * size, blob=blob, packed=b"p", serial=serial)
            state = replace(write_version(tx, address, new), highest_serial=serial)
            tx.save_state(state)
            return state

        self.both(command)

    @rule(address=ADDRESSES)
    def mark_deleted(self, address: Address) -> None:
        self.both(lambda tx: write_version(tx, address, marker(tx.ensure_state(address).next_seq)))

    @rule(address=ADDRESSES, seq=st.integers(1, 4))
    def delete_version(self, address: Address, seq: int) -> None:
        self.both(lambda tx: tx.delete_version(tx.ensure_state(address), seq))

    @rule(address=ADDRESSES, seq=st.integers(1, 4), count=st.integers(-1, 3))
    def note(self, address: Address, seq: int, count: int) -> None:
        def command(tx: Transaction) -> None:
            state = tx.ensure_state(address)
            tx.set_facts(state, seq, Facts(1, "l", resources=count))
            tx.set_tags(state, seq, {"n": str(count)})

        self.both(command)

    @rule(address=ADDRESSES, who=IDS, facet=st.sampled_from(list(Facet)), epoch_off=st.sampled_from([0, 0, 0, 1, -1]))
    def lock(self, address: Address, who: str, facet: Facet, epoch_off: int) -> None:
        def command(tx: Transaction) -> object:
            state = tx.ensure_state(address)
            record = tx.lock(state)
            new = take(record, Take(facet, who, b"{}", who, who, who, 1.0)).record
            tx.add_lock_event(state, event("taken", new.epoch))
            return tx.save_lock(state, new, record.epoch + epoch_off), new

        self.both(command)

    @rule(address=ADDRESSES, who=IDS, facet=st.sampled_from(list(Facet)))
    def unlock(self, address: Address, who: str, facet: Facet) -> None:
        def command(tx: Transaction) -> object:
            state = tx.ensure_state(address)
            record = tx.lock(state)
            new = release(record, Release(facet, who, 2.0, state.current, may_force=True)).record
            return tx.save_lock(state, new, record.epoch)

        self.both(command)

    @rule(space=SPACES, kind=st.sampled_from(["policy", "tags"]), body=st.one_of(st.none(), BYTES))
    def document(self, space: str, kind: str, body: bytes | None) -> None:
        self.both(lambda tx: tx.set_document(space, kind, body))

    @rule(space=SPACES, strict=st.booleans())
    def namespace(self, space: str, strict: bool) -> None:
        self.both(lambda tx: tx.create_namespace(Namespace(space, 1.0, require_lock=strict)))

    @rule(space=SPACES)
    def drop_namespace(self, space: str) -> None:
        self.both(lambda tx: tx.delete_namespace(space))

    @rule(name=IDS, address=ADDRESSES, blob=BLOBS)
    def park(self, name: str, address: Address, blob: str) -> None:
        self.both(lambda tx: tx.add_parked(parked(name, address, blob=blob)))

    @rule(name=IDS)
    def drop_parked(self, name: str) -> None:
        self.both(lambda tx: tx.delete_parked(name))

    @rule(name=IDS, address=ADDRESSES, number=st.integers(1, 3), blob=BLOBS)
    def upload(self, name: str, address: Address, number: int, blob: str) -> None:
        def command(tx: Transaction) -> None:
            if tx.upload(name) is None:
                tx.add_upload(Upload(name, address, 1.0, "p", b""))
            tx.save_part(name, Part(number, Body(1, b"", b"", b"" if blob else b"p", blob), 1.0))

        self.both(command)

    @rule(name=IDS)
    def abort(self, name: str) -> None:
        self.both(lambda tx: tx.delete_upload(name))

    @rule(table=st.sampled_from("tu"), h=BYTES, r=BYTES, expires=st.sampled_from([0.0, 1.0, 5.0]))
    def put_item(self, table: str, h: bytes, r: bytes, expires: float) -> None:
        def command(tx: Transaction) -> None:
            tx.save_table(TableRecord(table, h))
            tx.put_item(table, ItemRecord(h, r, h + r, expires))

        self.both(command)

    @rule(table=st.sampled_from("tu"), h=BYTES, r=BYTES)
    def delete_item(self, table: str, h: bytes, r: bytes) -> None:
        self.both(lambda tx: tx.delete_item(table, h, r))

    @rule(now=st.sampled_from([0.5, 1.0, 9.0]), limit=st.integers(1, 3))
    def expire(self, now: float, limit: int) -> None:
        self.both(lambda tx: tx.expire_items(now, limit))

    @rule(table=st.sampled_from("tu"))
    def drop_table(self, table: str) -> None:
        self.both(lambda tx: tx.delete_table(table))

    @rule(address=ADDRESSES, space=SPACES)
    def fail_in_the_middle(self, address: Address, space: str) -> None:
        def command(tx: Transaction) -> None:
            write_version(tx, address, version(tx.ensure_state(address).next_seq))
            tx.set_document(space, "policy", b"never")
            tx.delete_namespace(space)
            raise LookupError("on purpose")

        self.both(command)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = STORES[self.name](self.path)

    @invariant()
    def answers_are_the_same(self) -> None:
        self.steps += 1
        if self.store.reads_are_local or self.steps % 6 == 0:
            self.compare()

    def compare(self) -> None:
        assert without_ids(self.store.read(everything)) == without_ids(self.reference.read(everything))

    def teardown(self) -> None:
        self.compare()
        self.store.close()
        self.reference.close()
        shutil.rmtree(self.path)


@pytest.mark.parametrize("name", [name for name in STORES if name != "memory"])
def test_every_history_gives_the_answers_of_the_reference(name: str):
    machine = type("Histories", (Histories,), {"name": name})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES.get(name, 30),
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
