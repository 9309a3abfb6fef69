"""Power loss: an ext4 file system in a file, shut down without flushing its log.

All writers are stopped first, so that nothing is acknowledged during the cut; then the FS_IOC_SHUTDOWN call with
NOLOGFLUSH throws away every page and log entry that was not synced, as a power cut does; then unmount, mount, check.
Source: Linux `fs/ext4/ioctl.c`, EXT4_IOC_SHUTDOWN. Needs root and loop devices.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_SIZE = 192 * 1024 * 1024


class FileSystem:
    """A mounted ext4 file system that can lose its power."""

    def __init__(self, home: Path, size: int = _SIZE) -> None:
        self._size = size
        self._image = home / "disk.img"
        self.root = home / "disk"

    def __enter__(self) -> Self:
        self.root.mkdir()
        with self._image.open("wb") as image:
            image.truncate(self._size)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.path.ismount(self.root):
            # Lazily: after a failed test somebody may still have a file open, and that failure is the one to show.
            _run("umount", "-l", str(self.root))
        self._image.unlink()

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.root))

    def cut(self, writer: int) -> None:
        """Stop the writer, then lose what is not on the disk."""
        os.kill(writer, signal.SIGSTOP)
        _, status = os.waitpid(writer, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "the writer ended by itself"
        handle = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def restart(self) -> None:
        _run("umount", str(self.root))
        self.mount()


def impossible(home: Path) -> str:
    """Why power loss cannot be tried on this machine; empty: it can."""
    if os.uname().sysname != "Linux":
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root to mount a loop device"
    if shutil.which("mkfs.ext4", path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin") is None:
        return "it needs mkfs.ext4 (e2fsprogs)"
    trial = home / "trial"
    trial.mkdir()
    try:
        with FileSystem(trial):
            return ""
    except (OSError, subprocess.SubprocessError) as error:
        return f"a loop device cannot be mounted ({error})"


def _run(*command: str) -> None:
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/sbin:/usr/sbin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    if done.returncode:
        raise subprocess.SubprocessError(f"{' '.join(command)}: {done.stderr.strip()}")
