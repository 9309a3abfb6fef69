"""States, locks and versions that the writer keeps from one command to the next are those that the database has."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import DataKey
from lockhouse.core.locks import FREE, Facet, LockRecord, Take, take
from lockhouse.core.ports import Transaction
from lockhouse.core.records import Namespace, StateRecord
from lockhouse.errors import ConditionFailed
from lockhouse.storage.sql.reader import SqlReader
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.contract.samples import marker, version, write_version

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


def written(tx: Transaction, address: Address) -> None:
    found = tx.state_and_lock(address)
    state = found[0] if found is not None else tx.ensure_state(address)
    new = version(state.next_seq, b"%d" % state.next_seq, packed=b"row", serial=2**64 - state.next_seq)
    key = DataKey(secrets.token_bytes(16), "kek", b"wrapped", b"place")
    body = msgspec.structs.replace(new.body, key=key) if state.next_seq % 2 else new.body
    write_version(tx, address, msgspec.structs.replace(new, body=body, tags={"a": "b"}, encryption={"sse": "AES256"}))


def added_alone(tx: Transaction, address: Address) -> None:
    """A version that is not the newest: as what comes back from the trash."""
    state = tx.ensure_state(address)
    tx.add_version(state, version(state.next_seq))
    tx.save_state(msgspec.structs.replace(state, next_seq=state.next_seq + 1, versions=state.versions + 1))


def tagged(tx: Transaction, address: Address) -> None:
    state = tx.state(address)
    if state is not None and state.current:
        tx.set_tags(state, state.current, {"number": str(state.next_seq)})


def discarded(tx: Transaction, address: Address) -> None:
    """The newest version, which comes back under the same number with other tags."""
    state = tx.state(address)
    newest = tx.current(state, packed=False) if state is not None and state.current else None
    if newest is not None and newest.seq == state.current:
        tx.delete_version(state, newest.seq)
        tx.add_version(state, msgspec.structs.replace(newest, tags={"again": "yes"}, body=version(1).body))


def marked(tx: Transaction, address: Address) -> None:
    write_version(tx, address, marker(tx.ensure_state(address).next_seq))


ACTS: list[Callable[[Transaction, Address], None]] = [
    locked, freed, changed, recreated, missed, written, written, added_alone, tagged, discarded, marked,
]  # fmt: skip
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
    wrong: list[object] = []
    try:
        for steps in groups:
            offered = [
                (_command(act, address, wrong, fails=fails), number)
                for number, (act, address, fails) in enumerate(steps)
            ]
            if not store.offer(offered):
                for command, _ in offered:
                    try:
                        store.write(command)
                    except ConditionFailed:
                        continue
            store.write(lambda tx: _check(tx, wrong))
            assert not wrong
    finally:
        store.close()


def _command(act: Callable[[Transaction, Address], None], address: Address, wrong: list[object], *, fails: bool):
    def command(tx: Transaction) -> None:
        _check(tx, wrong)  # and all are kept now
        act(tx, address)
        _check(tx, wrong)
        if fails:
            raise ConditionFailed("no")

    return command


def _check(tx: Transaction, wrong: list[object]) -> None:
    """What is kept and is not stored goes into `wrong`: a command that raised would be run again, with nothing kept."""
    for address in ADDRESSES:
        pair = tx.state_and_lock(address), as_stored(tx, address)
        if pair[0] != pair[1]:
            wrong.append(pair)
        elif (found := pair[0]) is not None:
            newest = tx.current(found[0], packed=False), SqlReader.current(tx, found[0], packed=False)
            if newest[0] != newest[1]:
                wrong.append(newest)


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
