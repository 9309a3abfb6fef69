"""Nothing that was acknowledged is lost, and nothing is torn, whenever the process or the power goes.

The tests that break disks need root, loop devices and strace. Where they cannot run they say so in the summary of the
tests, and with CI=true they fail, unless LOCKHOUSE_NO_LOOP=1 admits openly that this machine cannot.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from lockhouse.core.addresses import Address
from lockhouse.core.locks import LockRecord
from lockhouse.core.ports import Transaction
from lockhouse.errors import StorageFull
from lockhouse.storage.directory import DataDirectory, open_directory
from lockhouse.storage.verify import verify
from tests.contract.samples import HOME, event, held, version, write_version
from tests.torture import nth
from tests.torture.check import Verdict
from tests.torture.cuts import checked, under_load
from tests.torture.power import FileSystem, impossible

REPOSITORY = Path(__file__).parents[2]


def torture(*arguments: str, home: Path, kind: type = Verdict, seconds: float = 240) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", *arguments, "--home", str(home)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    print(*arguments, done.stdout.splitlines()[-1][:500])  # `pytest -rP` shows it
    return done.returncode, msgspec.json.decode(done.stdout.splitlines()[-1], type=kind)


@pytest.fixture
def disk(tmp_path: Path) -> Path | None:
    """Where a file system can lose its power, or None."""
    return tmp_path if possible(impossible(tmp_path)) else None


def possible(reason: str) -> bool:
    if not reason:
        return True
    if os.environ.get("CI") and os.environ.get("LOCKHOUSE_NO_LOOP") != "1":
        pytest.fail(f"broken disks cannot be tested here: {reason}; LOCKHOUSE_NO_LOOP=1 accepts that")
    warnings.warn(f"BROKEN DISKS WERE NOT TESTED: {reason}", stacklevel=2)
    return False


def test_no_acknowledged_lock_or_version_is_lost_in_a_hundred_kills(tmp_path: Path):
    code, verdict = torture("kill", "--times", "100", home=tmp_path)
    assert verdict.broken == []
    assert verdict.acknowledged >= 2000
    assert code == 0


def test_no_acknowledged_lock_or_version_is_lost_in_fifty_power_cuts(disk: Path | None):
    if disk is not None:
        code, verdict = torture("power", "--times", "50", home=disk)
        assert verdict.broken == []
        assert verdict.acknowledged >= 1000
        assert code == 0


def test_the_power_cuts_find_a_database_that_does_not_sync_its_commits(disk: Path | None):
    if disk is not None:
        code, verdict = torture("power", "--times", "3", "--synchronous", "NORMAL", home=disk)
        assert len(verdict.lost) >= 3
        assert code == 1


def test_the_power_cuts_find_blobs_that_are_not_synced(disk: Path | None):
    if disk is not None:
        code, verdict = torture("power", "--times", "3", "--no-fsync", home=disk)
        assert len(verdict.torn) >= 3
        assert code == 1


def test_no_failing_system_call_makes_an_answer_wrong(tmp_path: Path):
    if possible(nth.impossible()):
        code, verdict = torture("nth", "--stride", "12", home=tmp_path, kind=nth.NthVerdict)
        assert verdict.broken == []
        assert verdict.runs >= 60
        assert min(verdict.answers[answer] for answer in ("ok", "ended", "storage.full")) >= 5
        assert code == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_whichever_system_call_fails_no_answer_is_wrong(tmp_path: Path):
    if possible(nth.impossible()):
        code, verdict = torture("nth", home=tmp_path, kind=nth.NthVerdict, seconds=3500)
        assert verdict.broken == []
        assert verdict.runs >= 150
        assert code == 0


def test_a_disk_that_is_really_full_is_read_and_unlocked_and_recovers_by_itself(disk: Path | None):
    if disk is None:
        return
    with FileSystem(disk, 32 * 1024 * 1024) as small:
        (small.root / "filler").write_bytes(os.urandom(8 * 1024 * 1024))
        directory = open_directory(small.root / "data", reserve_bytes=2 * 1024 * 1024, fail_stop=pytest.fail)
        store = directory.store
        addresses = [Address("acme", f"{number}.tfstate") for number in range(40)]
        for address in addresses:
            store.write(lambda tx, address=address: tx.save_lock(tx.ensure_state(address), held(), 0))
        first = version(1, b"{}", packed=zstandard.compress(b"{}"))
        kept = store.write(lambda tx: write_version(tx, HOME, first))

        def fill(size: int) -> int:
            for number in itertools.count(2):
                body = os.urandom(size)
                try:
                    if size > 100_000:
                        writer = directory.blobs.create()
                        writer.write(body)
                        writer.finish()
                    else:
                        store.write(lambda tx, n=number, b=body: tx.set_document("acme", f"{size}-{n}", b))
                except StorageFull:
                    return number
            raise AssertionError

        assert fill(500_000) > 2
        assert fill(60_000) > 2

        def unlock(directory: DataDirectory, address: Address) -> bool:
            def command(tx: Transaction) -> bool:
                state = tx.ensure_state(address)
                tx.add_lock_event(state, event("released"))
                return tx.save_lock(state, LockRecord(epoch=1), 1)

            return directory.store.write(command)

        assert all(unlock(directory, address) for address in addresses[:20])
        assert store.read(lambda r: r.current(kept)) == first
        directory.close()

        directory = open_directory(small.root / "data", reserve_bytes=2 * 1024 * 1024, fail_stop=pytest.fail)
        assert all(unlock(directory, address) for address in addresses[20:])
        with pytest.raises(StorageFull):
            directory.store.write(lambda tx: tx.set_document("acme", "large", os.urandom(4_000_000)))
        (small.root / "filler").unlink()
        deadline = time.monotonic() + 5
        while True:
            try:
                directory.store.write(lambda tx: tx.set_document("acme", "large", os.urandom(1_000_000)))
                break
            except StorageFull:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert directory.store.read(lambda r: list(r.held_locks())) == []
        assert verify(directory.store, directory.blobs).problems == []
        directory.close()


@pytest.mark.parametrize(
    "lie", ["0/0.tfstate version 99 00", "0/0.tfstate lock 99 1", "0/0.tfstate lock 99 0", "0/nobody version 1 00"]
)
def test_the_check_finds_an_acknowledged_operation_that_is_not_there(tmp_path: Path, lie: str):
    lines = under_load(tmp_path, "lie", lambda child: os.kill(child, signal.SIGKILL))
    assert checked(tmp_path, lines).broken == []
    assert len(checked(tmp_path, [*lines, lie]).lost) >= 1
