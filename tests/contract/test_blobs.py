"""Blobs: nothing before it is finished, nothing changed after."""

from __future__ import annotations

import random
import time

import pytest

from lockhouse.core.blobs import Blobs
from lockhouse.errors import StorageUnavailable


def put(blobs: Blobs, data: bytes) -> str:
    writer = blobs.create()
    writer.write(data)
    return writer.finish()


def test_a_blob_comes_back_byte_for_byte(blobs: Blobs):
    data = bytes(range(256)) * 5000
    writer = blobs.create()
    for start in range(0, len(data), 70_001):
        writer.write(data[start : start + 70_001])
    reader = blobs.open(writer.finish())
    assert reader.size == len(data)
    assert reader.read(0, len(data)) == data
    assert reader.read(1000, 300) == data[1000:1300]
    assert reader.read(len(data) - 5, 100) == data[-5:]
    assert reader.read(len(data), 1) == b""
    reader.close()


def test_a_place_that_answers_says_so_and_is_not_changed(blobs: Blobs):
    blobs.check()
    assert list(blobs.names()) == []


def test_an_empty_blob_is_a_blob(blobs: Blobs):
    reader = blobs.open(blobs.create().finish())
    assert (reader.size, reader.read(0, 10)) == (0, b"")
    reader.close()


def test_nothing_is_visible_before_the_end(blobs: Blobs):
    writer = blobs.create()
    writer.write(b"half")
    assert list(blobs.names()) == []
    writer.abort()
    writer.abort()
    assert list(blobs.names()) == []


def test_names_are_random_and_say_when(blobs: Blobs):
    before = time.time()
    names = {put(blobs, b"same bytes") for _ in range(20)}
    assert len(names) == 20
    listed = dict(blobs.names())
    assert list(listed) == sorted(names)
    assert all(before - 2 <= at <= time.time() + 2 for at in listed.values())


def test_a_missing_or_misnamed_blob_is_never_an_empty_one(blobs: Blobs):
    name = put(blobs, b"x")
    blobs.delete(name)
    blobs.delete(name)
    for bad in (name, "", "../../etc/passwd", "0" * 32, "/" + "a" * 31):
        with pytest.raises(StorageUnavailable):
            blobs.open(bad)


def test_an_open_blob_outlives_its_deletion(blobs: Blobs):
    name = put(blobs, b"still here")
    reader = blobs.open(name)
    blobs.delete(name)
    assert reader.read(0, 100) == b"still here"
    reader.close()


def test_a_large_blob_comes_back_in_order_and_out_of_order(blobs: Blobs):
    data = random.Random(5).randbytes(17 * 1024 * 1024 + 3)  # three parts of an object store
    writer = blobs.create()
    for start in range(0, len(data), 1_000_003):
        writer.write(memoryview(data)[start : start + 1_000_003])
    name = writer.finish()
    reader = blobs.open(name)
    assert reader.size == len(data)
    assert b"".join(reader.read(start, 1 << 20) for start in range(0, len(data), 1 << 20)) == data
    for start, size in ((9_000_000, 100), (5, 100), (len(data) - 3, 50), (8 * 1024 * 1024 - 1, 2)):
        assert reader.read(start, size) == data[start : start + size]
        assert not reader.at_hand(start, size) or reader.read(start, size) == data[start : start + size]
        room = bytearray(size)
        count = reader.read_into(start, memoryview(room))
        assert room[:count] == data[start : start + size]
        assert count == len(data[start : start + size])
    reader.close()
    blobs.delete(name)


def test_what_was_given_out_a_moment_ago_is_known(blobs):
    name = put(blobs, b"x")
    assert blobs.finished_within(name, 60.0)
    assert not blobs.finished_within("0" * 32, 60.0)
    blobs.delete(name)
    assert not blobs.finished_within(name, 60.0)


def test_a_blob_is_carried_here_under_its_name(blobs):
    name = "ab" * 16
    for data in (b"first", b"second, and longer"):  # again after an interruption
        blobs.put(name, iter([data[:3], data[3:]]))
        reader = blobs.open(name)
        assert reader.read(0, 100) == data
        reader.close()
    assert [each for each, _ in blobs.names()] == [name]

    def broken():
        yield b"begun"
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError):
        blobs.put("cd" * 16, broken())
    assert [each for each, _ in blobs.names()] == [name]


def test_a_buffer_may_be_used_again_after_it_was_written(blobs: Blobs):
    buffer = bytearray(b"one")
    writer = blobs.create()
    writer.write(memoryview(buffer))
    buffer[:] = b"two"
    writer.write(memoryview(buffer))
    reader = blobs.open(writer.finish())
    assert reader.read(0, 10) == b"onetwo"
    reader.close()
