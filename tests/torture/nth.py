"""Every system call that writes, syncs or renames fails once: with EIO, with ENOSPC, or with the end of the process.

A child locks, writes a version in a row and one in a blob, and unlocks; strace makes one call fail, either of these or
of opening a new data directory before them. Whatever happens, what was answered with success is there, what was refused with `storage.full` is not, and the data opens whole. A child
may end itself (the outcome of a commit is unknown) but not answer wrongly. Source: strace(1), "Tampering".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.ports import Reader
from lockhouse.errors import Problem
from lockhouse.storage.directory import DataDirectory, open_directory
from lockhouse.storage.sql.sqlite import SqliteStore
from lockhouse.storage.verify import verify
from tests.torture import load
from tests.torture.cuts import in_child

CALLS = ("fdatasync", "fsync", "pwrite64", "write", "rename", "ftruncate")
FAULTS = ("error=EIO", "error=ENOSPC", "signal=KILL")
_STEPS = ("lock", "row", "blob", "unlock")
_KEY = "nth.tfstate"


class NthVerdict(msgspec.Struct):
    """What all runs came to."""

    runs: int = 0
    answers: dict[str, int] = {}
    """How often each answer was given: `ok`, a code, or `ended`."""
    broken: list[str] = []


def impossible() -> str:
    """Why this cannot be tried here; empty: it can."""
    if shutil.which("strace") is None:
        return "it needs strace"
    if os.geteuid() != 0:
        return "it needs root to attach strace"
    return ""


def every_call(home: Path, *, stride: int = 1) -> NthVerdict:
    """`stride` leaves out all but each so many'th of the very many pwrite64 calls."""
    verdict = NthVerdict()
    answers: Counter[str] = Counter()
    for number, (opened, call, nth, fault) in enumerate(_points(home, stride)):
        path = home / f"run-{number}"
        told = _traced(path, ["-e", f"inject={call}:{fault}:when={nth}"], home / "strace.txt", opened=opened)
        verdict.runs += 1
        answers.update(told.values())
        verdict.broken += [f"{opened} {call} {nth} {fault}: {problem}" for problem in _judged(path, told)]
        shutil.rmtree(path, ignore_errors=True)
    verdict.answers = dict(answers)
    return verdict


def _points(home: Path, stride: int) -> Iterator[tuple[bool, str, int, str]]:
    """Each call of a run without faults. strace counts for each thread by itself."""
    for opened in (False, True):
        log = home / f"calls-{opened}.txt"
        told = _traced(home / f"plain-{opened}", ["-e", f"trace={','.join(CALLS)}"], log, opened=opened)
        assert set(told.values()) == {"ok"}, told
        counts: Counter[tuple[str, str]] = Counter()
        for line in log.read_text().splitlines():
            if found := re.match(r"(\d+)\s+(\w+)\(", line):
                counts[found[1], found[2]] += 1
        for call in CALLS:
            most = max((count for (_, name), count in counts.items() if name == call), default=0)
            for nth in range(1, most + 1, stride if call == "pwrite64" else 1):
                for fault in FAULTS:
                    yield opened, call, nth, fault


def _traced(path: Path, options: list[str], log: Path, *, opened: bool) -> dict[str, str]:
    """Run the steps in a child with strace attached; what it answered to each, `ended` where it did not."""
    attachable, ready = os.pipe()
    listening, telling = os.pipe()
    waiting, starting = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listening)
        os.close(starting)

        def work() -> None:
            sys.stderr = (log.parent / "stderr.txt").open("a")  # what it says of the faults is expected
            directory = open_directory(path) if opened else None
            os.writev(ready, [b"x"])
            os.read(waiting, 1)
            _steps(directory or open_directory(path), lambda line: os.writev(telling, [line.encode()]))

        in_child(work)
    os.close(telling)
    os.close(waiting)
    os.close(ready)
    os.read(attachable, 1)
    os.close(attachable)
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", str(log), "-p", str(child), *options], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
            if tracer.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("strace did not attach")
            time.sleep(0.005)
        os.write(starting, b"x")
        os.close(starting)
        with os.fdopen(listening) as answers:
            told = dict(line.split() for line in answers.read().splitlines())
        os.waitpid(child, 0)
    finally:
        tracer.wait(20)
    return {step: told.get(step, "ended") for step in _STEPS}


def _steps(directory: DataDirectory, tell: Callable[[str], object]) -> None:
    address = Address(load.NAMESPACE, _KEY)
    directory.store.deliver_to(load.deliver)
    acts: dict[str, Callable[[], object]] = {
        "lock": lambda: load.lock_or_unlock(directory, address),
        "row": lambda: load.put(directory, address, b"r" * 5_000),
        "blob": lambda: load.put(directory, address, os.urandom(200_000)),
        "unlock": lambda: load.lock_or_unlock(directory, address),
    }
    for step, act in acts.items():
        try:
            act()
        except Problem as problem:
            tell(f"{step} {problem.code}\n")
            if step == "lock":
                return
        else:
            tell(f"{step} ok\n")


def _judged(path: Path, told: dict[str, str]) -> list[str]:
    """What is wrong, looked at in a process of its own."""
    listening, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listening)

        def look() -> None:
            with os.fdopen(telling, "wb") as out:
                out.write(msgspec.json.encode(_look(path, told)))

        in_child(look)
    os.close(telling)
    with os.fdopen(listening, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return msgspec.json.decode(answer, type=list[str]) if answer else ["the data cannot be opened any more"]


def _look(path: Path, told: dict[str, str]) -> list[str]:
    directory = open_directory(path)
    try:
        found = _found(directory.store)
        problems = verify(directory.store, directory.blobs).problems
    finally:
        directory.close()
    for step in ("row", "blob"):
        if told[step] == "ok" and not found[step]:
            problems.append(f"the {step} was acknowledged and is gone")
        if told[step] == "storage.full" and found[step]:
            problems.append(f"the {step} was refused and is there")
    expected = {("ok", "ok"): [False], ("ok", "storage.full"): [True], ("storage.full", "ended"): [False]}
    held = expected.get((told["lock"], told["unlock"]), [False, True])
    if found["held"] not in held:
        problems.append(f"the lock was {told['lock']}, its unlock {told['unlock']}, and held is {found['held']}")
    return problems


def _found(store: SqliteStore) -> dict[str, bool]:
    def query(reader: Reader) -> dict[str, bool]:
        state = reader.state(Address(load.NAMESPACE, _KEY))
        if state is None:
            return {"row": False, "blob": False, "held": False}
        bodies = [version.body for version in reader.versions(state) if version.body is not None]
        return {
            "row": any(body.size == 5_000 for body in bodies),
            "blob": any(body.size == 200_000 for body in bodies),
            "held": reader.lock(state).lock is not None,
        }

    return store.read(query)
