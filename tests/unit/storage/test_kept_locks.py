"""States and locks that the writer keeps from one command to the next are those that the database has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockhouse.core.addresses import Address
from lockhouse.core.locks import FREE, Facet, LockRecord, Take, take
from lockhouse.core.ports import Transaction
from lockhouse.core.records import Namespace, StateRecord
from lockhouse.errors import ConditionFailed
from lockhouse.storage.sql.reader import SqlReader
from lockhouse.storage.sql.sqlite import SqliteStore

ADDRESSES = [Address("acme", f"{name}.tfstate") for name in "abc"]
Pair = tuple[StateRecord, LockRecord] | None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "db")
    yield opened
    opened.close()


def locked(tx: Transaction, address: Address) -> None:
    found = tx.state_and_lock(address)
    state, record = found if found is not None else (tx.ensure_state(address), FREE)
    new = take(record, Take(Facet.TABLE, f"id-{record.epoch}", b"{}", "p", "ann", "c", 1.0)).record
    assert tx.save_lock(state, new, record.epoch)


def freed(tx: Transaction, address: Address) -> None:
    found = tx.state_and_lock(address)
    if found is not None:
        assert tx.save_lock(found[0], msgspec.structs.replace(found[1], lock=None), found[1].epoch)


def changed(tx: Transaction, address: Address) -> None:
    state = tx.ensure_state(address)
    tx.save_state(msgspec.structs.replace(state, highest_serial=state.highest_serial + 1, is_state=True))


def recreated(tx: Transaction, address: Address) -> None:
    tx.delete_namespace(address.namespace)
    tx.create_namespace(Namespace(address.namespace, 1.0))


def missed(tx: Transaction, address: Address) -> None:
    found = tx.state_and_lock(address)
    if found is not None:
        assert not tx.save_lock(found[0], FREE, found[1].epoch + 7)


ACTS: list[Callable[[Transaction, Address], None]] = [locked, freed, changed, recreated, missed]
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(ADDRESSES), st.booleans()), min_size=1, max_size=12)


def as_stored(tx: Transaction, address: Address) -> Pair:
    """Past what the transaction keeps."""
    assert isinstance(tx, SqlReader)
    return SqlReader.state_and_lock(tx, address)


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(STEPS, min_size=1, max_size=5))
def test_what_is_kept_is_what_is_stored_whatever_was_undone(tmp_path_factory, groups):
    store = SqliteStore(tmp_path_factory.mktemp("kept") / "db", synchronous="OFF")
    store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    try:
        for steps in groups:
            offered = [
                (_command(act, address, fails=fails), number) for number, (act, address, fails) in enumerate(steps)
            ]
            if not store.offer(offered):
                for command, _ in offered:
                    try:
                        store.write(command)
                    except ConditionFailed:
                        continue
            store.write(_check)
    finally:
        store.close()


def _command(act: Callable[[Transaction, Address], None], address: Address, *, fails: bool):
    def command(tx: Transaction) -> None:
        _check(tx)  # and all are kept now
        act(tx, address)
        _check(tx)
        if fails:
            raise ConditionFailed("no")

    return command


def _check(tx: Transaction) -> None:
    for address in ADDRESSES:
        assert tx.state_and_lock(address) == as_stored(tx, address)


def test_a_lock_that_was_undone_is_not_kept(store: SqliteStore):
    address = ADDRESSES[0]
    store.write(lambda tx: locked(tx, address))
    store.write(lambda tx: freed(tx, address))

    def lock_then_fail(tx: Transaction) -> None:
        locked(tx, address)
        raise ConditionFailed("no")

    with pytest.raises(ConditionFailed):
        store.write(lock_then_fail)
    found = store.write(lambda tx: tx.state_and_lock(address))
    assert found is not None
    assert found[1].lock is None
