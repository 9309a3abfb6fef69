"""Data keys open at their own place, under a key that is in the ring, and nowhere else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import place_of_body, place_of_part
from lockhouse.errors import StorageUnavailable
from lockhouse.sealing.ring import Ring, key_id, key_text, read_keys

OLD, NEW = b"o" * 32, b"n" * 32
SECRET = b"d" * 32
PLACE = place_of_body(Address("acme", "prod"), "n1")


def test_a_data_key_comes_back_at_its_place():
    key = Ring([OLD]).wrap(SECRET, b"i" * 16, PLACE)
    assert (key.kek, Ring([OLD, NEW]).unwrap(key)) == (key_id(OLD), SECRET)
    assert SECRET not in key.wrapped


@pytest.mark.parametrize(
    "place",
    [
        place_of_body(Address("acme", "dev"), "n1"),
        place_of_body(Address("acme", "prod"), "n2"),
        place_of_body(Address("acm", "eprod"), "n1"),
        place_of_part("n1", 1),
        b"",
    ],
)
def test_a_data_key_does_not_open_at_another_place(place: bytes):
    ring = Ring([OLD])
    with pytest.raises(StorageUnavailable, match="belongs to another version"):
        ring.unwrap(replace(ring.wrap(SECRET, b"i" * 16, PLACE), place=place))


def test_every_changed_byte_of_a_wrapped_key_is_noticed():
    ring = Ring([OLD])
    key = ring.wrap(SECRET, b"i" * 16, PLACE)
    for place in range(len(key.wrapped)):
        changed = bytearray(key.wrapped)
        changed[place] ^= 0x40
        with pytest.raises(StorageUnavailable):
            ring.unwrap(replace(key, wrapped=bytes(changed)))
    for wrong in (replace(key, id=b"j" * 16), replace(key, wrapped=key.wrapped[:-1]), replace(key, wrapped=b"")):
        with pytest.raises(StorageUnavailable):
            ring.unwrap(wrong)


def test_the_newest_key_wraps_and_wrapping_anew_keeps_the_data_key_and_its_place():
    key = Ring([OLD]).wrap(SECRET, b"i" * 16, PLACE)
    both = Ring([OLD, NEW])
    anew = both.rewrap(replace(key, place=b""))
    assert (anew.kek, anew.id) == (key_id(NEW), key.id)
    assert Ring([NEW]).unwrap(replace(anew, place=PLACE)) == SECRET
    with pytest.raises(StorageUnavailable, match="belongs to another"):
        both.unwrap(replace(anew, place=b"elsewhere"))


def test_a_missing_key_is_named():
    key = Ring([OLD]).wrap(SECRET, b"i" * 16, PLACE)
    with pytest.raises(StorageUnavailable, match=key_id(OLD)):
        Ring([NEW]).unwrap(key)
    with pytest.raises(StorageUnavailable, match="is gone"):
        Ring([OLD]).unwrap(replace(key, kek="", wrapped=b""))


def test_a_key_that_somebody_added_is_found_at_its_source_but_not_looked_for_all_the_time():
    key = Ring([NEW]).wrap(SECRET, b"i" * 16, PLACE)
    source, looked, now = [OLD], [], [0.0]
    ring = Ring([OLD], lambda: looked.append(1) or list(source), lambda: now[0])
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            ring.unwrap(key)
    assert len(looked) == 1
    source.append(NEW)
    now[0] = 6.0
    assert ring.unwrap(key) == SECRET
    assert (len(looked), ring.newest) == (2, key_id(NEW))


def test_a_key_that_came_while_the_source_was_read_stays_the_newest():
    """What was read there is from before a rotation."""
    missing = Ring([b"m" * 32]).wrap(SECRET, b"i" * 16, PLACE)

    def look_again() -> list[bytes]:
        ring.replace([NEW])
        return [OLD]

    ring = Ring([OLD], look_again)
    with pytest.raises(StorageUnavailable):
        ring.unwrap(missing)
    assert ring.newest == key_id(NEW)
    assert ring.wrap(SECRET, b"j" * 16, PLACE).kek == key_id(NEW)


def test_keys_are_read_from_text_with_remarks():
    text = f"# remark\n{key_text(OLD)}  # first\n\n {key_text(NEW)},{key_text(OLD)}\n"
    assert read_keys(text) == [OLD, NEW]
    assert read_keys("# nothing\n") == []


@pytest.mark.parametrize("word", ["x", key_text(OLD)[:-1], key_text(OLD) + "A", key_text(OLD)[:-1] + "?", "lhkek_"])
def test_what_is_no_key_is_refused_without_being_shown(word: str):
    with pytest.raises(ValueError, match="key 2") as caught:
        read_keys(f"{key_text(NEW)} {word}")
    assert word not in str(caught.value) or len(word) < 7
