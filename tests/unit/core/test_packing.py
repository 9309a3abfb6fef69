"""The plan: few steps to a whole version, short distances, nothing packed twice for nothing, and no circles."""

from __future__ import annotations

import hypothesis.strategies as some
from hypothesis import given, settings
from msgspec.structs import replace

from lockhouse.core.packing import KEY_EVERY, MAX_BYTES, MAX_DEPTH, Entry, Move, plan

SIZE = 10_000


def entry(seq: int, **more) -> Entry:
    return Entry(seq, SIZE, **more)


class History:
    """Versions as they come and go, packed as the plan says."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.moves = 0

    def write(self, seq: int) -> None:
        self.entries[seq] = entry(seq)

    def pack(self) -> None:
        for move in plan(list(self.entries.values())):
            assert self.entries[move.seq].base != move.base or self.entries[move.seq].plain
            self.entries[move.seq] = replace(self.entries[move.seq], base=move.base, plain=False)
            self.moves += 1
        assert plan(list(self.entries.values())) == []

    def depth(self, seq: int) -> int:
        steps = 0
        while base := self.entries[seq].base:
            assert base > seq
            assert not self.entries[base].trashed
            seq, steps = base, steps + 1
        return steps


def test_a_thousand_versions_one_by_one_are_few_steps_and_short_distances_from_whole_ones():
    history = History()
    for seq in range(1, 1001):
        history.write(seq)
        history.pack()
    assert max(history.depth(seq) for seq in history.entries) <= 16
    distances = [each.base - each.seq for each in history.entries.values() if each.base]
    assert sum(distances) / len(distances) < 4
    assert [each.seq for each in history.entries.values() if not each.base] == [
        *range(KEY_EVERY, 1000, KEY_EVERY),
        1000,
    ]
    assert history.moves < 2 * 1000


def test_a_thousand_versions_at_once_are_packed_once_each():
    history = History()
    for seq in range(1, 1001):
        history.write(seq)
    history.pack()
    assert history.moves == 1000 - 1 - 1000 // KEY_EVERY
    assert max(history.depth(seq) for seq in history.entries) <= 16


def test_what_retention_takes_is_nobodys_base():
    history = History()
    for seq in range(1, 301):
        history.write(seq)
        history.pack()
    for oldest in range(1, 250):
        assert all(each.base != oldest or each.seq < oldest for each in history.entries.values())
        del history.entries[oldest]
        assert plan(list(history.entries.values())) == []


def test_what_depends_on_a_version_in_the_trash_is_packed_anew():
    history = History()
    for seq in range(1, 9):
        history.write(seq)
    history.pack()
    history.entries[4] = replace(history.entries[4], trashed=True)
    moves = plan(list(history.entries.values()))
    assert {move.seq for move in moves} == {2, 3}
    assert 4 not in {move.base for move in moves}
    history.pack()
    assert history.depth(4) == 1


def test_what_is_left_when_all_lies_in_the_trash_depends_on_nothing():
    thrown = [entry(3, trashed=True), entry(2, trashed=True, base=3), entry(1, trashed=True, base=2)]
    assert plan(thrown) == [Move(1, 0), Move(2, 0)]


def test_a_version_in_the_trash_is_packed_even_as_the_newest_of_all_numbers():
    assert plan([entry(3, trashed=True), entry(2), entry(1)]) == [Move(1, 2)]
    assert plan([entry(3, trashed=True, base=4), entry(2), entry(1, base=2)]) == [Move(3, 0)]


def test_large_small_and_encrypted_versions_stay_whole_and_are_no_base():
    versions = [entry(4), Entry(3, MAX_BYTES + 1, plain=True), Entry(2, 100), entry(1, opaque=True)]
    assert plan(versions) == []
    assert plan([Entry(3, MAX_BYTES + 1), entry(2), entry(1)]) == [Move(1, 2)]


def test_what_was_judged_in_vain_is_tried_once_more_at_most():
    history = [entry(seq) for seq in range(4, 8)] + [entry(3), entry(2, judged=3), entry(1)]
    assert Move(2, 4) in plan(history)
    assert Move(2, 4) not in plan([replace(each, judged=4) if each.seq == 2 else each for each in history])
    pending = [entry(3), entry(2, judged=3)]
    assert plan(pending) == []


def test_a_plain_blob_that_cannot_have_a_base_is_compressed_alone_once():
    assert plan([entry(KEY_EVERY + 1), entry(KEY_EVERY, plain=True)]) == [Move(KEY_EVERY, 0)]
    assert plan([entry(KEY_EVERY + 1), entry(KEY_EVERY, plain=True, judged=-1)]) == []


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(some.sampled_from("wwwwdtpr"), some.integers(0, 10**6)), max_size=120))
def test_whatever_comes_and_goes_nothing_is_based_on_what_is_not_there_and_chains_stay_short(steps):
    history = History()
    number = 0
    for act, chosen in steps:
        places = sorted(history.entries)
        place = places[chosen % len(places)] if places else 0
        match act:
            case "w":
                number += 1 + chosen % 3
                history.write(number)
            case "d" if place:
                history.entries[place] = replace(history.entries[place], trashed=True)
            case "r" if place:
                history.entries[place] = replace(history.entries[place], trashed=False)
            case "t" if place and history.entries[place].trashed:
                history.pack()
                assert all(each.base != place for each in history.entries.values())
                del history.entries[place]
            case "p":
                history.pack()
    history.pack()
    assert all(history.depth(seq) <= MAX_DEPTH for seq in history.entries)
