"""A directory that appears when it is whole: a backup, a data directory from one, an export.

It is built beside its place as `.NAME.incomplete-…` and then renamed. Who builds holds a lock on a file in it, from the
beginning until after the rename. So what a process that was killed has left there is told from what another one builds,
and whoever builds next in the same directory removes it. Not every network file system knows the locks of other
machines: what was begun on another one, or before this one was started, is left alone for a week.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from lockhouse.durable import sync_directory
from lockhouse.errors import RequestInvalid, StorageFull, StorageUnavailable

LOCK = ".lockhouse-unfinished"
"""Locked by who builds; in it, once it is locked, the machine."""
ELSEWHERE_SECONDS = 7 * 86400.0
_TRIES = 100
_WORK = re.compile(r"\..+\.incomplete-[0-9a-f]{8}", re.DOTALL)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_log = logging.getLogger("lockhouse.backup")


@contextmanager
def built(target: Path) -> Iterator[Path]:
    """A directory beside the target that becomes the target when the block ends well, and goes when it does not.

    Errors: `request.invalid` (the target exists and is not empty), `storage.full`, `storage.unavailable`."""
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link to somewhere else
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RequestInvalid(f"cannot write to {target}: it exists already", hint="name a new directory")
    work = target.with_name(f".{target.name}.incomplete-{secrets.token_hex(4)}")
    lock = -1
    try:
        remove_unfinished(target.parent)
        lock = _begun(work)
        yield work
        _sync_directories(work)
        work.rename(target)
        sync_directory(target.parent)
        (target / LOCK).unlink()
    except BaseException as error:
        _remove(work)
        if isinstance(error, OSError | apsw.Error):
            raise _explained(target, error) from error
        raise
    finally:
        if lock >= 0:
            os.close(lock)


def remove_unfinished(directory: Path) -> None:
    """Remove what is left in it of what no process builds any more. Never raises: what cannot be removed stays."""
    with contextlib.suppress(OSError):
        for work in [each for each in directory.iterdir() if _WORK.fullmatch(each.name)]:
            with contextlib.suppress(OSError):
                _remove_if_over(work)


def _begun(work: Path) -> int:
    """Make the directory; answers its lock file. Whoever finds it still empty takes it for left behind."""
    for _ in range(_TRIES):
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return _locked(work / LOCK)
    raise FileNotFoundError(errno.ENOENT, "somebody removes it again and again", str(work))


def _locked(path: Path) -> int:
    """A new lock file, open. It names the machine when it is locked: before that nobody takes it for left behind."""
    lock = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):  # where there are no locks it is built all the same, and never removed by others
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, _machine())
    return lock


def _remove_if_over(work: Path) -> None:
    if work.is_symlink():
        return
    with contextlib.suppress(OSError):
        work.rmdir()  # empty: it was not even begun, or all but removed
        return
    lock = os.open(work / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(lock)
        here = os.pread(lock, 200, 0) == _machine()
        # No link to it is left when it was finished just now.
        if found.st_nlink and (here or time.time() - found.st_mtime > ELSEWHERE_SECONDS):
            _remove(work)
            _log.info("Removed what was left of an interrupted copy path=%s", work)
    finally:
        os.close(lock)


def _remove(work: Path) -> None:
    """All of it, the lock file last: a removal that is interrupted can be gone on with."""
    with contextlib.suppress(OSError):
        for each in [path for path in work.iterdir() if path.name != LOCK]:
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink()
        if [path.name for path in work.iterdir()] == [LOCK]:
            (work / LOCK).unlink()
        work.rmdir()


def _machine() -> bytes:
    """The machine since it was started: so far the locks of any file system are known."""
    try:
        return _BOOT.read_bytes().strip()
    except OSError:
        return os.uname().nodename.encode()


def _explained(target: Path, error: OSError | apsw.Error) -> StorageFull | StorageUnavailable:
    if isinstance(error, apsw.FullError) or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(
            f"cannot write {target}: the disk is full; nothing was kept",
            hint="make room, or name a directory on another disk",
        )
    return StorageUnavailable(f"cannot write {target}: {error}", hint="may this user write there?")


def _sync_directories(work: Path) -> None:
    for each in [path for path in work.rglob("*") if path.is_dir()]:
        sync_directory(each)
    sync_directory(work)
