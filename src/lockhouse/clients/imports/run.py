"""Running an import: every version of every key, in order, and never twice.

Of each key the server is asked which version it has last. When that one was imported, the import goes on after it; when
the server has versions of its own there, the key is left alone and told as a conflict. The bytes of a version are read
whole and compared with the source's digest before they are sent, and the server's digest is compared afterwards. What
fails with one key does not keep the others from coming. Keys are handled side by side, the versions of one in order.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import msgspec

from lockhouse.clients.client import Client
from lockhouse.clients.imports.source import HeldLock, Source, SourceKey, SourceVersion
from lockhouse.errors import Problem, Refusal
from lockhouse.protocols.api import wire

_WORKERS = 8
_BATCH = 64
_IN_MEMORY = 8 * 1024 * 1024
_PIECE = 256 * 1024
_PAGE = 1000
MAX_NAMED = 1000
"""Conflicts and failures that are named; the rest is counted."""


class Trouble(msgspec.Struct, frozen=True):
    """One key that did not come, or not whole."""

    namespace: str
    key: str
    reason: str


class Summary(msgspec.Struct):
    """What an import did. A version is one of `imported` or `present` or belongs to a key in trouble."""

    source: str
    dry_run: bool
    keys: int = 0
    versions: int = 0
    delete_markers: int = 0
    """Among the versions."""
    bytes: int = 0
    imported: int = 0
    """With `dry_run`: that would be imported."""
    present: int = 0
    """Had come before."""
    verified_by_source: int = 0
    """Compared with a digest that the source has; all others with one of our own on the way."""
    conflicts: list[Trouble] = []
    failed: list[Trouble] = []
    more_trouble: int = 0
    held_locks: list[HeldLock] = []
    """They are held at the source; nothing is held here because of it."""


class Damaged(Exception):
    """The bytes are not those that the source says."""


def run(
    client: Client,
    source: Source,
    *,
    namespace: str = "",
    dry_run: bool = False,
    progress: Callable[[Summary], object] = bool,
) -> Summary:
    """Import everything. `namespace`: where to, instead of what the source says. Missing namespaces are made.

    Errors: those of the source's listing and of the server as a whole; what concerns one key is in the summary."""
    return _Import(client, source, namespace, dry_run=dry_run, progress=progress).run()


class _Import:
    def __init__(
        self, client: Client, source: Source, namespace: str, *, dry_run: bool, progress: Callable[[Summary], object]
    ) -> None:
        self._client = client
        self._source = source
        self._namespace = namespace
        self._progress = progress
        self._summary = Summary(source.name, dry_run)
        self._noting = threading.Lock()
        self._there = {each.name for each in client.namespaces()}

    def run(self) -> Summary:
        keys = self._source.keys()
        with ThreadPoolExecutor(_WORKERS, "lockhouse-import") as pool:
            while batch := list(itertools.islice(keys, _BATCH)):
                for key in batch:
                    self._make_namespace(self._target(key))
                list(pool.map(self._import_key, batch))
        self._summary.held_locks = self._source.held_locks()
        return self._summary

    def _target(self, key: SourceKey) -> str:
        return self._namespace or key.namespace

    def _make_namespace(self, name: str) -> None:
        if name in self._there:
            return
        if not self._summary.dry_run:
            self._client.create_namespace(name)
            self._there.add(name)

    def _import_key(self, key: SourceKey) -> None:
        summary = self._summary
        with self._noting:
            summary.keys += 1
            summary.versions += len(key.versions)
            summary.delete_markers += sum(each.deleted for each in key.versions)
            summary.bytes += sum(each.size for each in key.versions)
        try:
            after, missing = self._missing(key)
            with self._noting:
                summary.present += len(key.versions) - len(missing)
            for version in missing:
                if not summary.dry_run:
                    after = self._import_version(key, version, after)
                with self._noting:
                    summary.imported += 1
                    self._progress(summary)
        except (Problem, Refusal) as problem:
            conflict = problem.code in ("condition.failed", "write.locked")
            self._blame(summary.conflicts if conflict else summary.failed, key, problem.message)
        except (Damaged, OSError) as problem:
            self._blame(summary.failed, key, str(problem))
        with self._noting:
            self._progress(summary)

    def _blame(self, troubles: list[Trouble], key: SourceKey, reason: str) -> None:
        with self._noting:
            if len(troubles) < MAX_NAMED:
                troubles.append(Trouble(self._target(key), key.key, reason))
            else:
                self._summary.more_trouble += 1

    def _missing(self, key: SourceKey) -> tuple[str, list[SourceVersion]]:
        """(the version here that the first missing one follows, those that are missing)."""
        namespace = self._target(key)
        if namespace not in self._there:
            return "", list(key.versions)
        try:
            newest = self._client.versions(namespace, key.key, 1)
        except Refusal as refusal:
            if refusal.code == "state.not_found":
                return "", list(key.versions)
            raise
        if not newest:
            return "", list(key.versions)
        places = {version.id: place for place, version in enumerate(key.versions)}
        if newest[0].mark == "imported" and newest[0].source in places:
            return newest[0].id, list(key.versions[places[newest[0].source] + 1 :])
        if self._has_last(namespace, key):
            return newest[0].id, []
        raise Refusal(
            "condition.failed",
            "the destination has versions of its own there"
            if newest[0].mark != "imported"
            else "the destination has versions of another source there",
            "",
        )

    def _has_last(self, namespace: str, key: SourceKey) -> bool:
        """Whether all had come before the state was used here."""
        last = key.versions[-1].id
        found = self._client.versions(namespace, key.key, 2**31)
        return any(each.mark == "imported" and each.source == last for each in found)

    def _import_version(self, key: SourceKey, version: SourceVersion, after: str) -> str:
        namespace = self._target(key)
        about = wire.ImportAsk(
            key=key.key,
            at=version.at,
            source=version.id,
            place=f"{self._source.name} {key.key}",
            after=after,
            deleted=version.deleted,
        )
        if version.deleted:
            return self._client.import_version(namespace, about, ()).version.id
        with (
            self._source.fetch(key, version) as fetched,
            tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept,
        ):
            sha256, checked = _keep(fetched.pieces, kept, fetched.md5, version)
            about = msgspec.structs.replace(
                about,
                content_type=fetched.content_type or version.content_type,
                metadata=fetched.metadata,
            )
            made = self._client.import_version(namespace, about, _pieces(kept))
        if made.version.sha256 != sha256:
            raise Damaged(f"version {version.id}: the server stored other bytes than were sent")
        with self._noting:
            self._summary.verified_by_source += checked
        return made.version.id


def _keep(pieces: Iterator[bytes], kept: IO[bytes], md5: str, version: SourceVersion) -> tuple[str, bool]:
    """(SHA-256 in hex, whether the source's own digest was compared). Damaged: the bytes are not what it says."""
    own, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    for piece in pieces:
        own.update(piece)
        sha256.update(piece)
        size += len(piece)
        kept.write(piece)
    if size != version.size:
        raise Damaged(f"version {version.id}: {size} bytes came instead of {version.size}")
    for said, found in ((md5, own.hexdigest()), (version.sha256, sha256.hexdigest())):
        if said and said != found:
            raise Damaged(f"version {version.id}: its bytes are not those of its digest")
    return sha256.hexdigest(), bool(md5 or version.sha256)


def _pieces(kept: IO[bytes]) -> Iterator[bytes]:
    kept.seek(0)
    while piece := kept.read(_PIECE):
        yield piece
