"""Which files a review reads: git's own list in a work tree, a walk that honours .gitignore elsewhere.

Git is asked with everything switched off that a hostile repository could make it run (hooks, file system monitor,
lazy fetches, external protocols). Symbolic links are not followed and only regular files are opened; what cannot be
read is named with its reason, never silently left out.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pathspec

from lockhouse.errors import Problem
from lockhouse.review.paths import SKIPPED_FOLDERS, generated, skipped_folder
from lockhouse.review.redaction import shown

MAX_FILES = 200_000
MAX_DEPTH = 64
GIT_SECONDS = 60
SAFE_GIT = (
    "git",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.allow=never",
    "-c",
    "core.untrackedCache=false",
    "-c",
    "core.quotePath=false",
    "-c",
    "safe.directory=*",
    "-c",
    "core.pager=cat",
    "-c",
    "core.sshCommand=false",
    "-c",
    "credential.helper=",
    "-c",
    "core.alternateRefsCommand=",
)


class ReviewImpossible(Problem):
    """The path cannot be reviewed at all: not a folder, unreadable, or an unknown revision."""

    code = "review.impossible"


@dataclass(slots=True)
class Listing:
    """Relative paths in byte order, and what was left out with its reason."""

    root: Path
    commit: str = ""
    paths: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    skipped_count: int = 0

    def leave_out(self, path: str, reason: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < 200:
            self.skipped.append((shown(path), reason))


def git_environment() -> dict[str, str]:
    """In which git reads no settings of anybody, asks for nothing, fetches nothing and writes nothing."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "none",
    }


def git(root: Path, *arguments: str, limit: int = 64 * 1024 * 1024) -> bytes | None:
    """The output of a read-only git command, or None when it fails, is missing, or takes longer than a minute."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program with fixed switches, no shell
            [*SAFE_GIT, *arguments],
            cwd=root,
            env=git_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout[:limit] if done.returncode == 0 else None


def _walk(root: Path, listing: Listing) -> list[str]:
    found: list[str] = []
    pending: list[tuple[str, tuple[tuple[str, pathspec.PathSpec[pathspec.Pattern]], ...]]] = [("", ())]
    while pending and len(found) < MAX_FILES:
        folder, rules = pending.pop()
        if folder.count("/") >= MAX_DEPTH:
            listing.leave_out(folder, "nested deeper than 64 folders")
            continue
        try:
            entries = sorted(os.scandir(root / folder), key=lambda e: e.name)
        except OSError as error:
            listing.leave_out(folder, f"cannot be listed ({error.strerror})")
            continue
        if any(e.name == ".gitignore" for e in entries):
            try:
                lines = (root / folder / ".gitignore").read_text("utf-8", "replace")[:100_000].splitlines()
                rules = (*rules, (folder, pathspec.PathSpec.from_lines("gitignore", lines)))
            except (OSError, ValueError):
                pass
        for entry in entries:
            relative = f"{folder}/{entry.name}" if folder else entry.name
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                continue
            if any(_ignored(spec, start, relative, is_folder=is_folder) for start, spec in rules):
                continue
            if is_folder:
                if entry.name in SKIPPED_FOLDERS:
                    if entry.name != ".git":
                        listing.leave_out(relative, "holds other people's or generated files")
                else:
                    pending.append((relative, rules))
            else:
                found.append(relative)
    return found


def _ignored(spec: pathspec.PathSpec[pathspec.Pattern], start: str, relative: str, *, is_folder: bool) -> bool:
    inside = relative[len(start) + 1 :] if start else relative
    return spec.match_file(inside + "/" if is_folder else inside)


def list_files(path: Path) -> Listing:
    """Every file below `path` that a review reads, in byte order. Raises ReviewImpossible for what is no folder."""
    root = path.resolve()
    if not root.is_dir():
        raise ReviewImpossible(
            f"cannot review {shown(str(path))}: it is not a folder", hint="name a repository's folder"
        )
    listing = Listing(root)
    names: list[str] = []
    if git(root, "rev-parse", "--is-inside-work-tree") == b"true\n":
        head = git(root, "rev-parse", "--verify", "--quiet", "HEAD")
        output = git(root, "ls-files", "-co", "--exclude-standard", "-z")
        if output:
            listing.commit = (head or b"").decode("ascii", "replace").strip()
            names = [os.fsdecode(name) for name in dict.fromkeys(output.split(b"\0")) if name]
    if not names:
        names = _walk(root, listing)
    if len(names) > MAX_FILES:
        listing.leave_out("…", f"{len(names) - MAX_FILES} files beyond the limit of {MAX_FILES}")
        names = sorted(names)[:MAX_FILES]
    vendored = frozenset(
        n.rpartition("/")[0] for n in names if n.endswith(("go.mod", "composer.json", "Gemfile")) and "/" in n
    )
    scripts = (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx")
    only_built = not any(n.endswith(scripts) and not generated(n) and "node_modules/" not in n for n in names)
    for name in sorted(names, key=os.fsencode):
        parts = tuple(name.split("/"))
        folder = skipped_folder(parts, vendored)
        if folder:
            listing.leave_out(name, f"inside {folder}/")
        elif generated(name) and not (only_built and name.endswith(".js") and not name.endswith(".min.js")):
            listing.leave_out(name, "built or bundled output")
        else:
            listing.paths.append(name)
    return listing


def read_regular(root: Path, relative: str, limit: int) -> bytes | str:
    """The bytes of a regular file, or the reason why it is not read. Never follows a link, never opens a device."""
    target = f"{root}/{relative}"
    try:
        facts = os.lstat(target)
        if stat.S_ISLNK(facts.st_mode):
            return "a symbolic link"
        if stat.S_ISDIR(facts.st_mode):
            return "a submodule or nested repository"
        if not stat.S_ISREG(facts.st_mode):
            return "not a regular file"
        if facts.st_size > limit:
            return f"larger than {limit // 1024} KiB"
        handle = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            return stream.read(limit + 1)[:limit]
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"


def valid_revision(name: str) -> bool:
    """A revision that git cannot take for an option."""
    return bool(re.fullmatch(r"[A-Za-z0-9_./@^~{}-]{1,200}", name)) and not name.startswith("-")
