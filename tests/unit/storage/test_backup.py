"""A backup is complete or not there; its restore is the same data; neither touches what exists."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
import zstandard
from msgspec.structs import replace

from lockhouse.core.addresses import Address
from lockhouse.core.data_keys import KeyRecord
from lockhouse.core.maintenance import Maintenance
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.records import Namespace
from lockhouse.core.versions import Body, Origin
from lockhouse.errors import RequestInvalid, StorageUnavailable
from lockhouse.storage.blobs.sweep import sweep
from lockhouse.storage.carry.archive import MANIFEST, Manifest, read_manifest
from lockhouse.storage.carry.backup import check, create, drill
from lockhouse.storage.carry.backup import restore_directory as restore
from lockhouse.storage.carry.carrying import Progress
from lockhouse.storage.carry.place import serving
from lockhouse.storage.directory import DataDirectory, open_directory
from lockhouse.storage.verify import verify
from tests.contract.samples import HOME, held, parked, version, write_version


def put(directory: DataDirectory, address: Address, seq: int, data: bytes, *, as_blob: bool) -> Body:
    digest = hashlib.sha256(data).digest()
    if as_blob:
        writer = directory.blobs.create()
        writer.write(data)
        body = Body(len(data), b"", digest, blob=writer.finish())
    else:
        body = Body(len(data), b"", digest, packed=zstandard.compress(data))
    directory.store.write(lambda tx: write_version(tx, address, replace(version(seq), body=body)))
    return body


def filled(path: Path) -> DataDirectory:
    directory = open_directory(path)
    directory.store.write(lambda tx: tx.create_namespace(Namespace("acme", 1.0)))
    for seq in range(1, 9):
        put(directory, HOME, seq, b"%d" % seq * 3000, as_blob=seq % 2 == 0)
    directory.store.write(lambda tx: tx.save_lock(tx.ensure_state(HOME), held(), 0))
    body = Body(5, b"", hashlib.sha256(b"kept!").digest(), zstandard.compress(b"kept!"))
    directory.store.write(lambda tx: tx.add_parked(replace(parked("p"), body=body)))
    closed = Maintenance("m", "acme", "app/", "moving", 1.0, "p", "ann", 99.0)
    directory.store.write(lambda tx: tx.save_maintenance(closed))
    (path / "master.key").write_bytes(b"secret")
    (path / "master.key").chmod(0o600)
    return directory


def backup(directory: DataDirectory, target: Path, **options) -> Manifest:
    return create(serving(directory), target, **options)


def contents(reader: Reader) -> list[object]:
    state = reader.state(HOME)
    versions = [reader.version(state, seq) for seq in range(1, 9)]
    kept = [reader.parked("p"), *reader.maintenances("acme")]
    return [list(reader.namespaces()), state, versions, reader.lock(state), *kept]


def test_a_restored_backup_serves_the_same_data(tmp_path: Path):
    directory = filled(tmp_path / "data")
    manifest = backup(directory, tmp_path / "copy", now=5.0, files=("master.key", "credentials.json"))
    before = directory.store.read(contents)
    directory.close()
    assert (manifest.versions, manifest.parked, manifest.blobs) == (8, 1, 4)
    assert [each.name for each in manifest.files] == ["master.key"]
    assert restore(tmp_path / "copy", tmp_path / "again").tables == manifest.tables
    again = open_directory(tmp_path / "again")
    assert again.store.read(contents) == before
    assert verify(again.store, again.blobs).problems == []
    assert (tmp_path / "again" / "master.key").read_bytes() == b"secret"
    again.close()


def test_a_backup_can_be_read_by_its_owner_alone(tmp_path: Path):
    directory = filled(tmp_path / "data")
    backup(directory, tmp_path / "copy", now=5.0, files=("master.key",))
    directory.close()
    modes = {path.stat().st_mode & 0o077 for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]}
    assert modes == {0}


def test_a_backup_made_while_writing_has_every_blob_of_its_versions(tmp_path: Path):
    directory = filled(tmp_path / "data")
    stop = threading.Event()
    written = []

    def write() -> None:
        address = Address("acme", "busy.tfstate")
        while not stop.is_set():
            seq = len(written) + 1
            put(directory, address, seq, os.urandom(200_000), as_blob=True)
            if seq > 3:
                directory.store.write(lambda tx, seq=seq: tx.delete_version(tx.ensure_state(address), seq - 3))
            sweep(directory.blobs, directory.store, now=time.time() + 1, grace=0.0)
            written.append(seq)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(4):
            manifest = backup(directory, tmp_path / f"copy-{number}", now=5.0)
            assert manifest.blobs >= 4
    finally:
        stop.set()
        writer.join(30)
    assert len(written) > 4
    directory.close()


def test_a_backup_names_the_keys_that_it_needs_though_one_is_retired_while_it_is_made(tmp_path: Path):
    directory = filled(tmp_path / "data")
    directory.store.write(lambda tx: tx.save_key_record(KeyRecord("kek-old", 1.0, "file")))

    def retire(_: Progress) -> None:
        directory.store.write(lambda tx: tx.delete_key_record("kek-old"))

    manifest = backup(directory, tmp_path / "copy", now=5.0, progress=retire)
    assert not directory.store.read(lambda tx: tx.key_records())
    directory.close()
    assert manifest.keys == ("kek-old",)


def test_progress_is_told(tmp_path: Path):
    directory = filled(tmp_path / "data")
    told: list[Progress] = []
    backup(directory, tmp_path / "copy", now=5.0, progress=told.append)
    directory.close()
    assert told[0] == Progress("rows of bodies", 0, 0)
    assert Progress("bodies", 4, 0) in told
    assert told[-1] == Progress("verify", 9, 0)


@pytest.mark.parametrize("there", ["file", "full directory"])
def test_what_exists_is_never_overwritten(tmp_path: Path, there: str):
    directory = filled(tmp_path / "data")
    target = tmp_path / "target"
    if there == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine").write_text("mine")
    with pytest.raises(RequestInvalid):
        backup(directory, target, now=5.0)
    backup(directory, tmp_path / "copy", now=5.0)
    with pytest.raises(RequestInvalid):
        restore(tmp_path / "copy", target)
    assert (target if there == "file" else target / "mine").read_text() == "mine"
    directory.close()


def test_an_empty_directory_may_be_the_target(tmp_path: Path):
    directory = filled(tmp_path / "data")
    (tmp_path / "copy").mkdir()
    backup(directory, tmp_path / "copy", now=5.0)
    directory.close()
    assert read_manifest(tmp_path / "copy").versions == 8


def test_a_damaged_blob_fails_the_backup_and_leaves_nothing(tmp_path: Path):
    directory = filled(tmp_path / "data")
    name, _ = next(directory.blobs.names())
    file = tmp_path / "data" / "blobs" / name[:2] / name
    damaged = bytearray(file.read_bytes())
    damaged[7] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(StorageUnavailable, match="not those that were written"):
        backup(directory, tmp_path / "copy", now=5.0)
    directory.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def _flip_blob(copy: Path) -> None:
    blob = next(path for path in (copy / "blobs").rglob("*") if path.is_file())
    data = bytearray(blob.read_bytes())
    data[0] ^= 0x80
    blob.write_bytes(data)


def _lose_blob(copy: Path) -> None:
    next(path for path in (copy / "blobs").rglob("*") if path.is_file()).unlink()


def _cut_table(copy: Path) -> None:
    file = copy / "tables" / "versions.jsonl.zst"
    file.write_bytes(file.read_bytes()[:-20])


def _lose_version(copy: Path) -> None:
    file = copy / "tables" / "versions.jsonl.zst"
    lines = zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read().splitlines(keepends=True)
    file.write_bytes(zstandard.compress(b"".join(lines[1:])))


def _flip_manifest(copy: Path) -> None:
    file = copy / MANIFEST
    file.write_bytes(file.read_bytes().replace(b'"versions": 8', b'"versions": 9'))


def _lose_manifest(copy: Path) -> None:
    (copy / MANIFEST).unlink()


def _lose_key(copy: Path) -> None:
    (copy / "files" / "master.key").unlink()


@pytest.mark.parametrize(
    "damage",
    [_flip_blob, _lose_blob, _cut_table, _lose_version, _flip_manifest, _lose_manifest, _lose_key],
    ids=lambda f: f.__name__,
)
def test_a_damaged_backup_is_refused_and_nothing_is_made(tmp_path: Path, damage):
    directory = filled(tmp_path / "data")
    backup(directory, tmp_path / "copy", now=5.0, files=("master.key",))
    directory.close()
    damage(tmp_path / "copy")
    with pytest.raises((StorageUnavailable, RequestInvalid)):
        restore(tmp_path / "copy", tmp_path / "again")
    with pytest.raises((StorageUnavailable, RequestInvalid)):
        check(tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


def test_a_sound_backup_is_found_sound_and_is_not_changed_by_it(tmp_path: Path):
    directory = filled(tmp_path / "data")
    manifest = backup(directory, tmp_path / "copy", now=5.0)
    directory.close()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").rglob("*")}
    assert check(tmp_path / "copy") == (manifest, True)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").rglob("*")} == before


def test_a_drill_restores_compares_and_leaves_nothing(tmp_path: Path):
    directory = filled(tmp_path / "data")
    manifest = backup(directory, tmp_path / "copy", now=5.0)
    directory.close()
    (tmp_path / "room").mkdir()
    done = drill(tmp_path / "copy", tmp_path / "room")
    assert (done.versions, done.parked, done.blobs, done.bytes) == (8, 1, 4, manifest.bytes)
    assert (done.tables, done.opened) == (manifest.tables, True)
    assert list((tmp_path / "room").iterdir()) == []


def test_numbers_that_were_given_once_are_not_given_again_after_a_restore(tmp_path: Path):
    directory = filled(tmp_path / "data")
    address = Address("acme", "gone.tfstate")
    gone = directory.store.write(lambda tx: tx.ensure_state(address))
    directory.store.write(lambda tx: tx.delete_namespace("acme"))
    backup(directory, tmp_path / "copy", now=5.0)
    directory.close()
    restore(tmp_path / "copy", tmp_path / "again")
    again = open_directory(tmp_path / "again")
    assert again.store.write(lambda tx: tx.ensure_state(Address("acme", "new.tfstate"))).id > gone.id
    again.close()


def test_names_that_leave_the_directory_are_refused(tmp_path: Path):
    directory = filled(tmp_path / "data")
    for name in ("../data/master.key", "/etc/hostname", "lockhouse.db", ""):
        with pytest.raises(RequestInvalid):
            backup(directory, tmp_path / "copy", now=5.0, files=(name,))
    directory.close()
    assert not (tmp_path / "copy").exists()


def test_verification_names_the_damaged_version(tmp_path: Path):
    directory = filled(tmp_path / "data")

    def damage(tx: Transaction) -> None:
        state = tx.ensure_state(HOME)
        tx.delete_version(state, 3)
        tx.add_version(
            state, replace(version(3), body=Body(9, b"", b"x" * 32, zstandard.compress(b"different")), origin=Origin())
        )

    directory.store.write(damage)
    findings = verify(directory.store, directory.blobs)
    directory.close()
    assert len(findings.problems) == 1
    assert "acme/prod/terraform.tfstate version 3.n3" in findings.problems[0]
