"""A copy shares the body of another version, so it is made only while that version is there."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.records import Part
from lockhouse.core.versions import Version
from lockhouse.errors import StorageUnavailable
from lockhouse.service import copies, objects, uploads
from lockhouse.service.copies import Source
from lockhouse.service.uploads import Template
from lockhouse.service.versions import Put, Written
from tests.unit.service.rooms import Rooms, body, caller

PLAN, COPY = Address("acme", "plan"), Address("acme", "copy")
BLOB = "blob-of-the-plan"


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def source(rooms: Rooms) -> Source:
    """A version whose bytes are in a blob."""
    large = msgspec.structs.replace(body(b"a plan"), packed=b"", blob=BLOB)
    done = rooms.store.write(lambda tx: objects.put(tx, caller(), Put(PLAN, large, "n1")))
    assert isinstance(done, Written)
    return Source(PLAN, done.version)


def copy(rooms: Rooms, origin: Source, **other: object) -> Version:
    kept = msgspec.structs.replace(origin.version.body, **other)
    command = Put(COPY, kept, "n2")
    return rooms.store.write(lambda tx: copies.put(tx, caller(), command, origin)).version


def copy_part(rooms: Rooms, origin: Source) -> None:
    rooms.store.write(lambda tx: uploads.create(tx, caller(), COPY, "u1", Template()))
    part = Part(1, origin.version.body, 1000.0, {})
    rooms.store.write(lambda tx: copies.put_part(tx, caller(), COPY, "u1", part, origin))


def remove(rooms: Rooms, origin: Source) -> None:
    rooms.store.write(partial(objects.delete, caller=caller(), address=PLAN, nonce="m", version_id=origin.version.id))


def referred(rooms: Rooms) -> list[str]:
    return list(rooms.store.read(lambda tx: tx.blob_names()))


def purge(rooms: Rooms) -> None:
    state = rooms.store.read(lambda tx: tx.state(PLAN))
    for each in rooms.store.read(lambda tx: tx.trash(state.id)):
        rooms.store.write(lambda tx, each=each: tx.purge_version(state.id, each.version.seq))


def test_a_copy_keeps_the_bytes_when_what_it_was_copied_from_is_gone(rooms):
    origin = source(rooms)
    assert copy(rooms, origin).body.blob == BLOB
    remove(rooms, origin)
    purge(rooms)
    assert referred(rooms) == [BLOB]


@pytest.mark.parametrize("make", [copy, copy_part])
def test_no_copy_refers_to_bytes_that_were_removed_since_they_were_read(rooms, make):
    origin = source(rooms)
    remove(rooms, origin)
    purge(rooms)
    with pytest.raises(StorageUnavailable, match=f"{origin.version.id} of acme/plan"):
        make(rooms, origin)
    assert referred(rooms) == []  # so the next sweep is right to take them
    assert rooms.store.read(lambda tx: tx.state(COPY)) is None
    assert rooms.store.read(lambda tx: tx.parts("u1")) == []


def test_a_version_that_came_in_the_place_of_another_is_not_what_was_read(rooms):
    origin = source(rooms)
    state = rooms.store.read(lambda tx: tx.state(PLAN))
    packed = msgspec.structs.replace(origin.version.body, packed=b"frame", blob="")
    assert rooms.store.write(lambda tx: tx.repack(state.id, 1, origin.version.body, packed, 2000.0))
    with pytest.raises(StorageUnavailable):
        copy(rooms, origin)


def test_bytes_that_were_taken_in_anew_need_no_source(rooms):
    origin = source(rooms)
    remove(rooms, origin)
    purge(rooms)
    assert copy(rooms, origin, blob="another").body.blob == "another"
