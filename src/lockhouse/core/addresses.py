"""Addresses: (namespace, key), compared byte for byte and never joined by a separator to make an id.

A namespace is a bucket, an organization or a first path segment. A key is any non-empty UTF-8 string of up to 1,024
bytes (the limit of S3 object keys); dots, slashes, `env:/`, case and leading or double slashes are all significant.
"""

from __future__ import annotations

import re
import shlex
from functools import lru_cache
from typing import NamedTuple

from lockhouse.errors import NamespaceInvalid, RequestInvalid

LOCKFILE_SUFFIX = ".tflock"
STATE_SUFFIX = ".tfstate"
DIGEST_SUFFIX = "-md5"
MAX_KEY_BYTES = 1024
LAST = "\U0010ffff"
"""Behind a text: what comes after all that begin with it."""
_MAX_KEPT = 1200
"""Characters of the longest LockID whose address is kept."""
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_ADDRESS_LIKE = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


class Address(NamedTuple):
    """Where a state (or plain object) lives."""

    namespace: str
    key: str

    @property
    def lock_id(self) -> str:
        """The DynamoDB LockID and the `Path` of lock documents: only for display and that wire, never an identity."""
        return f"{self.namespace}/{self.key}"

    @property
    def words(self) -> str:
        """The arguments of a command about it, for hints: they can be pasted into a shell whatever the key is."""
        if self.key.startswith("-"):  # as one word it cannot be taken for an option
            return shell_word(self.lock_id)
        return f"{shell_word(self.namespace)} {shell_word(self.key)}"


def shell_word(text: str) -> str:
    """It as one word of a command, on one line and without what a terminal obeys, for POSIX shells (`$'…'` for what
    cannot be printed)."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = (
        letter.replace("\\", "\\\\").replace("'", "\\'")
        if letter.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
        for letter in text
    )
    return f"$'{''.join(escaped)}'"


@lru_cache(maxsize=4096)
def check_namespace(name: str) -> str:
    """The name itself, or NamespaceInvalid (`namespace.invalid`).

    Source: S3 "General purpose bucket naming rules"; `_` and capitals are also accepted (DESIGN: other protocols).
    """
    if not is_namespace_name(name):
        raise NamespaceInvalid(
            f"cannot use {name!r} as a namespace: 3 to 63 letters, digits, '-', '.' or '_', starting and ending with "
            "a letter or digit",
            hint="lockhouse namespace create NAME",
        )
    return name


def is_namespace_name(name: str) -> bool:
    return _NAMESPACE.fullmatch(name) is not None and ".." not in name and not _ADDRESS_LIKE.fullmatch(name)


def behind(key: str, prefix: str, delimiter: str) -> str:
    """After which text to go on to leave the *common prefix* of a key behind: all up to the first `delimiter` that
    follows the prefix. Of a key without one: the key."""
    cut = key.find(delimiter, len(prefix))
    return key if cut < 0 else key[: cut + len(delimiter)] + LAST


def check_key(key: str) -> str:
    """The key itself, or RequestInvalid (`request.invalid`, argument `key`) if it is empty, too long or not UTF-8."""
    try:
        size = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError:
        raise RequestInvalid(
            "cannot use this key: it is not UTF-8", hint="encode it in UTF-8 and then in percents", argument="key"
        ) from None
    if size == 0:
        raise RequestInvalid("cannot use an empty key", hint="name the state: NAMESPACE/KEY", argument="key")
    if size > MAX_KEY_BYTES:
        raise RequestInvalid(
            f"cannot use a key of {size} bytes: at most {MAX_KEY_BYTES}",
            hint="choose a shorter key",
            argument="key_too_long",
            size=size,
        )
    return key


def parse_lock_id(lock_id: str) -> Address | None:
    """The address that `bucket/key` names, or None when the text before the first slash cannot be a namespace."""
    return _parse(lock_id) if len(lock_id) <= _MAX_KEPT else _parse.__wrapped__(lock_id)


@lru_cache(maxsize=4096)
def _parse(lock_id: str) -> Address | None:
    namespace, slash, key = lock_id.partition("/")
    if not slash or not key or not _NAMESPACE.fullmatch(namespace):
        return None
    return Address(namespace, key)


def lockfile_target(key: str) -> str | None:
    """The key whose lock the S3 object `key` shows (`KEY.tflock` → `KEY`), or None for every other object."""
    if key.endswith(LOCKFILE_SUFFIX) and len(key) > len(LOCKFILE_SUFFIX):
        return key[: -len(LOCKFILE_SUFFIX)]
    return None


def is_state_key(key: str) -> bool:
    """Whether the name alone makes this a state, whatever its body is (PROMISES: "a state is …")."""
    return key.endswith(STATE_SUFFIX)
