"""Whatever is done to a sealed log is found, and the first wrong entry is named."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockhouse.audit import export, segments
from lockhouse.audit.segments import check_all
from lockhouse.audit.signing import Signer
from lockhouse.core.audit import Entry, Segment, Wanted, encode
from lockhouse.errors import DataInvalid

SIGNER = Signer(b"m" * 32)
KEY = SIGNER.public_key


def entry(number: int, **fields) -> bytes:
    return encode(Entry(1000.0 + number, "lock.taken", name=f"ann {number}", **fields))


def log(*sizes: int) -> list[Segment]:
    found: list[Segment] = []
    number = 0
    for size in sizes:
        raws = [entry(number + each) for each in range(size)]
        found.append(segments.build(found[-1] if found else None, raws, 2000.0 + number, SIGNER))
        number += size
    return found


def changed(segment: Segment, place: int, raw: bytes, signer: Signer | None = None, before=None) -> Segment:
    """The segment with another entry at a place, its hashes computed anew, by whoever has no key or another one."""
    raws = [each for each, _ in segments.entries(segment)]
    raws[place : place + 1] = [raw] if raw else []
    made = segments.build(before, raws, segment.sealed_at, signer or SIGNER)
    return made if signer else msgspec.structs.replace(made, signature=segment.signature)


def test_an_untouched_log_is_in_order_also_without_its_oldest_part():
    found = log(3, 1, 5)
    assert check_all(found, KEY) == (9, found[-1], None)
    assert check_all(found[1:], KEY) == (6, found[-1], None)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_byte_of_an_entry_is_found_at_that_entry(data):
    found = log(3, 4)
    which = data.draw(st.integers(0, 1))
    pairs = segments.entries(found[which])
    place = data.draw(st.integers(0, len(pairs) - 1))
    raw = bytearray(pairs[place][0])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    pairs[place] = bytes(raw), pairs[place][1]
    body = b"".join(len(text).to_bytes(4, "big") + text + link for text, link in pairs)
    broken = msgspec.structs.replace(found[which], body=segments._contexts.compressor.compress(body))
    found[which] = broken
    _, _, wrong = check_all(found, KEY)
    assert wrong.number == broken.first + place


def test_a_segment_whose_hashes_were_computed_anew_is_not_signed():
    found = log(3, 4)
    for signer in (None, Signer(b"x" * 32)):
        forged = changed(found[1], 1, entry(99), signer, before=found[0])
        _, _, wrong = check_all([found[0], forged], KEY)
        assert (wrong.number, "signed" in wrong.reason) == (4, True)


def test_an_entry_left_out_and_a_segment_left_out_are_found():
    found = log(3, 4, 2)
    assert check_all([found[0], found[2]], KEY)[2].number == 4
    shorter = changed(found[1], 2, b"", SIGNER, before=found[0])
    _, _, wrong = check_all([found[0], shorter, found[2]], KEY)
    assert wrong.number == 7  # the next segment does not follow any more
    assert check_all([found[1], found[0]], KEY)[2] is not None


def packed(segment: Segment, pairs: list[tuple[bytes, bytes]]) -> Segment:
    """The segment with another body, as somebody with the file but not the key could write it."""
    body = b"".join(len(raw).to_bytes(4, "big") + raw + link for raw, link in pairs)
    return msgspec.structs.replace(segment, body=segments._contexts.compressor.compress(body))


def anew(found: list[Segment], which: int, raws: list[bytes]) -> list[Segment]:
    """The log with other entries in one segment, and every hash from there on computed anew; no signature is."""
    made = list(found[:which])
    for old in found[which:]:
        entries = raws if old is found[which] else [raw for raw, _ in segments.entries(old)]
        new = segments.build(made[-1] if made else None, entries, old.sealed_at, SIGNER)
        made.append(msgspec.structs.replace(new, signature=old.signature))
    return made


SIZES = (3, 4, 2)
PLACES = [(which, place) for which, size in enumerate(SIZES) for place in range(size)]


def wrong_at(found: list[Segment], checkpoints=()) -> int | None:
    wrong = check_all(found, KEY, checkpoints)[2]
    return wrong.number if wrong is not None else None


@pytest.mark.parametrize(("which", "place"), PLACES)
def test_each_kind_of_tampering_is_found_at_the_very_entry(which: int, place: int):
    found = log(*SIZES)
    pairs = segments.entries(found[which])
    number = found[which].first + place
    raw, link = pairs[place]
    last = place == len(pairs) - 1

    def told(other: list[tuple[bytes, bytes]]) -> int | None:
        return wrong_at([*found[:which], packed(found[which], other), *found[which + 1 :]])

    assert told([*pairs[:place], (entry(77), link), *pairs[place + 1 :]]) == number  # changed
    assert told([*pairs[:place], (raw, b"x" * 32), *pairs[place + 1 :]]) == number  # its hash changed
    assert told([*pairs[:place], *pairs[place + 1 :]]) == number  # removed
    assert told([*pairs[:place], (entry(88), b"x" * 32), *pairs[place:]]) == number  # inserted
    assert told([*pairs[:place], (raw, link), *pairs[place:]]) == number + 1  # repeated
    if not last:
        swapped = [*pairs[:place], pairs[place + 1], pairs[place], *pairs[place + 2 :]]
        assert told(swapped) == number
        contents = [*pairs[:place], (pairs[place + 1][0], link), (raw, pairs[place + 1][1]), *pairs[place + 2 :]]
        assert told(contents) == number
    assert told(pairs) is None


@pytest.mark.parametrize("which", range(len(SIZES)))
def test_whoever_computes_all_hashes_anew_is_found_at_the_segment_that_is_not_signed(which: int):
    """Hashes need no key. Entries of segments before are proved by their signatures, and those after are not."""
    found = log(*SIZES)
    raws = [raw for raw, _ in segments.entries(found[which])]
    for other in ([entry(77), *raws[1:]], raws[:-1], [*raws, entry(88)], [entry(88), *raws], raws[::-1]):
        if other:
            assert wrong_at(anew(found, which, other)) == found[which].first
    lines = list(export.json_lines(anew(found, which, [entry(77), *raws[1:]]), KEY))
    assert export.check(lines, KEY)[2].number == 1  # an export has one signature: nothing in it is proved
    kept = [export.checkpoint_of(each, KEY) for each in found[:which]]
    assert export.check(lines, KEY, kept)[2].number == found[which].first


def test_a_tail_that_was_cut_off_is_found_by_a_checkpoint_and_by_nothing_else():
    found = log(*SIZES)
    kept = export.checkpoint_of(found[-1], KEY)
    for short in (found[:2], found[:1]):
        assert wrong_at(short) is None
        assert wrong_at(short, [kept]) == short[-1].last + 1
        lines = list(export.json_lines(short, KEY))
        assert export.check(lines, KEY)[2] is None
        assert export.check(lines, KEY, [kept])[2].number == short[-1].last + 1
    cut = packed(found[2], segments.entries(found[2])[:1])
    assert wrong_at([*found[:2], cut]) == 9  # in the middle of a segment it is found without one
    assert wrong_at(found, [kept]) is None


def test_a_log_that_was_written_anew_with_the_key_is_found_after_the_last_checkpoint_that_fits():
    found = log(*SIZES)
    first, last = (export.checkpoint_of(each, KEY) for each in (found[0], found[-1]))
    raws = [entry(50 + each) for each in range(4)]
    again = segments.build(found[0], raws, 5.0, SIGNER)
    rewritten = [found[0], again, segments.build(again, [entry(60), entry(61)], 6.0, SIGNER)]
    assert wrong_at(rewritten) is None
    assert wrong_at(rewritten, [last]) == 1
    assert wrong_at(rewritten, [first, last]) == 4


def test_a_checkpoint_of_another_key_is_no_proof():
    found = log(*SIZES)
    forged = export.checkpoint_of(segments.build(None, [entry(1)], 1.0, Signer(b"x" * 32)), KEY)
    assert wrong_at(found, [forged]) == 1


def test_a_damaged_body_is_told_from_an_empty_one():
    found = log(2)[0]
    for body in (b"", found.body[:-4], b"x" * 40):
        broken = msgspec.structs.replace(found, body=body)
        assert check_all([broken], KEY)[2].number == 1
        with pytest.raises(DataInvalid):
            segments.entries(broken)


def test_an_export_proves_itself_and_names_the_first_wrong_line():
    lines = list(export.json_lines(log(3, 4), KEY))
    count, tail, wrong = export.check(lines, KEY)
    assert (count, tail.number, wrong) == (7, 7, None)
    assert json.loads(lines[1])["entry"]["name"] == "ann 0"
    for place in range(1, 8):
        altered = [*lines]
        altered[place] = altered[place].replace(b"ann", b"bob")
        assert export.check(altered, KEY)[2].number == place
        assert export.check([*lines[:place], *lines[place + 1 :]], KEY)[2].number == place
    assert export.check(lines[:-1], KEY)[2] is not None
    assert export.check([*lines[:-2], lines[-1]], KEY)[2].number == 7
    assert export.check([*lines, lines[1]], KEY)[2] is not None
    assert export.check(lines, Signer(b"x" * 32).public_key)[2] is not None


def test_a_checkpoint_that_was_kept_shows_that_a_log_was_cut_off_or_written_anew():
    found = log(3, 4)
    kept = export.checkpoint_of(found[1], KEY)
    whole, short = list(export.json_lines(found, KEY)), list(export.json_lines(found[:1], KEY))
    assert export.check(whole, KEY, [kept])[2] is None
    assert "missing" in export.check(short, KEY, [kept])[2].reason
    other = segments.build(found[0], [entry(50 + each) for each in range(4)], 5.0, SIGNER)
    rewritten = list(export.json_lines([found[0], other], KEY))
    assert export.check(rewritten, KEY)[2] is None
    assert export.check(rewritten, KEY, [kept])[2].number == 1
    vouched = export.checkpoint_of(found[0], KEY)
    assert export.check(rewritten, KEY, [vouched, kept])[2].number == 4  # where it was written anew


def test_what_is_no_export_is_refused_in_words():
    for lines in ([], [b"{}\n"], [b"\xff"], [b'{"lockhouse_audit":9,"first":1,"before":""}']):
        with pytest.raises(DataInvalid):
            export.check(lines)


def test_a_cell_that_a_spreadsheet_would_compute_is_text():
    raw = encode(Entry(1.0, "lock.taken", name='=HYPERLINK("x")', key="a,b\nc"))
    found = segments.build(None, [raw], 5.0, SIGNER)
    lines = list(export.csv_lines([found]))
    assert "'=HYPERLINK" in lines[1]
    assert '"a,b\nc"' in lines[1]


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Wanted(), True),
        (Wanted(namespace="acme", prefix="app/", principal="ann", action="lock"), True),
        (Wanted(action="lock.taken", outcome="allowed", since=5.0, until=5.1), True),
        (Wanted(principal="P1"), True),
        (Wanted(action="loc"), False),
        (Wanted(action="lock.take"), False),
        (Wanted(namespace="other"), False),
        (Wanted(prefix="b"), False),
        (Wanted(since=5.1), False),
        (Wanted(until=5.0), False),
        (Wanted(outcome="refused"), False),
    ],
)
def test_entries_are_found_by_what_is_asked(wanted, matches):
    found = Entry(5.0, "lock.taken", principal="P1", name="ann", namespace="acme", key="app/x.tfstate")
    assert wanted.matches(found) == matches
