"""Where packed bodies are: given back with what they are packed against, moved only from where they were."""

from __future__ import annotations

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Store
from lockhouse.core.records import StateRecord
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body, Version
from tests.contract.samples import HOME, version, write_version


def write(store: Store, *versions: Version, address: Address = HOME) -> StateRecord:
    for each in versions:
        state = store.write(lambda tx, each=each: write_version(tx, address, each))
    return state


def discard(store: Store, state: StateRecord, seq: int) -> None:
    def command(tx) -> None:
        tx.discard_version(state.id, Discarded(tx.version(state, seq, packed=False), 5.0))

    store.write(command)


def bodies(store: Store, state: StateRecord, seq: int) -> list[Body]:
    """The body of a version and those under it."""
    found = store.read(lambda r: r.kept(state, seq))
    assert found is not None
    steps = [found.body]
    while steps[-1].under is not None:
        steps.append(steps[-1].under)
    return steps


def pack(store: Store, state: StateRecord, seq: int, base: int, packed: bytes = b"delta", **more) -> bool:
    def command(tx) -> bool:
        old = tx.kept(state, seq).body
        return tx.repack(state.id, seq, old, replace(old, packed=packed, blob="", base=base, **more), 50.0)

    return store.write(command)


def test_a_packed_version_comes_with_what_it_is_packed_against(store: Store):
    state = write(store, version(1, b"one"), version(2, b"two"), version(3, b"three"))
    assert pack(store, state, 1, 2, b"d1")
    assert pack(store, state, 2, 3, b"d2")
    assert [(body.packed, body.base) for body in bodies(store, state, 1)] == [(b"d1", 2), (b"d2", 3), (b"three", 0)]
    whole = store.read(lambda r: r.version(state, 1))
    store.write(lambda tx: tx.save_state(replace(tx.state(HOME), current=1)))
    assert store.read(lambda r: r.state_and_version(HOME))[1] == whole
    assert whole.body.under.under.packed == b"three"
    assert (whole.body.sha256, whole.body.size) == (version(1, b"one").body.sha256, 3)
    bare = store.read(lambda r: (r.version(state, 1, packed=False), r.versions(state)[-1]))
    assert all((each.body.base, each.body.under, each.body.packed) == (2, None, b"") for each in bare)


def test_a_version_in_the_trash_is_packed_and_is_still_packed_against(store: Store):
    state = write(store, version(1, b"one"), version(2, b"two"), version(3, b"three"))
    assert pack(store, state, 1, 2, b"d1")
    discard(store, state, 2)
    assert [body.packed for body in bodies(store, state, 1)] == [b"d1", b"two"]
    assert pack(store, state, 2, 3, b"d2")
    assert [body.packed for body in bodies(store, state, 1)] == [b"d1", b"d2", b"three"]
    store.write(lambda tx: tx.recover_version(state.id, 2))
    assert [body.packed for body in bodies(store, state, 2)] == [b"d2", b"three"]


def test_dependants_are_told_and_keep_a_version_from_being_due(store: Store):
    state = write(store, *(version(seq, b"%d" % seq) for seq in (1, 2, 3, 4)))
    for seq in (1, 2):
        assert pack(store, state, seq, 3)
    discard(store, state, 3)
    assert list(store.read(lambda r: r.dependants(state.id, 3))) == [1, 2]
    assert list(store.read(lambda r: r.dependants(state.id, 3, limit=1))) == [1]
    assert list(store.read(lambda r: r.trash_due(9.0))) == []
    assert pack(store, state, 1, 4)
    discard(store, state, 2)
    store.write(lambda tx: tx.purge_version(state.id, 2))
    assert list(store.read(lambda r: r.dependants(state.id, 3))) == []
    assert list(store.read(lambda r: r.trash_due(9.0))) == [(state.id, 3)]


