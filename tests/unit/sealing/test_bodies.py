"""Bodies are sealed on the way in and opened on the way out, in rows and in blobs, with memory of one frame."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockhouse.core.versions import Body
from lockhouse.errors import StorageUnavailable
from lockhouse.sealing.bodies import Bodies, SealedReader
from lockhouse.sealing.frames import FRAME_BYTES
from lockhouse.sealing.ring import Ring
from lockhouse.storage.blobs.files import FileBlobs

RAW = random.Random(3).randbytes(2 * FRAME_BYTES + 1000)
PLACE = b"here"


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    return Bodies(FileBlobs(tmp_path / "blobs"), Ring([b"k" * 32]))


def blob(bodies: Bodies, raw: bytes = RAW, step: int = 70_001) -> Body:
    secret = bodies.make_secret()
    writer = bodies.create(secret)
    for start in range(0, len(raw), step):
        writer.write(raw[start : start + step])
    return bodies.bind(Body(len(raw), b"", b"", blob=writer.finish()), secret, PLACE)


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES, FRAME_BYTES + 1, len(RAW)])
def test_a_sealed_blob_comes_back_in_any_pieces(bodies: Bodies, size: int):
    reader = bodies.open(blob(bodies, RAW[:size]))
    assert reader.size == size
    assert reader.read(0, size + 5) == RAW[:size]
    for start, length in ((1, 10), (FRAME_BYTES - 3, 6), (size - 1, 5), (size, 1), (100, 2 * FRAME_BYTES)):
        if start >= 0:
            assert reader.read(start, length) == RAW[:size][start : start + length]
    for start, length in ((0, size + 5), (0, size), (1, 10), (FRAME_BYTES - 3, 6), (FRAME_BYTES, FRAME_BYTES)):
        room = bytearray(length)
        count = reader.read_into(start, memoryview(room))
        assert room[:count] == RAW[:size][start : start + length]
        assert count == len(RAW[:size][start : start + length])
    reader.close()


def test_nothing_of_the_body_lies_on_the_disk(bodies: Bodies, tmp_path: Path):
    body = blob(bodies, b"db_password=hunter2 " * 100_000)
    file = tmp_path / "blobs" / body.blob[:2] / body.blob
    assert b"hunter2" not in file.read_bytes()


def test_a_row_is_sealed_and_opened(bodies: Bodies):
    secret = bodies.make_secret()
    body = bodies.bind(Body(5, b"", b"", packed=bodies.seal(secret, b"frame")), secret, PLACE)
    assert (b"frame" in body.packed, bodies.frame_of(body)) == (False, b"frame")


def test_what_is_not_sealed_is_never_taken_for_what_should_be(bodies: Bodies, tmp_path: Path):
    secret = bodies.make_secret()
    row = bodies.bind(Body(5, b"", b"", packed=b"plain"), secret, PLACE)
    with pytest.raises(StorageUnavailable):
        bodies.frame_of(row)
    writer = bodies.blobs.create()
    writer.write(RAW)
    plain = writer.finish()
    with pytest.raises(StorageUnavailable):
        bodies.open(replace(row, packed=b"", blob=plain))


def test_the_bytes_of_one_body_are_not_those_of_another(bodies: Bodies):
    one, two = blob(bodies), blob(bodies)
    reader = bodies.open(replace(one, blob=two.blob))
    with pytest.raises(StorageUnavailable):
        reader.read(0, 10)


def test_sealed_bodies_do_not_open_without_a_ring(bodies: Bodies):
    with pytest.raises(StorageUnavailable, match="no key-encryption key"):
        Bodies(bodies.blobs).open(blob(bodies))


def test_without_a_ring_nothing_is_sealed(bodies: Bodies):
    bare = Bodies(bodies.blobs)
    assert (bare.make_secret(), bare.seal(b"", b"frame")) == (b"", b"frame")
    body = blob(bare)
    assert body.key is None
    assert bodies.open(body).read(0, len(RAW)) == RAW


def test_a_copy_has_the_same_bytes_under_a_key_of_its_own(bodies: Bodies):
    source = blob(bodies)
    copy = bodies.bind(source, bodies.secret_of(source), b"elsewhere")
    assert source.key is not None
    assert copy.key is not None
    assert (copy.blob, copy.key.id != source.key.id) == (source.blob, True)
    assert bodies.open(copy).read(0, 9) == RAW[:9]


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES, len(RAW)])
def test_a_body_is_poured_whole_or_an_error_is_raised(bodies: Bodies, tmp_path: Path, size: int):
    body = blob(bodies, RAW[:size])
    poured: list[bytes] = []
    reader = bodies.open(body)
    assert isinstance(reader, SealedReader)
    reader.pour(lambda piece: poured.append(bytes(piece)))
    assert b"".join(poured) == RAW[:size]
    file = tmp_path / "blobs" / body.blob[:2] / body.blob
    whole = file.read_bytes()
    for place in (0, 33, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StorageUnavailable):
            bodies.open(body).pour(bool)  # type: ignore[attr-defined]


@pytest.mark.parametrize("place", [0, 20, 40, FRAME_BYTES, 2 * FRAME_BYTES + 500, -1])
def test_a_flipped_byte_in_a_blob_is_an_error_and_never_other_bytes(bodies: Bodies, tmp_path: Path, place: int):
    body = blob(bodies)
    file = tmp_path / "blobs" / body.blob[:2] / body.blob
    changed = bytearray(file.read_bytes())
    changed[place] ^= 1
    file.write_bytes(changed)
    with pytest.raises(StorageUnavailable, match="cannot read a version"):
        bodies.open(body).read(0, len(RAW))


def test_memory_holds_a_few_frames_however_large_the_body(bodies: Bodies):
    secret = bodies.make_secret()
    piece = bytes(256 * 1024)
    tracemalloc.start()
    writer = bodies.create(secret)
    for _ in range(200):
        writer.write(piece)
    body = bodies.bind(Body(200 * len(piece), b"", b"", blob=writer.finish()), secret, PLACE)
    reader = bodies.open(body)
    for offset in range(0, reader.size, FRAME_BYTES):
        reader.read(offset, FRAME_BYTES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.close()
    assert peak < 6 * FRAME_BYTES


def test_an_abandoned_blob_leaves_nothing(bodies: Bodies):
    writer = bodies.create(bodies.make_secret())
    writer.write(RAW)
    writer.abort()
    writer.abort()
    assert list(bodies.blobs.names()) == []
