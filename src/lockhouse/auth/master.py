"""The master key: 32 random bytes in `DIR/master.key`, mode 0600, from which every access key's secret is derived.

Whoever loses it loses every access key (not a single state); whoever copies it can sign as anybody. So it is made once,
durably, before anything depends on it, and a file that others may read is refused.
"""

from __future__ import annotations

import hmac
import os
import secrets
import shlex
import stat
from pathlib import Path

from lockhouse.durable import replace_durably
from lockhouse.errors import DataInvalid

MASTER_KEY_FILE = "master.key"
_SIZE = 32


def open_master_key(directory: Path, *, create: bool = True) -> bytes:
    """The key of this data directory, made if there is none and `create`. Errors: `data.invalid`."""
    path = directory / MASTER_KEY_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        if not create:
            raise DataInvalid(
                f"cannot open {path}: the master key is missing, and without it no access key works",
                hint="bring your copy of it back; where several servers share a database, name the file that all have: "
                "--master-key-file FILE; when it is lost: lockhouse admin reset-credentials --new-master-key",
            ) from None
        return _create(directory, path)
    except OSError as wrong:
        raise DataInvalid(
            f"cannot open {path}: {wrong.strerror}", hint="may the user that the server runs as read it?"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise DataInvalid(f"cannot use {path}: others may read it", hint=f"chmod 600 {shlex.quote(str(path))}")
        key = file.read(_SIZE + 1)
    if len(key) != _SIZE:
        raise DataInvalid(f"cannot use {path}: it must hold exactly {_SIZE} bytes", hint="restore it from a backup")
    return key


def read_master_key(path: Path) -> bytes:
    """The key in a file that somebody else looks after (a mounted secret, which may be a link). Errors:
    `data.invalid`."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o007:
                raise DataInvalid(
                    f"cannot use {path}: everybody may read it", hint=f"chmod o-rwx {shlex.quote(str(path))}"
                )
            key = file.read(_SIZE + 1)
    except OSError as wrong:
        raise DataInvalid(
            f"cannot open {path}: {wrong.strerror}",
            hint="name the right one: --master-key-file FILE",
        ) from None
    if len(key) != _SIZE:
        raise DataInvalid(
            f"cannot use {path}: it must hold exactly {_SIZE} bytes", hint=f"head -c {_SIZE} /dev/urandom > FILE"
        )
    return key


def fingerprint(key: bytes) -> bytes:
    """What tells two master keys apart and nothing of either."""
    return hmac.digest(key, b"lockhouse/v1/fingerprint", "sha256")


def _create(directory: Path, path: Path) -> bytes:
    key = secrets.token_bytes(_SIZE)
    try:
        replace_durably(path, key)
    except OSError as wrong:
        raise DataInvalid(
            f"cannot make a master key in {directory}: {wrong.strerror}",
            hint="name a directory that the server may write: --data DIR",
        ) from None
    return key
