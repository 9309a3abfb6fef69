"""Addresses, versions and listings."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address, behind
from lockhouse.core.locks import FREE
from lockhouse.core.ports import Store
from lockhouse.core.records import Namespace
from lockhouse.core.versions import Facts
from tests.contract.samples import HOME, ODD_KEYS, event, held, marker, refused, version, write_version


def test_an_overview_of_states_is_what_each_of_them_says(store):
    def fill(tx):
        for number, key in enumerate(ODD_KEYS):
            state = write_version(tx, Address("acme", key), version(1))
            if number % 3 == 0:
                tx.save_lock(state, held(), 0)
            if number % 3 == 1:
                record = held()
                tx.save_lock(state, record, 0)
                tx.save_lock(state, replace(record, lock=None), record.epoch)
        tx.ensure_state(Address("acme", "never written"))
        write_version(tx, Address("other", ODD_KEYS[0]), version(1))

    store.write(fill)
    asked = [*ODD_KEYS, "never written", "nowhere"]

    def one_by_one(tx):
        for key in asked[:-1]:
            state = tx.state(Address("acme", key))
            lock = tx.lock(state)
            yield state, lock if lock.lock is not None else FREE, tx.current(state, packed=False)

    found = store.read(lambda tx: tx.overview("acme", asked))
    by_key = {state.address.key: (state, lock, current) for state, lock, current in found}
    assert by_key == {each[0].address.key: each for each in store.read(lambda tx: list(one_by_one(tx)))}
    assert store.read(lambda tx: tx.overview("acme", [])) == []


def test_an_unknown_address_has_no_record(store: Store):
    assert store.read(lambda r: r.state(HOME)) is None


def test_a_state_comes_with_its_newest_version_or_marker_or_with_none(store: Store):
    assert store.read(lambda r: r.state_and_version(HOME)) is None
    assert store.write(lambda tx: tx.state_and_version(HOME)) is None
    state = store.write(lambda tx: tx.ensure_state(HOME))
    assert store.read(lambda r: r.state_and_version(HOME)) == (state, None)
    for new in (version(1, b"one", packed=b"first"), version(2, b"two", blob="b"), marker(3)):
        state = store.write(lambda tx, new=new: write_version(tx, HOME, new))
        assert store.read(lambda r: r.state_and_version(HOME)) == (state, new)
        assert store.write(lambda tx: tx.state_and_version(HOME)) == (state, new)
        bare = new if new.body is None else replace(new, body=replace(new.body, packed=b""))
        assert store.read(lambda r: r.state_and_version(HOME, packed=False)) == (state, bare)


def test_an_address_is_made_once(store: Store):
    first = store.write(lambda tx: tx.ensure_state(HOME))
    assert store.write(lambda tx: tx.ensure_state(HOME)) == first
    assert store.read(lambda r: r.state(HOME)) == first


def test_addresses_are_never_joined(store: Store):
    twins = [Address("a-b", "c"), Address("a", "b-c"), Address("a", "b/c"), Address("a/b", "c")]
    ids = {store.write(lambda tx, twin=twin: tx.ensure_state(twin)).id for twin in twins}
    assert len(ids) == 4


def test_every_field_of_a_state_comes_back(store: Store):
    state = store.write(lambda tx: tx.ensure_state(HOME))
    full = replace(
        state, current=7, live=True, next_seq=9, versions=5, is_state=True, require_lock=True,
        highest_serial=2**64 - 1, parked=3, share_ssec=True,
    )  # fmt: skip
    store.write(lambda tx: tx.save_state(full))
    assert store.read(lambda r: r.state(HOME)) == full


@pytest.mark.parametrize("serial", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_serials_keep_all_their_64_bits(store: Store, serial: int):
    state = replace(store.write(lambda tx: tx.ensure_state(HOME)), highest_serial=serial)
    store.write(lambda tx: tx.save_state(state))
    write = version(1, serial=serial)
    store.write(lambda tx: tx.add_version(state, write))
    assert store.read(lambda r: r.state(HOME)).highest_serial == serial
    assert store.read(lambda r: r.version(state, 1)).facts.serial == serial


def test_a_version_comes_back_as_it_was_written(store: Store):
    new = version(1, b"the bytes", packed=b"packed bytes")
    state = store.write(lambda tx: write_version(tx, HOME, new))
    assert store.read(lambda r: r.current(state)) == new
    assert store.read(lambda r: r.version(state, 1)) == new
    assert store.read(lambda r: r.version(state, 2)) is None


def test_reads_leave_out_packed_bytes_where_they_are_not_wanted(store: Store):
    new = version(1, b"the bytes", packed=b"packed bytes")
    bare = replace(new, body=replace(new.body, packed=b""))
    state = store.write(lambda tx: write_version(tx, HOME, new))
    assert store.read(lambda r: r.current(state, packed=False)) == bare
    assert store.read(lambda r: r.version(state, 1, packed=False)) == bare
    assert store.read(lambda r: r.versions(state)) == [bare]
    assert store.read(lambda r: r.states("acme")) == [(state, bare)]


def test_a_version_is_written_once(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, version(1)))
    assert refused(store, lambda tx: tx.add_version(state, version(1, b"other")))
    assert store.read(lambda r: r.version(state, 1)) == version(1)


def test_versions_page_from_the_newest(store: Store):
    for seq in range(1, 8):
        state = store.write(lambda tx, seq=seq: write_version(tx, HOME, version(seq)))
    other = store.write(lambda tx: write_version(tx, Address("acme", "other"), version(1)))
    assert [v.seq for v in store.read(lambda r: r.versions(state, limit=3))] == [7, 6, 5]
    assert [v.seq for v in store.read(lambda r: r.versions(state, before=5, limit=3))] == [4, 3, 2]
    assert [v.seq for v in store.read(lambda r: r.versions(state, before=2))] == [1]
    assert list(store.read(lambda r: r.versions(state, before=1))) == []
    assert len(store.read(lambda r: r.versions(other))) == 1


def test_facts_and_tags_change_and_the_bytes_stay(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, version(1, b"data", packed=b"p")))
    facts = Facts(serial=1, lineage="lin", resources=12, outputs=3)
    store.write(lambda tx: tx.set_facts(state, 1, facts))
    store.write(lambda tx: tx.set_tags(state, 1, {"k": "v", "ä": ""}))
    found = store.read(lambda r: r.version(state, 1))
    assert (found.facts, found.tags, found.body.packed) == (facts, {"k": "v", "ä": ""}, b"p")
    store.write(lambda tx: tx.set_tags(state, 2, {"k": "v"}))
    assert store.read(lambda r: r.version(state, 2)) is None


def test_a_deleted_version_is_gone_with_its_bytes_and_its_neighbours_stay(store: Store):
    for seq in (1, 2, 3):
        state = store.write(lambda tx, seq=seq: write_version(tx, HOME, version(seq, b"%d" % seq)))
    store.write(lambda tx: tx.delete_version(state, 2))
    assert [v.seq for v in store.read(lambda r: r.versions(state))] == [3, 1]
    store.write(lambda tx: tx.add_version(state, version(2, b"", packed=b"")))
    assert store.read(lambda r: r.version(state, 2)).body.packed == b""


def test_a_listing_has_every_odd_key_in_the_order_of_its_bytes(store: Store):
    for key in ODD_KEYS:
        store.write(lambda tx, key=key: write_version(tx, Address("acme", key), version(1)))
    store.write(lambda tx: write_version(tx, Address("acmf", "a"), version(1)))
    expected = sorted(ODD_KEYS, key=str.encode)
    assert [state.address.key for state, _ in store.read(lambda r: r.states("acme"))] == expected
    paged = [""]
    while page := store.read(lambda r, after=paged[-1]: r.states("acme", after=after, limit=4)):
        paged += [state.address.key for state, _ in page]
    assert paged.pop(0) == ""
    assert paged == expected


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a-", "a/b", "é", "\U0010ffff", "a\U0010ffff", "%", "_", "A", "퟿"])
@pytest.mark.parametrize("after", ["", "a", "a/b", "a/b/c", "\U0010ffff", "zzz", "A"])
def test_a_listing_below_a_prefix_is_exact(store: Store, prefix: str, after: str):
    def fill(tx):
        for key in ODD_KEYS:
            write_version(tx, Address("acme", key), version(1))

    store.write(fill)
    expected = [key for key in sorted(ODD_KEYS, key=str.encode) if key.startswith(prefix) and key > after]
    found = store.read(lambda r: r.states("acme", prefix, after))
    assert [state.address.key for state, _ in found] == expected


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "env:/", "ä", "a\u0000", "\x01", "nothing"])
@pytest.mark.parametrize("delimiter", ["/", "b", "/b", "\u0000", "\x01", "日"])
def test_leading_keys_are_the_first_of_each_common_prefix(store: Store, prefix: str, delimiter: str):
    more = [f"{folder}/{number}" for folder in ("a/b", "many", "z/y") for number in range(40)]
    keys = sorted([*ODD_KEYS, *more])

    def fill(tx):
        for key in keys:
            write_version(tx, Address("acme", key), version(1))
        write_version(tx, Address("acme", "a/deleted"), marker(1))
        write_version(tx, Address("acme-2", "a/elsewhere"), version(1))

    store.write(fill)
    leading: dict[str, str] = {}
    for key in keys:
        if key.startswith(prefix):
            common, found, _ = key[len(prefix) :].partition(delimiter)
            leading.setdefault(common + found if found else f"itself {key}", key)
    expected = list(leading.values())
    assert store.read(lambda r: r.leading_keys("acme", prefix, delimiter)) == expected
    assert store.read(lambda r: r.leading_keys("acme", prefix, delimiter, limit=3)) == expected[:3]
    for place, key in enumerate(expected[:5]):
        beyond = behind(key, prefix, delimiter)
        assert store.read(lambda r, at=beyond: r.leading_keys("acme", prefix, delimiter, at)) == expected[place + 1 :]
        after = [each for each in keys if each.startswith(prefix) and each > key]
        assert store.read(lambda r, at=key: r.leading_keys("acme", prefix, delimiter, at, 1)) == after[:1]


def test_a_listing_leaves_out_what_is_deleted_or_never_written(store: Store):
    store.write(lambda tx: tx.ensure_state(Address("acme", "locked-only")))
    store.write(lambda tx: write_version(tx, Address("acme", "gone"), version(1)))
    store.write(lambda tx: write_version(tx, Address("acme", "gone"), marker(2)))
    store.write(lambda tx: write_version(tx, Address("acme", "here"), version(1)))
    assert [state.address.key for state, _ in store.read(lambda r: r.states("acme"))] == ["here"]
    everything = store.read(lambda r: r.states("acme", live_only=False))
    assert [(state.address.key, newest and newest.seq) for state, newest in everything] == [
        ("gone", 2),
        ("here", 1),
        ("locked-only", None),
    ]
    assert everything[0][1].is_delete_marker


def test_namespaces_are_listed_and_deleted_with_their_documents_and_empty_addresses(store: Store):
    for name in ("b", "a", "c"):
        store.write(lambda tx, name=name: tx.create_namespace(Namespace(name, 1.0, region="x")))
    assert [space.name for space in store.read(lambda r: r.namespaces())] == ["a", "b", "c"]
    assert [space.name for space in store.read(lambda r: r.namespaces(after="a", limit=1))] == ["b"]
    store.write(lambda tx: tx.set_document("a", "policy", b"{}"))
    store.write(lambda tx: tx.set_document("b", "policy", b"{}"))
    empty = store.write(lambda tx: tx.ensure_state(Address("a", "empty")))
    store.write(lambda tx: tx.add_lock_event(empty, event("taken")))
    kept = store.write(lambda tx: tx.ensure_state(Address("a", "held")))
    store.write(lambda tx: tx.save_lock(kept, held(), 0))
    written = store.write(lambda tx: write_version(tx, Address("a", "written"), version(1)))
    store.write(lambda tx: tx.delete_namespace("a"))
    assert store.read(lambda r: r.namespace("a")) is None
    assert store.read(lambda r: r.document("a", "policy")) is None
    assert store.read(lambda r: r.document("b", "policy")) == b"{}"
    assert store.read(lambda r: r.state(Address("a", "empty"))) is None
    assert store.read(lambda r: r.state(Address("a", "held"))) == kept
    assert store.read(lambda r: r.state(Address("a", "written"))) == written
    again = store.write(lambda tx: tx.ensure_state(Address("a", "empty")))
    assert again.id != empty.id
    assert list(store.read(lambda r: r.lock_events(again))) == []


def test_a_namespace_is_created_once_and_saved_often(store: Store):
    store.write(lambda tx: tx.create_namespace(Namespace("a", 1.0)))
    assert refused(store, lambda tx: tx.create_namespace(Namespace("a", 2.0)))
    store.write(lambda tx: tx.save_namespace(Namespace("a", 1.0, require_lock=True)))
    assert store.read(lambda r: r.namespace("a")) == Namespace("a", 1.0, require_lock=True)


def test_documents_are_set_replaced_and_removed(store: Store):
    store.write(lambda tx: tx.set_document("a", "policy", b"1"))
    store.write(lambda tx: tx.set_document("a", "policy", b"2"))
    store.write(lambda tx: tx.set_document("a", "lifecycle", b""))
    assert store.read(lambda r: (r.document("a", "policy"), r.document("a", "lifecycle"))) == (b"2", b"")
    store.write(lambda tx: tx.set_document("a", "policy", None))
    store.write(lambda tx: tx.set_document("a", "policy", None))
    assert store.read(lambda r: r.document("a", "policy")) is None
