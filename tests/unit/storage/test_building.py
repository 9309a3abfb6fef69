"""What is half built is removed when nobody builds it any more, and never while somebody does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockhouse.storage.carry.building import ELSEWHERE_SECONDS, LOCK, built

PROGRAM = """
import sys
from pathlib import Path
from lockhouse.storage.carry.building import built
with built(Path(sys.argv[1])) as work:
    (work / "rows").mkdir()
    (work / "rows" / "states").write_text("half")
    print(work, flush=True)
    sys.stdin.readline()
"""


class Builder:
    """A process that has begun to build."""

    def __init__(self, target: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.work = Path(self.process.stdout.readline().strip())

    def kill(self) -> Path:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)
        return self.work

    def finish(self) -> int:
        self.process.communicate("go on\n", timeout=30)
        return self.process.returncode


@pytest.fixture
def begin() -> Iterator[Callable[[Path], Builder]]:
    begun: list[Builder] = []

    def start(target: Path) -> Builder:
        begun.append(Builder(target))
        return begun[-1]

    yield start
    for builder in begun:
        builder.process.kill()
        builder.process.communicate(timeout=30)


def build(target: Path) -> None:
    with built(target) as work:
        (work / "whole").touch()


def names(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


def test_what_a_killed_process_left_goes_and_what_a_living_one_builds_stays(
    tmp_path: Path, begin: Callable[[Path], Builder]
):
    living = begin(tmp_path / "monday")
    frozen = begin(tmp_path / "tuesday")
    frozen.process.send_signal(signal.SIGSTOP)
    dying = [begin(tmp_path / name) for name in ("monday", "wednesday")]
    assert all((each.kill() / "rows" / "states").exists() for each in dying)
    build(tmp_path / "thursday")
    assert names(tmp_path) == {"thursday", living.work.name, frozen.work.name}
    frozen.process.send_signal(signal.SIGCONT)
    assert (living.finish(), frozen.finish()) == (0, 0)
    assert names(tmp_path) == {"monday", "tuesday", "thursday"}
    assert names(tmp_path / "monday") == {"rows"}
    assert names(tmp_path / "thursday") == {"whole"}


def test_what_another_machine_began_is_left_alone_for_a_week(tmp_path: Path, begin: Callable[[Path], Builder]):
    work = begin(tmp_path / "monday").kill()
    (work / LOCK).write_text("another machine")
    build(tmp_path / "tuesday")
    assert work.exists()
    at = time.time() - ELSEWHERE_SECONDS - 60
    os.utime(work / LOCK, (at, at))
    build(tmp_path / "wednesday")
    assert names(tmp_path) == {"tuesday", "wednesday"}


def test_a_removal_that_was_interrupted_is_gone_on_with(tmp_path: Path, begin: Callable[[Path], Builder]):
    work = begin(tmp_path / "monday").kill()
    (work / "rows" / "states").unlink()
    (work / "rows").rmdir()
    build(tmp_path / "tuesday")
    assert names(tmp_path) == {"tuesday"}


def test_nothing_else_is_ever_removed(tmp_path: Path):
    kept = [
        tmp_path / "monday.incomplete-00000000",
        tmp_path / ".monday.incomplete-0000000",
        tmp_path / ".monday.incomplete-00000001",  # nothing says that it is ours
        tmp_path / "elsewhere",
    ]
    for each in kept:
        each.mkdir()
        (each / "file").touch()
    (tmp_path / ".x.incomplete-00000002").symlink_to(kept[3])
    for each in (kept[0], kept[1], kept[3]):
        (each / LOCK).touch()
        os.utime(each / LOCK, (0, 0))
    (tmp_path / ".file.incomplete-00000003").touch()
    before = names(tmp_path)
    build(tmp_path / "tuesday")
    assert names(tmp_path) == before | {"tuesday"}
    assert all((each / "file").exists() for each in kept)


def test_a_builder_that_fails_leaves_nothing(tmp_path: Path):
    def fail() -> None:
        with built(tmp_path / "monday") as work:
            (work / "rows").mkdir()
            (work / "rows" / "states").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(tmp_path) == set()


def test_an_empty_directory_that_a_killed_process_had_just_made_is_removed(tmp_path: Path):
    left = tmp_path / ".monday.incomplete-0123abcd"
    left.mkdir()
    (tmp_path / ".monday.incomplete-something").mkdir()  # none of ours
    with built(tmp_path / "tuesday"):
        assert not left.exists()
    assert (tmp_path / ".monday.incomplete-something").is_dir()


REMOVED = """
import os
import sys
removals = 3
def meddle(event, arguments):
    global removals
    if event == "open" and str(arguments[0]).endswith(".lockhouse-unfinished") and removals:
        removals -= 1
        os.rmdir(os.path.dirname(arguments[0]))
sys.addaudithook(meddle)
"""


def test_a_directory_that_another_process_takes_for_left_behind_before_it_is_locked_is_made_again(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-c", REMOVED + PROGRAM, str(tmp_path / "monday")],
        input="\n",
        text=True,
        timeout=30,
        check=True,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["monday"]
    assert (tmp_path / "monday" / "rows" / "states").read_text() == "half"
