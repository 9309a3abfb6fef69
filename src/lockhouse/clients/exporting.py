"""Exporting from a server that runs, through its API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from lockhouse.clients.client import Client
from lockhouse.errors import EncryptionKeyInvalid, Refusal
from lockhouse.protocols.api import wire
from lockhouse.storage.carry.tree import ExportedKey, ExportedLock, ExportedVersion, Withheld


class ServerExport:
    """What the caller may read of a server, as `tree.write_tree` takes it."""

    def __init__(self, client: Client, *, namespace: str = "", history: bool = False) -> None:
        """`namespace`: only this one. `history`: every version, not only the newest."""
        self._client = client
        self._namespace = namespace
        self._history = history

    def keys(self) -> Iterator[ExportedKey]:
        names = [self._namespace] if self._namespace else [each.name for each in self._client.namespaces()]
        for namespace in names:
            for line in self._client.objects(namespace):
                if line.current is None or (line.current.deleted and not self._history):
                    continue
                versions = self._client.versions(namespace, line.key, 2**31)[::-1] if self._history else [line.current]
                yield ExportedKey(namespace, line.key, tuple(_line(namespace, line.key, each) for each in versions))

    @contextmanager
    def fetch(self, version: ExportedVersion) -> Iterator[Iterator[bytes]]:
        with ExitStack() as opened:
            try:
                _, pieces = opened.enter_context(self._client.download(version.namespace, version.key, version.version))
            except Refusal as refused:
                if refused.code != EncryptionKeyInvalid.code:
                    raise
                raise Withheld from None  # stored with a customer's key, and not shared
            yield pieces

    def locks(self) -> list[ExportedLock]:
        return [
            ExportedLock(each.namespace, each.key, each.id, each.who or each.name, each.operation, each.since)
            for each in self._client.locks(self._namespace)
        ]


def _line(namespace: str, key: str, version: wire.VersionDocument) -> ExportedVersion:
    return ExportedVersion(
        namespace=namespace,
        key=key,
        version=version.id,
        number=version.number,
        at=datetime.fromisoformat(version.created_at).timestamp(),
        deleted=version.deleted,
        current=version.current,
        size=version.size,
        md5=version.md5,
        sha256=version.sha256,
        serial=version.serial,
        lineage=version.lineage,
        content_type=version.content_type,
        by=version.by,
    )
