"""What replicas know of each other: who waits, which replica runs, what a credential saw."""

from __future__ import annotations

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet, Release, release
from lockhouse.core.ports import Store
from lockhouse.core.queues import Queued, Recollection
from tests.contract.samples import HOME, held, refused

OTHER = Address("acme", "other")


def waiting(name: str, replica: str = "a", address: Address = HOME) -> Queued:
    return Queued(name, address, replica, 5.0, "ann", "127.0.0.1", "Terraform/1.9")


def enqueue(store: Store, *requests: Queued) -> None:
    for each in requests:
        store.write(lambda tx, each=each: tx.enqueue(each))


def test_requests_wait_in_the_order_of_their_arrival(store: Store):
    store.write(lambda tx: tx.say_alive("a", 10.0))
    enqueue(store, waiting("2"), waiting("1", "b"), waiting("x", address=OTHER), waiting("3"))
    assert store.read(lambda r: list(r.queue(HOME))) == [
        (waiting("2"), 10.0),
        (waiting("1", "b"), 0.0),
        (waiting("3"), 10.0),
    ]
    store.write(lambda tx: tx.dequeue("2"))
    store.write(lambda tx: tx.dequeue("nobody"))
    assert store.read(lambda r: [each.id for each, _ in r.queue(HOME)]) == ["1", "3"]
    assert refused(store, lambda tx: tx.enqueue(waiting("3")))


def test_only_the_first_of_living_replicas_asks_and_only_where_nobody_has_the_lock(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    for replica, at in (("a", 100.0), ("b", 100.0), ("dead", 10.0)):
        store.write(lambda tx, replica=replica, at=at: tx.say_alive(replica, at))
    enqueue(store, waiting("0", "dead"), waiting("1", "a"), waiting("2", "b"), waiting("3", "b", OTHER))
    asked = lambda replica: list(store.read(lambda r: r.next_to_ask(replica, 95.0)))  # noqa: E731
    assert (asked("a"), asked("b"), asked("c")) == (["1"], ["3"], [])
    record = held()
    store.write(lambda tx: tx.save_lock(state, record, 0))
    assert (asked("a"), asked("b")) == ([], ["3"])
    store.write(lambda tx: tx.save_lock(state, release(record, Release(Facet.TABLE, "c1", 6.0, 0)).record, 1))
    store.write(lambda tx: tx.dequeue("1"))
    assert (asked("a"), asked("b")) == ([], ["2", "3"])


def test_a_replica_that_is_gone_takes_its_requests_with_it(store: Store):
    store.write(lambda tx: tx.say_alive("old", 10.0))
    store.write(lambda tx: tx.say_alive("new", 50.0))
    enqueue(store, waiting("1", "old"), waiting("2", "new"), waiting("3", "never said"))
    store.write(lambda tx: tx.say_alive("old", 20.0))
    store.write(lambda tx: tx.forget_replicas(20.0))
    assert store.read(lambda r: [each.id for each, _ in r.queue(HOME)]) == ["1", "2"]
    store.write(lambda tx: tx.forget_replicas(30.0))
    assert store.read(lambda r: [each.id for each, _ in r.queue(HOME)]) == ["2"]


def test_what_a_credential_saw_is_kept_for_each_address_until_it_is_forgotten(store: Store):
    store.write(lambda tx: (tx.ensure_state(HOME), tx.ensure_state(OTHER)))
    seen = Recollection(read_id="L1", read_at=5.0, refused_info=b"\x00{}", owed_to={"Terraform/1.15.5": -1})
    assert store.read(lambda r: r.recollection("c1", HOME)) is None
    store.write(lambda tx: tx.save_recollection("c1", HOME, seen, 5.0))
    store.write(lambda tx: tx.save_recollection("c1", OTHER, replace(seen, read_id="L2"), 6.0))
    store.write(lambda tx: tx.save_recollection("c1", HOME, replace(seen, pin_seq=3), 7.0))
    assert store.read(lambda r: r.recollection("c1", HOME)) == replace(seen, pin_seq=3)
    assert store.read(lambda r: r.recollection("c2", HOME)) is None
    assert store.write(lambda tx: tx.forget_recollections(7.0)) == 1
    assert store.read(lambda r: (r.recollection("c1", HOME), r.recollection("c1", OTHER))) == (
        replace(seen, pin_seq=3),
        None,
    )
