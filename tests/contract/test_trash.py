"""The trash: versions out of the history, with their bytes, until they are recovered or purged."""

from __future__ import annotations

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Store
from lockhouse.core.records import Namespace
from lockhouse.core.trash import Discarded
from tests.contract.samples import HOME, refused, version, write_version


def discard(store: Store, seq: int, at: float, address: Address = HOME) -> Discarded:
    def command(tx) -> Discarded:
        state = tx.state(address)
        found = Discarded(tx.version(state, seq, packed=False), at, "deleted", "ann")
        tx.discard_version(state.id, found)
        return found

    return store.write(command)


def test_a_discarded_version_leaves_the_history_and_comes_back_with_its_bytes(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, version(1, b"one")))
    state = store.write(lambda tx: write_version(tx, HOME, version(2, b"two")))
    thrown = discard(store, 1, 50.0)
    assert store.read(lambda r: [each.seq for each in r.versions(state)]) == [2]
    assert store.read(lambda r: (r.version(state, 1), r.discarded(state.id, 1))) == (None, thrown)
    assert refused(store, lambda tx: tx.discard_version(state.id, thrown))
    store.write(lambda tx: tx.recover_version(state.id, 1))
    assert store.read(lambda r: (r.version(state, 1), r.discarded(state.id, 1))) == (version(1, b"one"), None)
    assert refused(store, lambda tx: tx.recover_version(state.id, 1))


def test_the_trash_is_listed_by_number_and_due_by_age(store: Store):
    other = Address("acme", "other")
    for seq in (1, 2, 3):
        state = store.write(lambda tx, seq=seq: write_version(tx, HOME, version(seq, b"%d" % seq)))
    second = store.write(lambda tx: write_version(tx, other, version(1, b"x")))
    for seq, at in ((1, 30.0), (2, 10.0), (3, 20.0)):
        discard(store, seq, at)
    discard(store, 1, 20.0, other)
    assert store.read(lambda r: [each.version.seq for each in r.trash(state.id)]) == [3, 2, 1]
    assert store.read(lambda r: [each.version.seq for each in r.trash(state.id, before=3, limit=1)]) == [2]
    assert all(each.version.body.packed == b"" for each in store.read(lambda r: r.trash(state.id)))
    due = [(state.id, 2), *sorted([(state.id, 3), (second.id, 1)]), (state.id, 1)]
    assert list(store.read(lambda r: r.trash_due(30.0))) == due
    assert list(store.read(lambda r: r.trash_due(20.0, limit=2))) == due[:2]
    assert list(store.read(lambda r: r.trash_due(9.9))) == []


def test_a_purged_version_is_gone_and_its_number_is_not_in_the_history(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, version(1, b"one")))
    store.write(lambda tx: tx.purge_version(state.id, 1))
    assert store.read(lambda r: r.version(state, 1)) == version(1, b"one")
    discard(store, 1, 50.0)
    store.write(lambda tx: tx.purge_version(state.id, 1))
    assert store.read(lambda r: (r.discarded(state.id, 1), r.version(state, 1))) == (None, None)


def test_a_blob_in_the_trash_is_referred_to_until_it_is_purged(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, version(1, b"one", blob="b1")))
    discard(store, 1, 50.0)
    assert list(store.read(lambda r: r.blob_names())) == ["b1"]
    assert list(store.read(lambda r: r.blob_names(after="b1"))) == []
    store.write(lambda tx: tx.purge_version(state.id, 1))
    assert list(store.read(lambda r: r.blob_names())) == []


def test_the_trash_goes_with_its_namespace(store: Store):
    store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    state = store.write(lambda tx: write_version(tx, HOME, version(1, b"one", blob="b1")))
    discard(store, 1, 50.0)
    store.write(lambda tx: tx.save_state(replace(state, current=0, live=False, versions=0)))
    store.write(lambda tx: tx.delete_namespace("acme"))
    assert store.read(lambda r: (list(r.trash_due(100.0)), list(r.blob_names()), r.state(HOME))) == ([], [], None)
