"""Listings: byte order, complete, paged, with held locks among the keys."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockhouse.core.addresses import Address
from lockhouse.service import listings, objects
from tests.unit.service.rooms import Rooms, caller, state


def names(entries: object) -> list[str]:
    return [entry if isinstance(entry, str) else entry.key for entry in entries]  # type: ignore[attr-defined]


def walk(rooms: Rooms, limit: int, **more: str) -> list[str]:
    found: list[str] = []
    after = ""
    for _ in range(1000):
        page = rooms.store.read(
            lambda tx, after=after: listings.list_objects(tx, caller(), "acme", after=after, limit=limit, **more)
        )
        assert len(page.entries) <= limit
        found += names(page.entries)
        if not page.next:
            return found
        after = page.next
    raise AssertionError("the listing does not end")


KEYS = ["a", "a/b", "a/c/d", "a-b", "b.tfstate", "b.tfstate.old", "Ä/x", "z/\u2028", "env:/dev/app", "//x", "😀"]


@pytest.fixture
def rooms() -> Rooms:
    made = Rooms()
    for key in KEYS:
        made.put(state(1) if key.endswith(".tfstate") else b"x", address=Address("acme", key))
    return made


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_every_live_key_is_listed_once_in_byte_order(rooms, limit):
    assert walk(rooms, limit) == sorted(KEYS, key=str.encode)


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_a_delimiter_rolls_keys_up_into_common_prefixes(rooms, limit):
    wanted = sorted({key[: key.find("/") + 1] if "/" in key else key for key in KEYS}, key=str.encode)
    assert walk(rooms, limit, delimiter="/") == wanted
    assert walk(rooms, limit, prefix="a/", delimiter="/") == ["a/b", "a/c/"]


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_held_locks_are_listed_as_lock_objects_in_their_place(rooms, limit):
    rooms.lock(address=Address("acme", "b.tfstate"))
    rooms.lock(address=Address("acme", "never-written"))
    wanted = sorted([*KEYS, "b.tfstate.tflock", "never-written.tflock"], key=str.encode)
    assert walk(rooms, limit) == wanted
    assert walk(rooms, limit, prefix="b.tfstate.tf") == ["b.tfstate.tflock"]
    assert walk(rooms, limit, prefix="never-written.tflock") == ["never-written.tflock"]
    rooms.unlock(address=Address("acme", "b.tfstate"))
    assert "b.tfstate.tflock" not in walk(rooms, limit)


def test_deleted_keys_are_not_listed_but_their_versions_are(rooms):
    rooms.store.write(lambda tx: objects.delete(tx, caller(), Address("acme", "a"), "d"))
    assert "a" not in walk(rooms, 1000)
    page = rooms.store.read(lambda tx: listings.list_versions(tx, caller(), "acme", prefix="a"))
    shown = [(key, version.is_delete_marker, latest) for key, version, latest in page.entries]
    assert shown[:2] == [("a", True, True), ("a", False, False)]


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_versions_are_listed_newest_first_within_keys_and_complete_over_pages(rooms, limit):
    address = Address("acme", "b.tfstate.old")
    for number in range(4):
        rooms.put(b"more %d" % number, address=address)
    everything: list[tuple[str, int]] = []
    key, seq = "", 0
    for _ in range(100):
        page = rooms.store.read(
            lambda tx, key=key, seq=seq: listings.list_versions(
                tx, caller(), "acme", after_key=key, after_seq=seq, limit=limit
            )
        )
        everything += [(entry[0], entry[1].seq) for entry in page.entries]
        if not page.next_key:
            break
        key, seq = page.next_key, int(page.next_version.partition(".")[0], 16) if page.next_version else 0
    wanted = sorted(
        [(key, 1) for key in KEYS] + [("b.tfstate.old", seq) for seq in (2, 3, 4, 5)],
        key=lambda pair: (pair[0].encode(), -pair[1]),
    )
    assert everything == wanted


@pytest.mark.parametrize("limit", [1, 1000])
def test_versions_roll_up_below_a_delimiter_too(rooms, limit):
    found: list[str] = []
    key, seq = "", 0
    for _ in range(100):
        page = rooms.store.read(
            lambda tx, key=key, seq=seq: listings.list_versions(
                tx, caller(), "acme", delimiter="/", after_key=key, after_seq=seq, limit=limit
            )
        )
        found += [entry if isinstance(entry, str) else entry[0] for entry in page.entries]
        if not page.next_key:
            break
        key, seq = page.next_key, int(page.next_version.partition(".")[0], 16) if page.next_version else 0
    assert found == sorted({key[: key.find("/") + 1] if "/" in key else key for key in KEYS}, key=str.encode)


def test_what_lies_below_a_folder_marker_is_listed_after_it():
    rooms = Rooms()
    for key in ("d/", "d/a", "d/b/c"):
        rooms.put(b"x", address=Address("acme", key))
    assert walk(rooms, 1, prefix="d/", delimiter="/") == ["d/", "d/a", "d/b/"]
    page = rooms.store.read(
        lambda tx: listings.list_versions(
            tx, caller(), "acme", prefix="d/", delimiter="/", after_key="d/", after_seq=0, limit=9
        )
    )
    assert [entry if isinstance(entry, str) else entry[0] for entry in page.entries] == ["d/a", "d/b/"]


WORDS = st.text(alphabet="ab/.-t\u00e9", min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    keys=st.sets(WORDS, max_size=12),
    locked=st.sets(WORDS, max_size=4),
    prefix=st.text("ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "a", ".t"]),
    limit=st.integers(1, 4),
)
def test_any_listing_is_what_a_plain_sort_says(keys, locked, prefix, delimiter, limit):
    rooms = Rooms()
    for key in keys:
        rooms.put(b"x", address=Address("acme", key))
    for key in locked:
        rooms.lock(address=Address("acme", key))
    everything = {*keys, *(f"{key}.tflock" for key in locked)}
    wanted = set()
    for key in everything:
        if key.startswith(prefix):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            wanted.add(key[: cut + len(delimiter)] if cut >= 0 else key)
    assert walk(rooms, limit, prefix=prefix, delimiter=delimiter) == sorted(wanted, key=str.encode)
