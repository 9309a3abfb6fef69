"""Locks, their history, and who holds what."""

from __future__ import annotations

from itertools import product

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import FREE, Facet, LockRecord, Release, release
from lockhouse.core.ports import Store
from tests.contract.samples import HOME, ODD_KEYS, event, held


def test_an_address_starts_free(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    assert store.read(lambda r: r.lock(state)) == FREE


def test_a_lock_is_saved_when_the_epoch_is_the_expected_one(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    record = held()
    assert store.write(lambda tx: tx.save_lock(state, record, 0)) is True
    assert store.read(lambda r: r.lock(state)) == record
    for wrong in (0, 2, -1):
        assert store.write(lambda tx, wrong=wrong: tx.save_lock(state, held(record, "L2"), wrong)) is False
    assert store.read(lambda r: r.lock(state)) == record
    freed = release(record, Release(Facet.TABLE, "c1", 6.0, 0)).record
    assert store.write(lambda tx: tx.save_lock(state, freed, 1)) is True
    assert store.read(lambda r: r.lock(state)) == freed


def test_a_first_lock_with_a_wrong_epoch_is_refused(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    assert store.write(lambda tx: tx.save_lock(state, held(), 3)) is False
    assert store.read(lambda r: r.lock(state)) == FREE


def test_a_record_without_a_grant_is_kept_at_epoch_zero(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    assert store.write(lambda tx: tx.save_lock(state, LockRecord(), 0)) is True
    assert store.write(lambda tx: tx.save_lock(state, held(), 0)) is True
    assert store.read(lambda r: r.lock(state)).epoch == 1


def test_the_history_is_numbered_by_the_store(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    other = store.write(lambda tx: tx.ensure_state(Address("acme", "other")))
    for number in range(1, 6):
        store.write(lambda tx, number=number: tx.add_lock_event(state, replace(event("taken", number), seq=77)))
    store.write(lambda tx: tx.add_lock_event(other, event("taken")))
    events = store.read(lambda r: r.lock_events(state, limit=3))
    assert [each.epoch for each in events] == [5, 4, 3]
    assert events[0].seq > events[1].seq > events[2].seq > 0
    assert [each.epoch for each in store.read(lambda r: r.lock_events(state, before=events[2].seq))] == [2, 1]
    assert len(store.read(lambda r: r.lock_events(other))) == 1


def test_held_locks_are_listed_in_the_order_of_bytes_and_paged(store: Store):
    places = [Address(space, key) for space in ("b", "a", "a-b") for key in ODD_KEYS]

    def fill(tx):
        for place in places:
            tx.save_lock(tx.ensure_state(place), held(), 0)
            tx.ensure_state(Address(place.namespace, place.key + "!free"))

    store.write(fill)
    expected = sorted(places, key=lambda place: (place.namespace.encode(), place.key.encode()))
    paged: list[Address] = []
    while page := store.read(lambda r, after=paged[-1] if paged else None: r.held_locks(after=after, limit=7)):
        paged += [state.address for state, _ in page]
        assert all(record.lock is not None for _, record in page)
    assert paged == expected


def test_held_locks_below_a_prefix_are_exact(store: Store):
    places = [Address(space, key) for space in ("a", "b") for key in ODD_KEYS]

    def fill(tx):
        for place in places:
            tx.save_lock(tx.ensure_state(place), held(), 0)

    store.write(fill)
    starts = [None, Address("a", "a/b"), Address("b", ""), Address("a", "zzz"), Address("c", "x")]
    for namespace, prefix, after in product(["", "a", "b", "none"], ["", "a", "a/", "\U0010ffff"], starts):
        expected = sorted(
            place
            for place in places
            if namespace in ("", place.namespace) and place.key.startswith(prefix) and (after is None or place > after)
        )
        found = store.read(lambda r: r.held_locks(namespace, prefix, after))  # noqa: B023
        assert [state.address for state, _ in found] == expected, (namespace, prefix, after)


def test_a_released_lock_is_not_listed(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    record = held()
    store.write(lambda tx: tx.save_lock(state, record, 0))
    assert len(store.read(lambda r: r.held_locks())) == 1
    store.write(lambda tx: tx.save_lock(state, release(record, Release(Facet.TABLE, "c1", 6.0, 0)).record, 1))
    assert list(store.read(lambda r: r.held_locks())) == []
