"""Wrapped keys are kept apart from bodies, come back with their place, and go with what refers to the body."""

from __future__ import annotations

from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import DataKey, KeyRecord, place_of_body, place_of_part
from lockhouse.core.ports import Store
from lockhouse.core.records import Part, Upload
from lockhouse.core.versions import Body, Facts
from tests.contract.samples import HOME, parked, refused, version, write_version


def key(name: str, kek: str = "kek-1") -> DataKey:
    return DataKey(name.encode().ljust(16, b"."), kek, b"wrapped " + name.encode(), b"place of intake")


def sealed(seq: int, name: str, **more):
    new = version(seq, **more)
    return replace(new, body=replace(new.body, key=key(name)))


def ids(store: Store) -> list[bytes]:
    return [each.id.rstrip(b".") for each in store.read(lambda r: r.data_keys())]


def test_a_version_comes_back_with_its_key_and_place_whether_in_a_row_or_a_blob(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, sealed(1, "a", packed=b"row")))
    state = store.write(lambda tx: write_version(tx, HOME, sealed(2, "b", blob="blob")))
    for seq, name in ((1, "a"), (2, "b")):
        body = store.read(lambda r, seq=seq: r.version(state, seq)).body
        assert body.key == replace(key(name), place=place_of_body(HOME, f"n{seq}"))
        assert (body.packed, body.blob) == ((b"row", "") if seq == 1 else (b"", "blob"))
    assert store.read(lambda r: r.current(state)).body.key.wrapped == b"wrapped b"


def test_a_state_and_its_sealed_version_are_one_answer(store: Store):
    def one_and_two(tx) -> bool:
        asked = [(tx.state_and_version(HOME, packed=packed), packed) for packed in (True, False)]
        return all(found == (tx.state(HOME), tx.current(tx.state(HOME), packed=packed)) for found, packed in asked)

    for new in (sealed(1, "a", packed=b"row"), sealed(2, "b", blob="blob"), version(3, packed=b"plain row")):
        store.write(lambda tx, new=new: write_version(tx, HOME, new))
        assert store.read(one_and_two)
        assert store.write(one_and_two)
    (state, found) = store.read(lambda r: r.state_and_version(HOME))
    assert (state.current, found.body.packed) == (3, b"plain row")


def test_listings_have_no_wrapped_keys_to_lose(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, sealed(1, "a")))
    store.write(lambda tx: tx.set_facts(state, 1, Facts(1, "l")))
    store.write(lambda tx: tx.set_tags(state, 1, {"a": "b"}))
    assert store.read(lambda r: r.version(state, 1)).body.key == replace(key("a"), place=place_of_body(HOME, "n1"))


def test_a_key_belongs_to_one_reference(store: Store):
    store.write(lambda tx: write_version(tx, HOME, sealed(1, "a")))
    assert refused(store, lambda tx: write_version(tx, HOME, sealed(2, "a")))
    assert refused(store, lambda tx: write_version(tx, Address("acme", "other"), sealed(1, "a")))


def test_the_key_goes_with_the_version_and_with_no_other(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, sealed(1, "a", blob="same")))
    store.write(lambda tx: write_version(tx, HOME, sealed(2, "b", blob="same")))
    store.write(lambda tx: tx.delete_version(state, 1))
    assert ids(store) == [b"b"]
    store.write(lambda tx: tx.delete_version(state, 1))
    assert store.read(lambda r: r.version(state, 2)).body.key.kek == "kek-1"


def test_the_key_of_a_parked_write_goes_with_it(store: Store):
    new = parked("p1")
    store.write(lambda tx: tx.add_parked(replace(new, body=replace(new.body, key=key("a")))))
    found = store.read(lambda r: r.parked("p1")).body
    assert (found.packed, found.key) == (b"kept", replace(key("a"), place=place_of_body(HOME, "p1")))
    store.write(lambda tx: tx.delete_parked("p1"))
    assert ids(store) == []


