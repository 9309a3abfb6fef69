"""Packing a real store: what is packed reads as it was written, whatever happens beside it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockhouse.core.packing import KEY_EVERY
from lockhouse.deltas import child
from lockhouse.deltas.checking import damage
from lockhouse.deltas.workers import Worker
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.outgoing import give_out
from lockhouse.runtime.repacking import Repacking
from lockhouse.runtime.scrubbing import Scrubbing
from lockhouse.sealing.bodies import Bodies
from lockhouse.storage.blobs.files import FileBlobReader, FileBlobs
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.sql.sqlite import SqliteStore
from tests.contract.packed import HOME, RING, Place, state


@pytest.fixture(params=["sealed", "plain"])
def place(request: pytest.FixtureRequest, tmp_path: Path):
    store, blobs = SqliteStore(tmp_path / "db"), FileBlobs(tmp_path / "blobs")
    made = Place(store, blobs, RING if request.param == "sealed" else None)
    yield made
    made.store.close()


def test_small_and_large_versions_are_packed_and_read_back(place: Place):
    for seq in range(1, 8):
        place.write(seq, state(seq, 20))
    for seq in range(8, 12):
        place.write(seq, state(seq, 6000), blob=True)
    report = place.pack()
    assert (report.states, report.versions, report.failed) == (1, 10, 0)
    assert [bool(place.body(seq).base) for seq in range(1, 12)] == [True] * 10 + [False]
    assert len(place.body(9).packed) < len(place.written[9]) / 100
    place.check()
    assert place.pack().states == 0


def test_a_range_of_a_packed_version_is_given_out(place: Place):
    place.write(1, state(1, 4000), blob=True)
    place.write(2, state(2, 4000), blob=True)
    place.pack()

    async def main() -> None:
        given = await give_out(place.body(1), place.bodies, 1000, 2_000_000)
        pieces = given if isinstance(given, bytes) else b"".join([piece async for piece in given.chunks()])
        assert pieces == place.written[1][1000:2_000_000]
        unread = await give_out(place.body(1), place.bodies)
        assert not isinstance(unread, bytes)
        unread.close()
        unread.close()

    asyncio.run(main())


def test_key_frames_are_whole_and_compressed(place: Place):
    place.write(KEY_EVERY, state(1, 4000), blob=True)
    place.write(KEY_EVERY + 1, state(2, 4000), blob=True)
    place.pack()
    key = place.body(KEY_EVERY)
    assert (key.base, key.framed) == (0, True)
    assert place.blobs.open(key.blob).size < key.size / 2
    place.check()


def test_what_has_nothing_in_common_stays_whole_and_is_not_tried_for_ever(place: Place):
    chance = random.Random(1)
    for seq in range(1, 6):
        place.write(seq, chance.randbytes(5000))
    place.pack()
    assert [place.body(seq).base for seq in range(1, 6)] == [0] * 5
    place.write(6, chance.randbytes(5000))
    assert place.pack().versions <= 4
    place.check()


def test_old_blobs_are_named_until_nobody_can_be_about_to_open_them(place: Place):
    place.write(1, state(1, 4000), blob=True)
    place.write(2, state(2, 4000), blob=True)
    old = place.body(1).blob
    place.pack()
    assert old in place.store.read(lambda tx: tx.blob_names())
    assert place.store.write(lambda tx: tx.forget_retired(9_999.0)) == 0
    assert place.store.write(lambda tx: tx.forget_retired(10_000.0)) == 1
    assert old not in place.store.read(lambda tx: tx.blob_names())
    place.blobs.delete(old)
    place.check()


def test_what_depends_on_the_trash_is_packed_anew_and_then_it_can_go(place: Place):
    for seq in range(1, 8):
        place.write(seq, state(seq, 30))
    place.pack()
    assert place.body(3).base == 4
    place.discard(4)
    place.check()
    assert place.store.read(lambda tx: list(tx.trash_due(2.0))) == []
    place.pack()
    assert place.body(3).base != 4
    (due,) = place.store.read(lambda tx: list(tx.trash_due(2.0)))
    place.store.write(lambda tx: tx.purge_version(*due))
    del place.written[4]
    place.check()


def test_a_move_does_nothing_when_its_version_or_base_has_gone(place: Place):
    for seq in (1, 2, 3):
        place.write(seq, state(seq, 30))
    before = place.body(1)
    record = place.store.read(lambda tx: tx.state(HOME))
    packed = replace(before, packed=b"other", base=9)
    assert not place.store.write(lambda tx: tx.repack(record.id, 1, before, packed, 1.0))
    assert not place.store.write(lambda tx: tx.repack(record.id, 8, before, replace(packed, base=2), 1.0))
    assert not place.store.write(
        lambda tx: tx.repack(record.id, 1, replace(before, judged=5), replace(packed, base=2), 1.0)
    )
    place.check()


def test_a_sweep_takes_what_nobody_needs_and_nothing_else(place: Place):
    for seq in range(1, 5):
        place.write(seq, state(seq, 3000), blob=True)
    before = {name for name, _ in place.blobs.names()}
    place.pack()
    place.discard(2)
    assert sweep(place.blobs, place.store, now=10**11, grace=0.0) == 0
    place.store.write(lambda tx: tx.forget_retired(10_000.0))
    assert sweep(place.blobs, place.store, now=10**11, grace=0.0) == 3
    assert len(before) == 4
    place.check()


@pytest.mark.parametrize(
    "places",
    [
        pytest.param(40, id="some"),
        pytest.param(1000, id="many", marks=(pytest.mark.soak, pytest.mark.timeout(3600))),
    ],
)
def test_a_bit_flipped_anywhere_is_found(place: Place, tmp_path: Path, places: int):
    """In rows and blobs, whole and packed: one bit at a time."""
    for seq in range(1, 6):
        place.write(seq, state(seq, 20))
    for seq in range(6, 10):
        place.write(seq, state(seq, 2600), blob=True)
    place.pack()
    chance = random.Random(places)

    async def main() -> None:
        harmless = 0
        scrubbing = Scrubbing(place.engine, place.bodies, rate=0)
        for _ in range(places):
            seq = chance.randrange(1, 10)
            body = place.body(seq)
            if body.blob:
                file = next(iter(tmp_path.rglob(body.blob)))  # noqa: ASYNC240 - nothing else runs
                good = file.read_bytes()
                file.write_bytes(flipped(good, chance))
            else:
                record = place.store.read(lambda tx: tx.state(HOME))
                good = body.packed
                bad = flipped(good, chance)
                change = replace(body, packed=bad)
                assert place.store.write(lambda tx: tx.repack(record.id, seq, body, change, 1.0))  # noqa: B023
            found = await scrubbing.slice()
            if seq not in {int(each.id.partition(".")[0], 16) for each in found.damaged}:
                # A few bits of a bare zstd frame mean nothing. Sealed bytes have none that do not count.
                assert body.key is None
                assert await place.read(seq) == place.written[seq]
                harmless += 1
            if body.blob:
                file.write_bytes(good)
            else:
                assert place.store.write(lambda tx: tx.repack(record.id, seq, body, body, 1.0))  # noqa: B023
            assert (await scrubbing.slice()).damaged == []
            assert scrubbing.damaged == {}
        assert harmless <= places // 20

    asyncio.run(main())


def flipped(raw: bytes, chance: random.Random) -> bytes:
    changed = bytearray(raw)
    changed[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("large", [False, True])
def test_damage_is_found_never_packed_and_never_given_out(place: Place, large: bool):
    resources = 4000 if large else 30
    for seq in (1, 2, 3):
        place.write(seq, state(seq, resources), blob=large)
    place.pack()
    bad = replace(place.body(1), packed=place.body(1).packed[:-7] + b"\0" + place.body(1).packed[-6:])
    with Worker() as worker:
        assert damage(place.body(1), place.bodies, worker) == ""
        assert damage(bad, place.bodies, worker)

    async def main() -> None:
        with pytest.raises(Exception, match="cannot read a version"):
            await give_out(bad, place.bodies)

    asyncio.run(main())


@pytest.mark.parametrize("size", [3_000, 300_000, 9_000_000, 17_000_000, 40_000_000])
def test_a_small_change_costs_little_whatever_the_size_is(size: int):
    chance = random.Random(size)
    line = b'{"type": "aws_instance", "name": "node", "id": "i-%016x", "arn": "arn:aws:ec2:us-east-1:1:i-%016x"}\n'
    base = b"".join(line % (chance.getrandbits(64), chance.getrandbits(64)) for _ in range(size // len(line)))
    place = len(base) // 3
    changed = base[:place] + b"another resource" + base[place + 20 :]
    frame = child.pack(changed, base)
    assert child.decode(frame, len(changed), base) == changed
    assert len(frame) < 200 + size / 5_000


class _AwayOnce(FileBlobs):
    """A place that does not answer one question, and then does."""

    answers = False

    def open(self, name: str) -> FileBlobReader:
        if not self.answers:
            self.answers = True
            raise StorageUnavailable("cannot read a large body: it does not answer", hint="try again")
        return super().open(name)


def test_a_body_that_was_away_for_a_moment_is_not_called_damaged(place: Place, tmp_path: Path):
    place.write(1, state(1, 6000), blob=True)
    away = _AwayOnce(tmp_path / "blobs")
    scrubbing = Scrubbing(place.engine, Bodies(away, place.bodies.ring), rate=0)
    found = asyncio.run(scrubbing.slice())
    assert (away.answers, found.checked, found.damaged, scrubbing.damaged) == (True, 1, [], {})


def test_whoever_purges_a_version_does_not_wait_for_the_history_of_others_that_a_busy_server_packs(place: Place):
    for seq in range(1, 8):
        place.write(seq, state(seq, 30))
    served = 0

    def busy() -> int:
        nonlocal served
        served += 10
        return served

    async def both(_: Repacking) -> None:
        repacking = Repacking(place.engine, place.bodies, busy)
        background = asyncio.create_task(repacking.round(quiet=0.0))
        async with asyncio.timeout(30):
            while not repacking._turn.locked() or not served:
                await asyncio.sleep(0)
            record = place.store.read(lambda tx: tx.state(HOME))
            assert record is not None
            await repacking.release(record)
            report = await background
        assert report.versions == 0

    place.run(both)
    assert [bool(place.body(seq).base) for seq in range(1, 8)] == [True] * 6 + [False]
    place.check()
