"""What an acknowledgement promises, checked on a data directory that was cut off in the middle.

Of each address at most one operation was under way and unanswered, so after the cut it is where its last answer said
or one step further. Everything acknowledged is there with the same bytes, and every version that is there, acknowledged
or not, is whole.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader
from lockhouse.storage.directory import DataDirectory, open_directory
from lockhouse.storage.verify import verify
from tests.torture.load import NAMESPACE

READY_SECONDS = 2.0


class Verdict(msgspec.Struct):
    """What one cut, or many, came to."""

    acknowledged: int = 0
    lost: list[str] = []
    torn: list[str] = []
    slowest_start: float = 0.0

    @property
    def broken(self) -> list[str]:
        late = [f"ready only after {self.slowest_start:.2f} s"] if self.slowest_start > READY_SECONDS else []
        return [*self.lost, *self.torn, *late]

    def add(self, other: Verdict) -> None:
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.torn += other.torn
        self.slowest_start = max(self.slowest_start, other.slowest_start)


def check(path: Path, lines: list[str], *, whole: bool = True) -> Verdict:
    """Open the directory as a server would and compare. `whole` also reads every body there is."""
    verdict = Verdict(acknowledged=len(lines))
    started = time.perf_counter()
    directory = open_directory(path)
    verdict.slowest_start = time.perf_counter() - started
    try:
        versions: dict[str, dict[int, str]] = defaultdict(dict)
        locks: dict[str, tuple[int, bool]] = {}
        for line in lines:
            key, kind, number, rest = line.split()
            if kind == "version":
                versions[key][int(number)] = rest
            else:
                locks[key] = (int(number), rest == "1")
        for key in versions.keys() | locks.keys():
            _check_address(directory, key, versions[key], locks.get(key), verdict)
        if whole:
            verdict.torn += verify(directory.store, directory.blobs).problems
    finally:
        directory.close()
    return verdict


def _check_address(
    directory: DataDirectory, key: str, versions: dict[int, str], lock: tuple[int, bool] | None, verdict: Verdict
) -> None:
    def query(reader: Reader) -> None:
        state = reader.state(Address(NAMESPACE, key))
        if state is None:
            verdict.lost.append(f"{key}: the address is gone")
            return
        for seq, digest in versions.items():
            found = reader.version(state, seq)
            if found is None or found.body is None or found.body.sha256.hex() != digest:
                verdict.lost.append(f"{key}: version {seq}")
        if versions and state.current not in (newest := max(versions), newest + 1):
            verdict.lost.append(f"{key}: current is {state.current}, not {newest}")
        if lock is not None:
            epoch, held = lock
            record = reader.lock(state)
            there = (record.epoch, record.lock is not None)
            if there not in (lock, (epoch, False) if held else (epoch + 1, True)):
                verdict.lost.append(f"{key}: the lock is {there}, not {lock}")

    directory.store.read(query)
