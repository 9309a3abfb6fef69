"""Multipart uploads: whose they are, which parts make an object, and that a finished one is gone."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.bodies import read_facts
from lockhouse.core.principals import Grant, Identity, Right
from lockhouse.core.records import Part
from lockhouse.core.versions import Body
from lockhouse.errors import AccessDenied, NamespaceNotFound, RequestInvalid, UploadNotFound, UploadPartInvalid
from lockhouse.service import uploads
from lockhouse.service.objects import Put, Refused, Written
from lockhouse.service.uploads import MAX_PARTS, MIN_PART_BYTES, ListedPart, Template
from tests.unit.service.rooms import ALL, STATE, Rooms, body, caller, state

PLAN = Address("acme", "plan")
TEMPLATE = Template(
    "text/plain", {"cache-control": "x"}, {"a": "b"}, {"sse": "AES256"}, "crc32", "COMPOSITE", {"t": "1"}
)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def begin(rooms, upload="u1", address=PLAN, by=None):
    return rooms.store.write(lambda tx: uploads.create(tx, by or caller(), address, upload, TEMPLATE))


def part(number: int, size: int = MIN_PART_BYTES, **checksums: str) -> Part:
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).digest()
    return Part(number, Body(size, digest, bytes(32), packed=b"x"), 1000.0, checksums)


def etag(number: int) -> str:
    return part(number).body.md5.hex()


def put(rooms, *parts: Part, upload="u1", address=PLAN, by=None):
    for each in parts:
        rooms.store.write(lambda tx, each=each: uploads.put_part(tx, by or caller(), address, upload, each))


def choose(rooms, *listed: ListedPart, upload="u1", address=PLAN, by=None):
    return rooms.store.read(lambda tx: uploads.choose_parts(tx, by or caller(), address, upload, listed))[1]


def why(rooms, *listed: ListedPart) -> str:
    with pytest.raises(UploadPartInvalid) as refused:
        choose(rooms, *listed)
    return str(refused.value.details["why"])


def test_an_upload_keeps_what_its_beginning_said_of_the_object(rooms):
    upload = begin(rooms)
    assert uploads.template_of(upload) == TEMPLATE
    assert rooms.store.read(lambda tx: uploads.get(tx, caller(), PLAN, "u1")) == upload


def test_an_upload_is_its_principals_own_and_of_its_own_address(rooms):
    begin(rooms)
    for by, address, upload in (
        (caller("bob"), PLAN, "u1"),
        (caller(), Address("acme", "else"), "u1"),
        (caller(), PLAN, "u2"),
    ):
        for ask in (
            lambda: put(rooms, part(1), upload=upload, address=address, by=by),  # noqa: B023
            lambda: choose(rooms, ListedPart(1, etag(1)), upload=upload, address=address, by=by),  # noqa: B023
            lambda: rooms.store.write(lambda tx: uploads.abort(tx, by, address, upload)),  # noqa: B023
        ):
            with pytest.raises(UploadNotFound):
                ask()
    another = msgspec.structs.replace(caller(), who=Identity("ann", "ann", "another-key", ALL))
    put(rooms, part(1), by=another)
    reader = caller(grants=(Grant("acme", "", (Right.READ,)),))
    for ask in (lambda: put(rooms, part(1), by=reader), lambda: begin(rooms, "u3", by=reader)):
        with pytest.raises(AccessDenied):
            ask()


def test_a_part_has_a_number_between_1_and_10000_and_the_last_one_of_a_number_counts(rooms):
    begin(rooms)
    for number in (0, -1, MAX_PARTS + 1):
        with pytest.raises(RequestInvalid):
            put(rooms, part(number))
    put(rooms, part(MAX_PARTS), part(1, 7), part(1, 8))
    _, found = rooms.store.read(lambda tx: uploads.list_parts(tx, caller(), PLAN, "u1"))
    assert [(each.number, each.body.size) for each in found] == [(1, 8), (MAX_PARTS, MIN_PART_BYTES)]
    _, found = rooms.store.read(lambda tx: uploads.list_parts(tx, caller(), PLAN, "u1", after=1, limit=1))
    assert [each.number for each in found] == [MAX_PARTS]


def test_the_named_parts_make_the_object_and_the_last_may_be_small(rooms):
    begin(rooms)
    put(rooms, part(1), part(2), part(5, 1, crc32="AAAA"))
    chosen = choose(rooms, ListedPart(1, etag(1)), ListedPart(5, etag(5), {"crc32": "AAAA", "sha1": "not kept"}))
    assert [each.number for each in chosen] == [1, 5]
    assert [each.number for each in choose(rooms, ListedPart(5, etag(5)))] == [5]


def test_parts_out_of_order_missing_changed_or_too_small_make_none(rooms):
    begin(rooms)
    put(rooms, part(1), part(2, crc32="AAAA"), part(3, MIN_PART_BYTES - 1))
    one, two = ListedPart(1, etag(1)), ListedPart(2, etag(2))
    assert why(rooms) == "missing"
    assert why(rooms, two, one) == "order"
    assert why(rooms, one, one) == "order"
    assert why(rooms, one, ListedPart(4, etag(4))) == "missing"
    assert why(rooms, ListedPart(1, etag(2))) == "missing"
    assert why(rooms, one, ListedPart(2, etag(2), {"crc32": "BBBB"})) == "missing"
    assert why(rooms, ListedPart(3, etag(3)), ListedPart(4, etag(4))) == "missing"
    put(rooms, part(4, 1))
    assert why(rooms, ListedPart(3, etag(3)), ListedPart(4, etag(4))) == "small"


def test_a_completed_upload_is_gone_also_when_its_object_is_refused(rooms):
    def complete(upload, raw, by=None):

        command = Put(STATE, body(raw), f"n-{upload}", read_facts(raw))
        return rooms.store.write(lambda tx: uploads.complete(tx, by or caller(), upload, command))

    for upload, raw, kind in (("u1", state(2), Written), ("u2", state(1), Refused)):
        begin(rooms, upload, STATE)
        with pytest.raises(UploadNotFound):
            complete(upload, raw, caller("bob"))
        assert isinstance(complete(upload, raw), kind)
        with pytest.raises(UploadNotFound):
            complete(upload, raw)
    assert rooms.get() == state(2)


def test_an_aborted_upload_is_gone(rooms):
    begin(rooms)
    rooms.store.write(lambda tx: uploads.abort(tx, caller(), PLAN, "u1"))
    with pytest.raises(UploadNotFound):
        put(rooms, part(1))


def test_unfinished_uploads_are_listed_whole_in_order_in_pages_of_any_size(rooms):
    places = [
        ("/r", "u0"),
        ("a/1", "u1"),
        ("a/1", "u2"),
        ("a/2", "u3"),
        ("b", "u4"),
        ("c/x/1", "u5"),
        ("c/y", "u6"),
        ("d", "u7"),
    ]
    for key, upload in reversed(places):
        begin(rooms, upload, Address("acme", key))

    def listed(limit: int, prefix: str = "", delimiter: str = "") -> list[object]:
        found: list[object] = []
        after = ("", "")
        while True:
            page = rooms.store.read(
                lambda tx, after=after: uploads.list_uploads(tx, caller(), "acme", prefix, after, limit, delimiter)
            )
            assert len(page) <= limit
            found += [each if isinstance(each, str) else (each.address.key, each.id) for each in page]
            if len(page) < limit:
                return found
            last = page[-1]
            after = (last, "") if isinstance(last, str) else (last.address.key, last.id)

    for limit in range(1, 10):
        assert listed(limit) == places
        assert listed(limit, "a/") == places[1:4]
        assert listed(limit, "", "/") == ["/", "a/", ("b", "u4"), "c/", ("d", "u7")]
        assert listed(limit, "c/", "/") == ["c/x/", ("c/y", "u6")]
    assert [each.id for each in rooms.store.read(lambda tx: list(uploads.every(tx, "acme")))] == [
        upload for _, upload in places
    ]
    reader = caller(grants=(Grant("acme", "a/", (Right.READ,)),))
    with pytest.raises(AccessDenied):
        rooms.store.read(lambda tx: uploads.list_uploads(tx, reader, "acme"))
    assert len(rooms.store.read(lambda tx: uploads.list_uploads(tx, reader, "acme", "a/"))) == 3


def test_an_upload_needs_a_namespace_and_a_key(rooms):
    for address, problem in ((Address("nowhere", "plan"), NamespaceNotFound), (Address("acme", ""), RequestInvalid)):
        with pytest.raises(problem):
            begin(rooms, address=address)
    with pytest.raises(NamespaceNotFound):
        rooms.store.read(lambda tx: uploads.get(tx, caller(), Address("nowhere", "plan"), "u1"))
