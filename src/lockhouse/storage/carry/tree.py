"""The exported tree: plain files that a bare S3 client can push, and that `lockhouse import` takes back whole.

    TREE/README.md                     what this is, and how to point Terraform at it
    TREE/current/NAMESPACE/KEY         the newest bytes of every key that is not deleted
    TREE/history/NAMESPACE/KEY/N-ID    every version, in order, where the history was asked for
    TREE/odd/N                         bytes whose key cannot be a path (`a//b`, `../c`, a key below another key)
    TREE/index.jsonl                   one line for each version that was exported (`ExportedVersion`)
    TREE/locks.json                    locks that were held (`ExportedLock`)

Nothing here knows whether versions come from a server, a data directory or a backup.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from lockhouse.errors import FROM_A_BACKUP, StorageUnavailable
from lockhouse.storage.carry.archive import private
from lockhouse.storage.carry.readme import README

INDEX = "index.jsonl"
LOCKS = "locks.json"
_MAX_NAME = 200
_MAX_PATH = 1500


class ExportedVersion(msgspec.Struct, frozen=True):
    """One line of the index. The versions of a key stand side by side, oldest first."""

    namespace: str
    key: str
    version: str
    """The id that clients saw."""
    number: int
    at: float
    """Seconds since 1970."""
    deleted: bool
    current: bool
    size: int
    md5: str
    sha256: str
    serial: int | None
    lineage: str
    content_type: str
    by: str
    file: str = ""
    """Below the tree; empty for a delete marker."""


class ExportedLock(msgspec.Struct, frozen=True):
    namespace: str
    key: str
    id: str
    who: str
    operation: str
    since: str


class ExportedKey(msgspec.Struct, frozen=True):
    """A key and its versions to export, oldest first (without `file`)."""

    namespace: str
    key: str
    versions: tuple[ExportedVersion, ...]


class Withheld(Exception):
    """The source does not give this version out. From `fetch` to `write_tree`, which goes on with the others."""


class Exported(msgspec.Struct):
    """What was written."""

    namespaces: int = 0
    keys: int = 0
    versions: int = 0
    bytes: int = 0
    odd: int = 0
    """Files whose keys cannot be paths."""
    withheld: list[str] = []
    """NAMESPACE/KEY of the keys of which a version was not given out, and is not there."""


Fetch = Callable[[ExportedVersion], AbstractContextManager[Iterator[bytes]]]


def write_tree(
    root: Path,
    keys: Iterable[ExportedKey],
    fetch: Fetch,
    locks: Iterable[ExportedLock],
    *,
    source: str,
    progress: Callable[[Exported], object] = bool,
) -> Exported:
    """Write the tree into an empty directory. Every body is compared with its digest. What is withheld is left out.

    Errors: `storage.unavailable` (a body is damaged), those of `fetch`; OSError."""
    done = Exported()
    namespaces: set[str] = set()
    with open(root / INDEX, "xb", opener=private) as index:
        for key in keys:
            namespaces.add(key.namespace)
            done.keys += 1
            for version in key.versions:
                try:
                    file = "" if version.deleted else _write(root, version, fetch, done)
                except Withheld:
                    name = f"{key.namespace}/{key.key}"
                    if done.withheld[-1:] != [name]:
                        done.withheld.append(name)
                    continue
                row = msgspec.structs.replace(version, file=file)
                index.write(msgspec.json.encode(row) + b"\n")
                done.versions += 1
                progress(done)
    done.namespaces = len(namespaces)
    _put(root / LOCKS, msgspec.json.format(msgspec.json.encode(list(locks))) + b"\n")
    _put(root / "README.md", README.format(source=source, namespaces=_listed(namespaces)).encode())
    return done


def _write(root: Path, version: ExportedVersion, fetch: Fetch, done: Exported) -> str:
    history = Path("history", version.namespace, version.key, f"{version.number:08d}-{version.version}")
    current = Path("current", version.namespace, version.key)
    place = current if version.current else history
    if not _is_plain(version.key) or not _make_room(root, place):
        done.odd += 1
        place = Path("odd", f"{done.odd:06d}")
        (root / "odd").mkdir(mode=0o700, exist_ok=True)
    digest = hashlib.sha256()
    with fetch(version) as pieces, open(root / place, "xb", opener=private) as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
            done.bytes += len(piece)
    if version.sha256 and digest.hexdigest() != version.sha256:
        raise StorageUnavailable(
            f"cannot export {version.namespace}/{version.key} version {version.version}: its bytes are damaged",
            hint=FROM_A_BACKUP,
        )
    return place.as_posix()


def _is_plain(key: str) -> bool:
    """Whether the key is a path on every file system, and the same key again when it is read as one."""
    parts = key.split("/")
    return (
        all(part not in ("", ".", "..") and len(part.encode()) <= _MAX_NAME for part in parts)
        and len(key.encode()) <= _MAX_PATH
        and key.isprintable()
        and not any(letter in key for letter in '\\:*?"<>|')
    )


def _make_room(root: Path, place: Path) -> bool:
    """The directories of the place; False when one of them is a file already, or the place a directory."""
    try:
        for parent in reversed((root / place).relative_to(root).parents[:-1]):
            (root / parent).mkdir(mode=0o700, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return False
    return not (root / place).exists()


def _put(path: Path, raw: bytes) -> None:
    with open(path, "xb", opener=private) as file:
        file.write(raw)


def _listed(names: Iterable[str]) -> str:
    return "".join(f"- `{name}`\n" for name in sorted(names))
