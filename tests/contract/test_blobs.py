"""Blobs: nothing before it is finished, nothing changed after."""

from __future__ import annotations

import time

import pytest

from lockhouse.core.ports import Blobs
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
    assert set(listed) == names
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
