"""Reviews, and the lock history of all addresses."""

from __future__ import annotations

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Store
from lockhouse.core.reviews import ReviewRecord
from tests.contract.samples import event, refused


def record(name: str, root: str = "/src/app", principal: str = "p1") -> ReviewRecord:
    return ReviewRecord(0, name, 5.0, root, "abc", principal, "ann", 10, {"used": 2}, findings=1)


def add(store: Store, *records: ReviewRecord) -> None:
    for each in records:
        store.write(lambda tx, each=each: tx.add_review(each, f"body of {each.id}".encode()))


def ids(store: Store, *arguments, **options) -> list[str]:
    return [each.id for each in store.read(lambda r: r.reviews(*arguments, **options))]


def test_a_review_is_kept_with_its_body_until_it_is_deleted(store: Store):
    kept = store.write(lambda tx: tx.add_review(record("r1"), b"\x00body"))
    assert kept == replace(record("r1"), seq=kept.seq)
    assert store.read(lambda r: (r.review("r1"), r.review_body("r1"))) == (kept, b"\x00body")
    assert refused(store, lambda tx: tx.add_review(record("r1"), b"other"))
    assert store.read(lambda r: r.review_body("r1")) == b"\x00body"
    store.write(lambda tx: tx.delete_review("r1"))
    store.write(lambda tx: tx.delete_review("r1"))
    assert store.read(lambda r: (r.review("r1"), r.review_body("r1"))) == (None, None)


def test_the_number_of_a_deleted_review_is_not_given_again(store: Store):
    first = store.write(lambda tx: tx.add_review(record("r1"), b""))
    store.write(lambda tx: tx.delete_review("r1"))
    assert store.write(lambda tx: tx.add_review(record("r2"), b"")).seq > first.seq


def test_reviews_are_listed_newest_first_by_root_and_sender(store: Store):
    add(store, record("a1"), record("b1", "/src/b", "p2"), record("a2", principal="p2"), record("a3"))
    assert ids(store) == ["a3", "a2", "b1", "a1"]
    assert ids(store, "/src/app") == ["a3", "a2", "a1"]
    assert ids(store, "/src/app", "p1") == ["a3", "a1"]
    assert ids(store, principal="p2") == ["a2", "b1"]
    assert ids(store, "/src") == []
    middle = store.read(lambda r: r.review("a2")).seq
    assert ids(store, before=middle) == ["b1", "a1"]
    assert ids(store, "/src/app", before=middle, limit=1) == ["a1"]


def test_the_newest_of_every_root_is_that_of_the_sender_where_one_is_named(store: Store):
    add(store, record("a1"), record("b1", "/src/b", "p2"), record("a2", principal="p2"), record("c1", "/src/c"))
    assert ids(store, newest_only=True) == ["c1", "a2", "b1"]
    assert ids(store, principal="p1", newest_only=True) == ["c1", "a1"]
    newest = store.read(lambda r: r.review("c1")).seq
    assert ids(store, before=newest, newest_only=True) == ["a2", "b1"]
    assert ids(store, before=store.read(lambda r: r.review("a2")).seq, newest_only=True) == ["b1"]


def test_lock_events_of_all_addresses_come_newest_first_with_their_address(store: Store):
    places = [Address("acme", "a"), Address("other", "é"), Address("acme", "a")]
    for number, place in enumerate(places):
        store.write(
            lambda tx, n=number, place=place: tx.add_lock_event(
                tx.ensure_state(place), replace(event("taken", n), version="1.15.5")
            )
        )
    found = store.read(lambda r: r.recent_lock_events())
    assert [(address, each.epoch, each.version) for address, each in found] == [
        (places[2], 2, "1.15.5"),
        (places[1], 1, "1.15.5"),
        (places[0], 0, "1.15.5"),
    ]
    assert store.read(lambda r: r.recent_lock_events(found[0][1].seq, 1)) == found[1:2]
    assert list(store.read(lambda r: r.recent_lock_events(found[-1][1].seq))) == []
