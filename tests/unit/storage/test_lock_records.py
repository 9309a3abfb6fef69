"""Lock records as they are stored: small, whatever has been released before, and read as older versions wrote them."""

from __future__ import annotations

import msgspec

from lockhouse.core.locks import FREE, Facet, Hold, LockRecord, Release, Take, Tombstone, release, take
from lockhouse.storage.sql.records import decode_lock, encode_lock

HOLD = Hold(Facet.LOCKFILE, "id-1", b"{}", 5.0, who="ann@laptop")


def test_what_was_released_is_kept_in_few_bytes():
    record = FREE
    sizes = []
    for number in range(6):
        at = float(number)
        lock_id = f"8f1d9c7e-4a51-7f0c-3b6d-{number:012}"
        taken = take(record, Take(Facet.TABLE, lock_id, b"x" * 400, "P1", "ann", "LHKABCDEFGHIJKLMNOPQ", at))
        asked = Release(Facet.TABLE, "LHKABCDEFGHIJKLMNOPQ", at, 0, invocation=f"1c2f7a36-0b0d-4c47-9c86-{number:012}")
        record = release(taken.record, asked).record
        sizes.append(len(encode_lock(1, record)))
    assert len(record.tombstones) == 6
    assert sizes[5] - sizes[4] < 130
    assert decode_lock(2, encode_lock(1, record)) == record


def test_a_record_kept_for_another_state_is_not_taken_for_this_one():
    one, other = LockRecord(epoch=1), LockRecord(epoch=2)
    encoded = encode_lock(7, one)
    encode_lock(7, other)
    assert decode_lock(7, encoded) == one


def test_tombstones_of_an_older_version_still_count():
    stones = [
        {"hold": {"facet": "table", "id": "id-0", "info": b"", "at": 1.0}, "credential": "C1", "at": 2.0},
        {
            "hold": {"facet": "lockfile", "id": "id-1", "info": b"{}", "at": 5.0, "who": "ann@laptop"},
            "credential": "C1",
            "at": 6.0,
            "invocation": "call-1",
            "whole": True,
        },
    ]
    older = msgspec.msgpack.encode({"epoch": 4, "tombstones": stones})
    found = decode_lock(99, older)
    assert found == LockRecord(
        epoch=4,
        tombstones=(
            Tombstone(Facet.TABLE, "id-0", "C1", 2.0),
            Tombstone(Facet.LOCKFILE, "id-1", "C1", 6.0, "call-1", HOLD),
        ),
    )
    assert decode_lock(99, encode_lock(99, found)) == found
