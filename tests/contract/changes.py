"""What changes the newest version of a state, or what is kept of it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from lockhouse.core.ports import Transaction
from lockhouse.core.records import StateRecord
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Facts
from tests.contract.samples import HOME, marker, version, write_version


def two_versions(tx: Transaction) -> StateRecord:
    write_version(tx, HOME, version(1))
    return write_version(tx, HOME, version(2, b"[2]"))


def _pack(tx: Transaction, state: StateRecord) -> None:
    found = tx.version(state, 2)
    assert found is not None
    assert found.body is not None
    assert tx.repack(state.id, 2, found.body, replace(found.body, packed=b"", blob="elsewhere"), 5.0)


def _discard(tx: Transaction, state: StateRecord) -> None:
    found = tx.version(state, 2)
    assert found is not None
    tx.discard_version(state.id, Discarded(found, 5.0))
    tx.save_state(replace(state, current=1))


def _discard_and_recover(tx: Transaction, state: StateRecord) -> None:
    _discard(tx, state)
    tx.recover_version(state.id, 2)
    tx.save_state(state)


def _delete_all(tx: Transaction, state: StateRecord) -> None:
    tx.delete_version(state, 1)
    tx.delete_version(state, 2)
    tx.save_state(replace(state, current=0, live=False))


CHANGES: dict[str, Callable[[Transaction, StateRecord], object]] = {
    "another version": lambda tx, state: write_version(tx, state.address, version(3)),
    "a delete marker": lambda tx, state: write_version(tx, state.address, marker(3)),
    "facts": lambda tx, state: tx.set_facts(state, 2, Facts(serial=9, lineage="lin")),
    "tags": lambda tx, state: tx.set_tags(state, 2, {"a": "b"}),
    "tags of an older version": lambda tx, state: tx.set_tags(state, 1, {"a": "b"}),
    "packing": _pack,
    "to the trash": _discard,
    "to the trash and back": _discard_and_recover,
    "all versions deleted": _delete_all,
    "counters": lambda tx, state: tx.save_state(replace(state, parked=3)),
}
