"""Parked writes, uploads, principals, tables and items, and which blobs are referred to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Store
from lockhouse.core.principals import Credential, Grant, Principal, Right
from lockhouse.core.records import ItemRecord, Part, TableRecord, Upload
from lockhouse.core.versions import Body
from tests.contract.samples import HOME, ODD_KEYS, parked, refused, version, write_version


def test_a_parked_write_is_kept_until_it_is_deleted(store: Store):
    one = parked("p1")
    store.write(lambda tx: tx.add_parked(one))
    assert store.read(lambda r: r.parked("p1")) == one
    assert refused(store, lambda tx: tx.add_parked(parked("p1", packed=b"other")))
    assert store.read(lambda r: r.parked("p1")) == one
    store.write(lambda tx: tx.delete_parked("p1"))
    store.write(lambda tx: tx.delete_parked("p1"))
    assert store.read(lambda r: r.parked("p1")) is None


def test_parked_writes_are_listed_by_id_without_their_bytes(store: Store):
    other = Address("acme", "other")
    for name in ("p3", "p1", "P2"):
        store.write(lambda tx, name=name: tx.add_parked(parked(name)))
    store.write(lambda tx: tx.add_parked(parked("p2", other)))
    bare = parked("p2", other)
    assert store.read(lambda r: r.parked_writes(other)) == [replace(bare, body=replace(bare.body, packed=b""))]
    assert [each.id for each in store.read(lambda r: r.parked_writes())] == ["P2", "p1", "p2", "p3"]
    assert [each.id for each in store.read(lambda r: r.parked_writes(after="p1", limit=1))] == ["p2"]
    assert [each.id for each in store.read(lambda r: r.parked_writes(HOME, after="p1"))] == ["p3"]


def test_uploads_are_listed_by_key_and_id(store: Store):
    uploads = [Upload(f"u{n}", Address("acme", key), 1.0, "p", b"t") for key in ODD_KEYS[:12] for n in (key + "2", key)]
    for upload in uploads:
        store.write(lambda tx, upload=upload: tx.add_upload(upload))
    store.write(lambda tx: tx.add_upload(Upload("zz", Address("other", "a"), 1.0, "p", b"t")))
    expected = sorted(uploads, key=lambda each: (each.address.key, each.id))
    paged: list[Upload] = []
    after = ("", "")
    while page := store.read(lambda r, after=after: r.uploads("acme", after=after, limit=5)):
        paged += page
        after = (page[-1].address.key, page[-1].id)
    assert paged == expected
    for prefix in ("a", "a/", "A", "zz"):
        for after in (("", ""), ("a/b/c", ""), ("a/b/c", "ua/b/c"), ("zz", "")):
            found = store.read(lambda r, prefix=prefix, after=after: r.uploads("acme", prefix, after))
            assert list(found) == [
                each for each in expected if each.address.key.startswith(prefix) and (each.address.key, each.id) > after
            ]
    assert store.read(lambda r: r.upload("ua")) in uploads
    assert store.read(lambda r: r.upload("none")) is None


def test_parts_are_replaced_ordered_and_deleted_with_their_upload(store: Store):
    store.write(lambda tx: tx.add_upload(Upload("u", HOME, 1.0, "p", b"")))

    def part(number: int, blob: str) -> Part:
        return Part(number, Body(3, b"m" * 16, b"s" * 32, b"" if blob else b"xyz", blob), 2.0, {"crc32": "AAAA"})

    for number in (10, 2, 10_000, 1):
        store.write(lambda tx, number=number: tx.save_part("u", part(number, f"b{number}")))
    store.write(lambda tx: tx.save_part("u", part(2, "")))
    store.write(lambda tx: tx.save_part("v", part(1, "c")))
    assert [each.number for each in store.read(lambda r: r.parts("u"))] == [1, 2, 10, 10_000]
    assert store.read(lambda r: r.parts("u", after=1, limit=1)) == [part(2, "")]
    assert list(store.read(lambda r: r.blob_names())) == ["b1", "b10", "b10000", "c"]
    store.write(lambda tx: tx.delete_upload("u"))
    assert store.read(lambda r: r.upload("u")) is None
    assert list(store.read(lambda r: r.parts("u"))) == []
    assert list(store.read(lambda r: r.blob_names())) == ["c"]


def test_a_principal_is_found_by_id_and_by_name_while_it_lives(store: Store):
    ann = Principal("p1", "ann", (Grant("*", "", (Right.ADMIN,)),), 1.0)
    bob = Principal("p2", "bob", (Grant("acme", "prod/", (Right.READ, Right.WRITE)),), 1.0)
    for each in (ann, bob):
        store.write(lambda tx, each=each: tx.save_principal(each))
    assert store.read(lambda r: r.principal("p2")) == bob
    assert store.read(lambda r: r.principal_named("ann")) == ann
    assert store.read(lambda r: r.principals(after="p1")) == [bob]
    store.write(lambda tx: tx.save_principal(replace(ann, revoked_at=9.0)))
    assert store.read(lambda r: r.principal_named("ann")) is None
    store.write(lambda tx: tx.save_principal(replace(ann, id="p3")))
    assert store.read(lambda r: r.principal_named("ann")).id == "p3"


def test_credentials_belong_to_a_principal(store: Store):
    one = Credential("AK1", "p1", "access_key", 1.0, nonce=b"n")
    two = Credential("AK0", "p1", "token", 1.0, digest=b"d" * 32, expires_at=5.5)
    for each in (one, two, Credential("AK2", "p2", "token", 1.0)):
        store.write(lambda tx, each=each: tx.save_credential(each))
    assert store.read(lambda r: r.credentials("p1")) == [two, one]
    store.write(lambda tx: tx.save_credential(replace(one, revoked_at=3.0)))
    assert store.read(lambda r: r.credential("AK1")).revoked_at == 3.0
    assert store.read(lambda r: r.credential("none")) is None


def test_a_table_is_saved_listed_and_deleted_with_its_items(store: Store):
    for name in ("locks", "Locks", "a"):
        store.write(lambda tx, name=name: tx.save_table(TableRecord(name, b"1")))
        store.write(lambda tx, name=name: tx.put_item(name, ItemRecord(b"k", b"", b"v")))
    store.write(lambda tx: tx.save_table(TableRecord("a", b"2")))
    assert store.read(lambda r: r.table("a")) == TableRecord("a", b"2")
    assert [each.name for each in store.read(lambda r: r.tables())] == ["Locks", "a", "locks"]
    assert [each.name for each in store.read(lambda r: r.tables(after="Locks", limit=1))] == ["a"]
    store.write(lambda tx: tx.delete_table("locks"))
    assert store.read(lambda r: r.table("locks")) is None
    assert store.read(lambda r: r.item("locks", b"k", b"")) is None
    assert store.read(lambda r: r.item("Locks", b"k", b"")) == ItemRecord(b"k", b"", b"v")


def test_an_item_is_put_replaced_and_deleted(store: Store):
    store.write(lambda tx: tx.put_item("t", ItemRecord(b"\x00h", b"\xffr", b"1")))
    store.write(lambda tx: tx.put_item("t", ItemRecord(b"\x00h", b"\xffr", b"2", 12.5)))
    assert store.read(lambda r: r.item("t", b"\x00h", b"\xffr")) == ItemRecord(b"\x00h", b"\xffr", b"2", 12.5)
    store.write(lambda tx: tx.delete_item("t", b"\x00h", b"\xffr"))
    assert store.read(lambda r: r.item("t", b"\x00h", b"\xffr")) is None


_KEYS = [(h, r) for h in (b"", b"\x00", b"a", b"ab", b"b", b"\xff", b"\xff\xff") for r in (b"", b"\x00", b"m", b"\xff")]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("hash_prefix", [b"", b"a", b"\xff", b"q"])
@pytest.mark.parametrize("hash_key", [None, b"a", b"\xff", b"q"])
def test_items_are_found_from_any_place_in_either_direction(
    store: Store, descending: bool, hash_prefix: bytes, hash_key: bytes | None
):
    def fill(tx):
        for h, r in _KEYS:
            tx.put_item("t", ItemRecord(h, r, h + b"/" + r))
            tx.put_item("u", ItemRecord(h, r, b"other table"))

    store.write(fill)
    for after in [None, *_KEYS, (b"aa", b""), (b"zz", b"z")]:
        expected = sorted(
            (
                (h, r)
                for h, r in _KEYS
                if h.startswith(hash_prefix)
                and hash_key in (None, h)
                and (after is None or ((h, r) < after if descending else (h, r) > after))
            ),
            reverse=descending,
        )
        found = store.read(
            lambda r, after=after: r.items("t", hash_key, after, descending=descending, hash_prefix=hash_prefix)
        )
        assert [(item.hash_key, item.range_key) for item in found] == expected
        few = store.read(
            lambda r, after=after: r.items("t", hash_key, after, 2, descending=descending, hash_prefix=hash_prefix)
        )
        assert list(few) == list(found)[:2]


def test_items_whose_time_has_come_are_removed_a_few_at_a_time(store: Store):
    for number in range(6):
        store.write(lambda tx, n=number: tx.put_item("t", ItemRecord(b"%d" % n, b"", b"", float(n))))
    assert store.write(lambda tx: tx.expire_items(4.0, limit=3)) == 3
    assert store.write(lambda tx: tx.expire_items(4.0, limit=3)) == 1
    assert store.write(lambda tx: tx.expire_items(4.0)) == 0
    assert [item.hash_key for item in store.read(lambda r: r.items("t"))] == [b"0", b"5"]


def test_blob_names_are_those_of_versions_parts_and_parked_writes(store: Store):
    state = store.write(lambda tx: write_version(tx, HOME, version(1, blob="b1")))
    store.write(lambda tx: write_version(tx, HOME, version(2, blob="b3")))
    store.write(lambda tx: write_version(tx, HOME, version(3)))
    store.write(lambda tx: write_version(tx, Address("acme", "copy"), version(1, blob="b1")))
    store.write(lambda tx: tx.add_parked(parked("p", blob="b2")))
    store.write(lambda tx: tx.save_part("u", Part(1, Body(1, b"", b"", blob="b0"), 1.0)))
    assert list(store.read(lambda r: r.blob_names())) == ["b0", "b1", "b2", "b3"]
    assert list(store.read(lambda r: r.blob_names(after="b0", limit=2))) == ["b1", "b2"]
    store.write(lambda tx: tx.delete_version(state, 1))
    store.write(lambda tx: tx.delete_parked("p"))
    assert list(store.read(lambda r: r.blob_names())) == ["b0", "b1", "b3"]
