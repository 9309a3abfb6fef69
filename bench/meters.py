"""What a server costs: CPU time, peak memory and syncs of its whole process tree, read from outside.

CPU and memory come from /proc (Linux): CPU in steps of 10 ms, memory as the sum of the peak resident sets, so pages
that processes share count more than once. Syncs are counted by a small library that is compiled here and preloaded into
every server alike; without a C compiler they are not counted, and the report says so.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"


def tree(*pids: int) -> list[int]:
    """The processes and what they started, directly or not."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(pids)
    for known in found:
        found.extend(children.get(known, ()))
    return found


def cpu_seconds(*pids: int) -> float:
    """User and system time of the trees, with that of children who have ended."""
    ticks = 0
    for member in tree(*pids):
        fields = _stat(member)
        if fields:
            ticks += sum(int(part) for part in fields[11:15])
    return ticks / _TICK


def resident(pid: int) -> int:
    """Memory of the tree now, in bytes."""
    return _sum_of_status(pid, "VmRSS:")


def peak_resident(pid: int) -> int:
    """The peak of each process since `forget_peak`, summed, in bytes."""
    return _sum_of_status(pid, "VmHWM:")


def forget_peak(pid: int) -> None:
    """Begin a new peak."""
    for member in tree(pid):
        Path(f"/proc/{member}/clear_refs").write_text(_RESET_PEAK)


def _sum_of_status(pid: int, name: str) -> int:
    total = 0
    for member in tree(pid):
        try:
            lines = Path(f"/proc/{member}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    return total


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty if the process has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class SyncCounter:
    """Counts the syncs of one server."""

    def __init__(self, library: Path | None, directory: Path) -> None:
        """`library` is what `compile_counter` made."""
        self.environment: dict[str, str] = {}
        self._page: mmap.mmap | None = None
        if library is None:
            return
        file = directory / "syncs"
        file.write_bytes(bytes(mmap.PAGESIZE))
        with file.open("r+b") as opened:
            self._page = mmap.mmap(opened.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(library), "BENCH_SYNCS": str(file)}

    def count(self) -> int | None:
        """Syncs so far, or None if they are not counted."""
        return sum(struct.unpack("QQ", self._page[:16])) if self._page else None


def sync_loop(directory: Path, seconds: float = 0.5) -> float:
    """Appends of 4 KiB with an fdatasync each, per second, alone: what this disk gives to one writer."""
    file = os.open(directory / "sync-loop", os.O_CREAT | os.O_WRONLY, 0o600)
    page, count, begin = bytes(4096), 0, time.perf_counter()
    try:
        while time.perf_counter() - begin < seconds:
            os.write(file, page)
            os.fdatasync(file)
            count += 1
        return count / (time.perf_counter() - begin)
    finally:
        os.close(file)


def compile_counter(directory: Path) -> Path | None:
    """The library that counts, compiled; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = directory / "syncs.so"
    source = Path(__file__).with_name("syncs.c")
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True, timeout=60
    )
    return library
