"""A directory as the source of an import: an exported tree with its whole history, or files as they lie there.

An exported tree has `index.jsonl` (docs/guide/break-glass.md). In any other directory each file that ends in `.tfstate`
is one state with one version, its path below the directory the key, its date the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lockhouse.clients.imports.source import Fetched, HeldLock, SourceKey, SourceVersion
from lockhouse.errors import RequestInvalid
from lockhouse.storage.carry.tree import INDEX, LOCKS, ExportedLock, ExportedVersion

_PIECE = 1024 * 1024
_SKIPPED = frozenset({".terraform", ".git"})
_SUFFIX = ".tfstate"


class DirectorySource:
    """Files as they lie there."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root

    def keys(self) -> Iterator[SourceKey]:
        found = sorted(
            (path.relative_to(self._root).as_posix(), path)
            for path in self._root.rglob(f"*{_SUFFIX}")
            if path.is_file() and not _SKIPPED.intersection(path.relative_to(self._root).parts)
        )
        for key, path in found:
            sha256 = _digest(path)
            yield SourceKey(
                "", key, (SourceVersion(f"file {sha256}", path.stat().st_mtime, path.stat().st_size, sha256=sha256),)
            )

    @contextmanager
    def fetch(self, key: SourceKey, version: SourceVersion) -> Iterator[Fetched]:
        del version
        with (self._root / key.key).open("rb") as file:
            yield Fetched(iter(lambda: file.read(_PIECE), b""), content_type="application/json")

    def held_locks(self) -> list[HeldLock]:
        return []


class TreeSource:
    """An exported tree."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root
        self._files: dict[tuple[str, str, str], ExportedVersion] = {}

    def keys(self) -> Iterator[SourceKey]:
        """The index has the versions of a key side by side, oldest first."""
        decode = msgspec.json.Decoder(ExportedVersion).decode
        waiting: list[ExportedVersion] = []
        try:
            with (self._root / INDEX).open("rb") as file:
                for line in file:
                    row = decode(line)
                    if waiting and (row.namespace, row.key) != (waiting[0].namespace, waiting[0].key):
                        yield self._key(waiting)
                        waiting = []
                    waiting.append(row)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise RequestInvalid(
                f"cannot read {self._root / INDEX}: {wrong}", hint="name the directory that lockhouse export wrote"
            ) from None
        if waiting:
            yield self._key(waiting)

    @contextmanager
    def fetch(self, key: SourceKey, version: SourceVersion) -> Iterator[Fetched]:
        row = self._files[key.namespace, key.key, version.id]
        path = (self._root / row.file).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise RequestInvalid(
                f"cannot read {row.file}: it is not in {self._root}",
                hint="copy the whole directory that lockhouse export wrote",
            )
        with path.open("rb") as file:
            yield Fetched(iter(lambda: file.read(_PIECE), b""), row.md5, row.content_type)

    def held_locks(self) -> list[HeldLock]:
        try:
            raw = (self._root / LOCKS).read_bytes()
        except FileNotFoundError:
            return []
        locks = msgspec.json.decode(raw, type=list[ExportedLock])
        return [HeldLock(f"{each.namespace}/{each.key}", each.id, each.who, each.operation, "", "") for each in locks]

    def _key(self, rows: list[ExportedVersion]) -> SourceKey:
        versions = []
        for row in rows:
            version = SourceVersion(
                f"{row.version} {row.sha256 or 'deleted'}",
                row.at,
                row.size,
                row.md5,
                row.sha256,
                row.deleted,
                row.content_type,
            )
            self._files[row.namespace, row.key, version.id] = row
            versions.append(version)
        return SourceKey(rows[0].namespace, rows[0].key, tuple(versions))


def directory_source(path: Path) -> DirectorySource | TreeSource:
    """The directory as a source. Errors: `request.invalid` when there is none."""
    if not path.is_dir():
        raise RequestInvalid(
            f"cannot read {path}: it is not a directory",
            hint="lockhouse import s3://BUCKET, or name the directory that lockhouse export wrote",
        )
    return TreeSource(path) if (path / INDEX).is_file() else DirectorySource(path)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
