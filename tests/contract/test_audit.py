"""The audit log: entries in order, sealed once, and kept while anything else is undone."""

from __future__ import annotations

import pytest

from lockhouse.audit import segments
from lockhouse.audit.signing import Signer
from lockhouse.core.audit import Entry, Segment, encode
from lockhouse.core.ports import Store, Transaction
from lockhouse.service import audit
from tests.contract.samples import refused

SIGNER = Signer(b"m" * 32)


def build(after: Segment | None, raws):
    return segments.build(after, raws, 100.0, SIGNER)


def raw(number: int) -> bytes:
    return encode(Entry(float(number), f"test.{number}"))


def add(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.write(lambda tx, number=number: tx.add_entry(raw(number)))


def seal(store: Store, most: int = 100) -> Segment | None:
    return store.write(lambda tx: audit.seal(tx, build, most))


def test_entries_wait_in_the_order_in_which_they_were_written(store: Store):
    add(store, 1, 2, 3)
    assert [entry for _, entry in store.read(lambda r: r.unsealed())] == [raw(1), raw(2), raw(3)]
    assert [entry for _, entry in store.read(lambda r: r.unsealed(2, newest_first=True))] == [raw(3), raw(2)]


def test_an_entry_of_a_command_that_fails_was_never_there(store: Store):
    def fails(tx: Transaction) -> None:
        tx.add_entry(raw(1))
        raise ValueError

    with pytest.raises(ValueError):
        store.write(fails)
    assert store.read(lambda r: r.unsealed()) == []


def test_sealed_entries_have_consecutive_numbers_and_wait_no_more(store: Store):
    add(store, 1, 2, 3)
    first = seal(store, 2)
    add(store, 4)
    second = seal(store)
    assert (first.first, first.last, second.first, second.last) == (1, 2, 3, 4)
    assert second.before == first.hash
    assert seal(store) is None
    assert store.read(lambda r: (r.unsealed(), r.last_segment())) == ([], second)
    assert store.read(lambda r: r.segments()) == [first, second]
    assert store.read(lambda r: r.segments(1)) == [second]
    assert store.read(lambda r: r.segments_before()) == [second, first]
    assert store.read(lambda r: r.segments_before(3, 5)) == [first]
    assert segments.check_all([first, second], SIGNER.public_key) == (4, second, None)


def test_a_number_is_given_once(store: Store):
    add(store, 1, 2)
    stale = build(None, [raw(1)])
    seal(store)
    assert refused(store, lambda tx: tx.seal(stale, []))
    add(store, 3)
    number = store.read(lambda r: r.unsealed())[0][0]
    follows = build(store.read(lambda r: r.last_segment()), [raw(3)])
    assert refused(store, lambda tx: tx.seal(follows, [number, number + 1]))
    assert [entry for _, entry in store.read(lambda r: r.unsealed())] == [raw(3)]


def test_the_oldest_segments_go_and_the_newest_stays(store: Store):
    for number in range(1, 5):
        add(store, number)
        seal(store)
    assert store.write(lambda tx: audit.forget(tx, 3.0, 100)) == 2
    assert [each.first for each in store.read(lambda r: r.segments())] == [3, 4]
    store.write(lambda tx: audit.forget(tx, 1000.0, 100))
    assert [each.first for each in store.read(lambda r: r.segments())] == [4]
    add(store, 5)
    assert seal(store).first == 5
