"""Bodies come back byte for byte, whether they are in memory, on the disk or cut off."""

from __future__ import annotations

import asyncio
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockhouse.core.versions import Body
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.intake import in_memory
from lockhouse.runtime.outgoing import PIECE_BYTES, ROOMS, give_out
from lockhouse.runtime.streams import Piece, Stream
from lockhouse.sealing.bodies import Bodies
from lockhouse.sealing.ring import Ring
from lockhouse.storage.blobs import files
from lockhouse.storage.blobs.files import FileBlobs

SIZE = 4 * PIECE_BYTES + PIECE_BYTES // 2 + 1
RAW = random.Random(7).randbytes(SIZE)


def kept(blobs: FileBlobs) -> Body:
    writer = blobs.create()
    writer.write(RAW)
    md5 = hashlib.md5(RAW, usedforsecurity=False).digest()
    return Body(SIZE, md5, hashlib.sha256(RAW).digest(), blob=writer.finish())


async def read(body: Body, blobs: FileBlobs, start: int = 0, end: int | None = None) -> tuple[int, list[Piece]]:
    given = await give_out(body, Bodies(blobs), start, end)
    assert isinstance(given, Stream)
    return given.length, [piece async for piece in given.chunks()]


def pull(body: Body, bodies: Bodies, start: int = 0, end: int | None = None) -> tuple[int, list[Piece]]:
    """As `read`, as a thread that sends does it."""
    given = asyncio.run(give_out(body, bodies, start, end))
    assert isinstance(given, Stream)
    assert given.pull is not None
    pieces = []
    try:
        while sum(map(len, pieces)) < given.length:
            pieces.append(given.pull())
    finally:
        given.close()
    return given.length, pieces


@pytest.fixture(params=["memory", "disk"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileBlobs:
    if request.param == "disk":
        monkeypatch.setattr(files, "_NO_WAIT", None)  # a system that cannot say what is in memory
    return FileBlobs(tmp_path / "blobs")


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, SIZE + 5), (1, SIZE - 1), (SIZE - 1, None), (PIECE_BYTES, PIECE_BYTES + 1)]
)
def test_a_range_comes_back_in_bounded_pieces(blobs: FileBlobs, start: int, end: int | None):
    body = kept(blobs)
    for length, pieces in (asyncio.run(read(body, blobs, start, end)), pull(body, Bodies(blobs), start, end)):
        assert b"".join(pieces) == RAW[start:end]
        assert length == len(RAW[start:end])
        assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


def test_a_piece_stays_as_it_is_while_somebody_looks_at_it_and_its_memory_is_used_again(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    raw = random.Random(3).randbytes((ROOMS + 6) * PIECE_BYTES)
    writer = blobs.create()
    writer.write(raw)
    body = Body(len(raw), b"", hashlib.sha256(raw).digest(), blob=writer.finish())
    _, held = asyncio.run(read(body, blobs))
    assert b"".join(held) == raw
    held.clear()

    async def places() -> set[int]:
        given = await give_out(body, Bodies(blobs))
        assert isinstance(given, Stream)
        return {id(piece.obj) async for piece in given.chunks() if isinstance(piece, memoryview)}

    assert 0 < len(asyncio.run(places())) <= ROOMS


def test_many_readers_at_once_get_their_own_bytes(tmp_path: Path):
    bodies = Bodies(FileBlobs(tmp_path / "blobs"), Ring([b"k" * 32]))
    raws = [random.Random(number).randbytes(3 * PIECE_BYTES + number) for number in range(8)]

    async def one(raw: bytes) -> bool:
        secret = bodies.make_secret()
        writer = bodies.create(secret)
        writer.write(raw)
        given = await give_out(bodies.bind(Body(len(raw), b"", b"", blob=writer.finish()), secret, b"here"), bodies)
        assert isinstance(given, Stream)
        got = []
        async for piece in given.chunks():
            got.append(bytes(piece))
            await asyncio.sleep(0)
        return b"".join(got) == raw

    async def main() -> list[bool]:
        return await asyncio.gather(*map(one, raws))

    assert all(asyncio.run(main()))


def test_threads_that_send_at_once_get_their_own_bytes(tmp_path: Path):
    bodies = Bodies(FileBlobs(tmp_path / "blobs"), Ring([b"k" * 32]))
    raws = [random.Random(number).randbytes(3 * PIECE_BYTES + number) for number in range(8)]

    def one(raw: bytes) -> bool:
        secret = bodies.make_secret()
        writer = bodies.create(secret)
        writer.write(raw)
        body = bodies.bind(Body(len(raw), b"", b"", blob=writer.finish()), secret, b"here")
        return all(b"".join(pull(body, bodies)[1]) == raw for _ in range(10))

    with ThreadPoolExecutor(len(raws)) as threads:
        assert all(threads.map(one, raws))


def test_a_blob_that_is_cut_off_is_an_error(blobs: FileBlobs, tmp_path: Path):
    body = kept(blobs)
    file = tmp_path / "blobs" / body.blob[:2] / body.blob

    async def cut_while_reading() -> None:
        given = await give_out(body, Bodies(blobs))
        assert isinstance(given, Stream)
        async for _ in given.chunks():
            with file.open("r+b") as opened:
                opened.truncate(SIZE - PIECE_BYTES)

    with pytest.raises(StorageUnavailable):
        asyncio.run(cut_while_reading())
    with pytest.raises(StorageUnavailable):
        asyncio.run(read(body, blobs))
    with pytest.raises(StorageUnavailable):
        pull(body, Bodies(blobs))


@pytest.mark.parametrize("place", [0, SIZE // 2, SIZE - 1])
def test_a_plain_blob_that_was_changed_is_never_given_out_whole(blobs: FileBlobs, tmp_path: Path, place: int):
    body = kept(blobs)
    file = tmp_path / "blobs" / body.blob[:2] / body.blob
    raw = bytearray(file.read_bytes())
    raw[place] ^= 1
    file.write_bytes(bytes(raw))

    async def main() -> int:
        given = await give_out(body, Bodies(blobs))
        assert isinstance(given, Stream)
        got = 0
        with pytest.raises(StorageUnavailable):
            async for piece in given.chunks():
                got += len(piece)
        return got

    assert asyncio.run(main()) < SIZE
    with pytest.raises(StorageUnavailable):
        pull(body, Bodies(blobs))


def test_a_row_that_holds_other_bytes_is_an_error(tmp_path: Path):
    bodies = Bodies(FileBlobs(tmp_path / "blobs"))
    right = in_memory(b"what was written")
    assert asyncio.run(give_out(right, bodies)) == b"what was written"
    wrong = replace(right, packed=in_memory(b"what was swapped").packed)
    with pytest.raises(StorageUnavailable):
        asyncio.run(give_out(wrong, bodies))
