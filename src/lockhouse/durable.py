"""Files that outlive a power cut: asked of the device, and a private file that is replaced whole or not at all."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path


def sync_file(file: int) -> None:
    """Until the device has it. On macOS fsync alone does not ask the device."""
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - only there

        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fsync(file)


def sync_directory(path: Path) -> None:
    """Until the entries of the directory are durable."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def replace_durably(path: Path, content: bytes) -> None:
    """Write a private file (mode 0600) whole or not at all, and make it outlive a power cut."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            sync_file(descriptor)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