def test_a_version_is_moved_only_from_where_it_was_and_onto_what_is_there(store: Store):
    state = write(store, version(1, b"one"), version(2, b"two"))
    old = store.read(lambda r: r.kept(state, 1)).body
    new = replace(old, packed=b"d", base=2)
    for wrong in (
        lambda tx: tx.repack(state.id, 1, replace(old, blob="b"), new, 1.0),
        lambda tx: tx.repack(state.id, 1, replace(old, base=7), new, 1.0),
        lambda tx: tx.repack(state.id, 1, old, replace(new, base=7), 1.0),
        lambda tx: tx.repack(state.id, 9, old, new, 1.0),
    ):
        assert not store.write(wrong)
    assert bodies(store, state, 1) == [old]
    assert store.write(lambda tx: tx.repack(state.id, 1, old, new, 1.0))
    assert not store.write(lambda tx: tx.repack(state.id, 1, old, new, 1.0))


def test_a_judgement_leaves_the_bytes_where_they_are(store: Store):
    state = write(store, version(1, b"one"), version(2, b"two", blob="b2"))
    for seq in (1, 2):
        before = store.read(lambda r, seq=seq: r.kept(state, seq)).body
        judged = replace(before, judged=9)
        assert store.write(lambda tx, seq=seq, old=before, new=judged: tx.repack(state.id, seq, old, new, 1.0))
        assert bodies(store, state, seq) == [judged]
    assert list(store.read(lambda r: r.blob_names())) == ["b2"]


def test_a_blob_that_was_left_is_named_until_it_is_forgotten(store: Store):
    state = write(store, version(1, b"one", blob="b1"), version(2, b"two", blob="b2"), version(3, b"three"))
    assert pack(store, state, 1, 2)
    assert store.write(
        lambda tx: tx.repack(
            state.id, 2, tx.kept(state, 2).body, replace(tx.kept(state, 2).body, blob="c2", framed=True), 60.0
        )
    )
    assert list(store.read(lambda r: r.blob_names())) == ["b1", "b2", "c2"]
    assert [body.framed for body in bodies(store, state, 1)] == [False, True]
    assert store.write(lambda tx: tx.forget_retired(50.0)) == 1
    assert list(store.read(lambda r: r.blob_names())) == ["b2", "c2"]
    assert store.write(lambda tx: tx.forget_retired(60.0, limit=1)) == 1
    assert store.write(lambda tx: tx.forget_retired(60.0)) == 0


def test_a_history_is_due_until_it_is_settled_and_again_when_it_has_changed(store: Store):
    def due() -> list[str]:
        states, _ = store.read(lambda r: r.packing_due(home.id - 1, 1000))  # ids go on from those of other tests
        return [each.address.key for each in states]

    other = Address("acme", "other")
    home = write(store, version(1), version(2))
    write(store, version(1), address=other)
    assert due() == [HOME.key]
    store.write(lambda tx: tx.settle_packing(home))
    assert due() == []
    home = write(store, version(3))
    assert due() == [HOME.key]
    store.write(lambda tx: tx.settle_packing(home))
    store.write(lambda tx: tx.save_state(replace(home, versions=2)))
    assert due() == [HOME.key]


def test_what_is_due_is_found_span_by_span(store: Store):
    places = [Address("acme", f"k{number}") for number in range(7)]
    for place in places:
        write(store, version(1), version(2), address=place)
    found, after = [], 0
    while True:
        states, after = store.read(lambda r, after=after: r.packing_due(after, 2))
        found += [each.address for each in states]
        if not after:
            break
    assert found == places


def test_everything_kept_is_listed_in_order(store: Store):
    other = Address("acme", "other")
    home = write(store, version(1), version(2), version(3))
    second = write(store, version(1), address=other)
    discard(store, home, 2)
    expected = [(HOME, home.id, 1), (HOME, home.id, 2), (HOME, home.id, 3), (other, second.id, 1)]
    assert list(store.read(lambda r: r.kept_places())) == expected
    assert list(store.read(lambda r: r.kept_places((home.id, 1), 2))) == expected[1:3]
    assert list(store.read(lambda r: r.kept_places((second.id, 1)))) == []
