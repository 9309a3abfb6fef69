"""The repository as it was at another revision, for `--base REF`.

The tree is read with `git ls-tree` and `git cat-file` into a private temporary folder: no checkout, no filters, no
hooks, no lazy fetch. Missing or oversized blobs are left out and named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockhouse.review.files import MAX_FILES, SAFE_GIT, ReviewImpossible, git, git_environment, valid_revision

MAX_BLOB = 2 * 1024 * 1024
MAX_TOTAL = 1024 * 1024 * 1024


@contextmanager
def tree_at(root: Path, revision: str) -> Iterator[Path]:
    """A folder with the files of `revision` below `root`. Raises ReviewImpossible for an unknown revision."""
    commit = (
        git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") if valid_revision(revision) else None
    )
    if not commit:
        raise ReviewImpossible(
            f"cannot compare with {revision!r}: git knows no such revision",
            hint="fetch it first (fetch-depth: 0 in CI)",
        )
    listing = git(root, "ls-tree", "-r", "-z", "-l", commit.decode().strip())
    folder = Path(tempfile.mkdtemp(prefix="lockhouse-review-"))
    try:
        _write(root, folder, listing or b"")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(root: Path, folder: Path, listing: bytes) -> None:
    wanted: list[tuple[str, bytes]] = []
    total = 0
    for entry in listing.split(b"\0")[:MAX_FILES]:
        head, _, name = entry.partition(b"\t")
        fields = head.split()
        if len(fields) != 4 or fields[1] != b"blob" or fields[0] == b"120000" or not fields[3].isdigit():
            continue
        relative = os.fsdecode(name)
        size = int(fields[3])
        total += size
        if size <= MAX_BLOB and total <= MAX_TOTAL and _inside(relative):
            wanted.append((relative, fields[2]))
    if not wanted:
        return
    with subprocess.Popen(  # noqa: S603 - a fixed program with fixed switches, no shell
        [*SAFE_GIT, "cat-file", "--batch"],
        cwd=root,
        env=git_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if process.stdin is None or process.stdout is None:
            return
        for relative, blob in wanted:
            process.stdin.write(blob + b"\n")
            process.stdin.flush()
            header = process.stdout.readline().split()
            if len(header) != 3:
                continue
            data = process.stdout.read(int(header[2]))
            process.stdout.read(1)
            target = folder / relative
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            except OSError:
                continue
        process.stdin.close()


def _inside(relative: str) -> bool:
    parts = relative.split("/")
    return not relative.startswith("/") and ".." not in parts and ".git" not in parts and "\0" not in relative
