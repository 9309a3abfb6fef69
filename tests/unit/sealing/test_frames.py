"""Sealed bytes open to what was sealed, or not at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.sealing import frames
from lockhouse.sealing.frames import END_BYTES, FRAME_BYTES, HEADER_BYTES, TAG_BYTES, Damaged, seal, unseal

KEY = b"k" * 32
SALT = b"s" * 24


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES])
def test_what_was_sealed_comes_back_and_its_length_is_known(size: int):
    plain = random.Random(size).randbytes(size)
    sealed = seal(KEY, SALT, plain)
    assert unseal(KEY, sealed) == plain
    assert frames.plain_size(len(sealed)) == size
    assert len(sealed) == HEADER_BYTES + size + TAG_BYTES * frames.frame_count(size) + END_BYTES


def test_every_flipped_byte_is_noticed():
    plain = b"resource " * 40
    sealed = seal(KEY, SALT, plain)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1 + place % 255
        with pytest.raises(Damaged):
            unseal(KEY, bytes(changed))


@given(st.integers(0, 2000))
def test_every_cut_is_noticed(cut: int):
    sealed = seal(KEY, SALT, b"x" * 1900)
    if cut < len(sealed):
        with pytest.raises(Damaged):
            unseal(KEY, sealed[:cut])


def frame(sealed: bytes, number: int) -> bytes:
    return sealed[frames.frame_offset(number) : frames.frame_offset(number + 1)]


def test_frames_that_are_moved_repeated_left_out_or_added_do_not_open():
    sealed = seal(KEY, SALT, random.Random(1).randbytes(3 * FRAME_BYTES))
    head, a, b, c = sealed[:HEADER_BYTES], frame(sealed, 0), frame(sealed, 1), frame(sealed, 2)
    end = sealed[-END_BYTES:]
    assert b"".join((head, a, b, c, end)) == sealed
    short = seal(KEY, SALT, b"x")[-END_BYTES:]
    for wrong in (
        (b, a, c, end), (a, c, end), (a, b, end), (a, b, c), (a, b), (a, b, c, c, end), (a, b, b, c, end), (end,),
        (a, b, c, end, end), (a, b, c, end, b"\0" * 16), (), (a, b, c, short), (end, a, b, c),
    ):  # fmt: skip
        with pytest.raises(Damaged):
            unseal(KEY, head + b"".join(wrong))


def test_another_key_header_or_body_does_not_fit():
    sealed, other = seal(KEY, SALT, b"one"), seal(KEY, b"t" * 24, b"two")
    for wrong in (other[:HEADER_BYTES] + sealed[HEADER_BYTES:], b"LHS2" + sealed[4:], b"", b"plain text"):
        with pytest.raises(Damaged):
            unseal(KEY, wrong)
    with pytest.raises(Damaged):
        unseal(b"o" * 32, sealed)


def test_the_same_bytes_never_look_the_same():
    assert seal(KEY, SALT, b"same") != seal(KEY, b"t" * 24, b"same")
    assert b"same" * 100 not in seal(KEY, SALT, b"same" * 100)


def test_the_format_is_the_documented_one():
    sealed = seal(bytes(range(32)), bytes(range(24)), b"state")
    assert sealed.hex() == (
        "4c48533114000000000102030405060708090a0b0c0d0e0f1011121314151617978c8ff38d4777759b3720b1fa6faabb"
        "61682e59560ce4dbc0437103a8d0d405c5687f61129e34642c7e15bb05"
    )