def test_the_key_of_a_part_goes_when_the_part_is_replaced_or_the_upload_ends(store: Store):
    def part(number: int, name: str) -> Part:
        return Part(number, Body(3, b"m", b"s", packed=b"abc", key=key(name)), 1.0)

    store.write(lambda tx: tx.add_upload(Upload("u", HOME, 1.0, "p", b"")))
    for number, name in ((1, "a"), (2, "b"), (1, "c")):
        store.write(lambda tx, number=number, name=name: tx.save_part("u", part(number, name)))
    assert ids(store) == [b"b", b"c"]
    found = store.read(lambda r: r.parts("u"))
    assert [each.body.key for each in found] == [
        replace(key("c"), place=place_of_part("u", 1)),
        replace(key("b"), place=place_of_part("u", 2)),
    ]
    assert found[0].body.packed == b"abc"
    store.write(lambda tx: tx.delete_upload("u"))
    assert ids(store) == []


def test_keys_are_wrapped_anew_unless_somebody_was_faster(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, sealed(1, "a")))
    anew = replace(key("a", "kek-2"), wrapped=b"anew", place=b"")
    assert store.write(lambda tx: tx.rewrap(anew, "kek-1"))
    assert not store.write(lambda tx: tx.rewrap(replace(anew, wrapped=b"late"), "kek-1"))
    assert not store.write(lambda tx: tx.rewrap(key("missing"), "kek-1"))
    assert store.read(lambda r: r.version(state, 1)).body.key == replace(anew, place=place_of_body(HOME, "n1"))
    assert list(store.read(lambda r: r.data_keys())) == [anew]


def test_keys_are_paged_by_id(store: Store):
    for seq, name in enumerate("cab", 1):
        store.write(lambda tx, seq=seq, name=name: write_version(tx, HOME, sealed(seq, name)))
    first = store.read(lambda r: r.data_keys(b"", 2))
    assert [each.id[:1] for each in first] == [b"a", b"b"]
    assert [each.id[:1] for each in store.read(lambda r: r.data_keys(first[-1].id, 2))] == [b"c"]


def test_a_version_whose_key_is_gone_is_known_without_bytes(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, sealed(1, "a", packed=b"row")))
    other = Address("acme", "other")
    store.write(lambda tx: write_version(tx, other, replace(sealed(1, "b"), body=None)))
    assert store.read(lambda r: r.version(state, 1, packed=False)).body.packed == b""
    assert store.read(lambda r: r.version(r.state(other), 1)).body is None


def test_key_records_are_listed_oldest_first(store: Store):
    for record in (
        KeyRecord("b", 2.0, "file"),
        KeyRecord("a", 3.0, "aws-kms", b"w", "arn"),
        KeyRecord("c", 2.0, "env"),
    ):
        store.write(lambda tx, record=record: tx.save_key_record(record))
    store.write(lambda tx: tx.save_key_record(KeyRecord("c", 1.0, "env")))
    assert [each.id for each in store.read(lambda r: r.key_records())] == ["c", "b", "a"]
    assert store.read(lambda r: r.key_records())[-1].wrapped == b"w"
    store.write(lambda tx: tx.delete_key_record("b"))
    store.write(lambda tx: tx.delete_key_record("b"))
    assert [each.id for each in store.read(lambda r: r.key_records())] == ["c", "a"]


def test_whether_a_key_wraps_anything_is_known(store: Store):
    assert not store.read(lambda r: r.is_wrapping("kek-1"))
    state = store.write(lambda tx: write_version(tx, HOME, sealed(1, "a")))
    assert store.read(lambda r: (r.is_wrapping("kek-1"), r.is_wrapping("kek-2"))) == (True, False)
    assert store.write(lambda tx: tx.is_wrapping("kek-1"))
    store.write(lambda tx: tx.delete_version(state, 1))
    assert not store.read(lambda r: r.is_wrapping("kek-1"))
