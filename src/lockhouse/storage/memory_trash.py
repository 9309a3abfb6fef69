"""The trash of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body, Version
from lockhouse.storage.memory_packs import PackMaps, PackReads, PackWrites


@dataclass
class TrashMaps(PackMaps):
    """The maps that the trash needs."""

    trash: dict[tuple[int, int], Discarded] = field(default_factory=dict)
    versions: dict[tuple[int, int], Version] = field(default_factory=dict)


class TrashReads(PackReads):
    """The part of `Reader` about the trash."""

    _maps: TrashMaps

    def discarded(self, state_id: int, seq: int) -> Discarded | None:
        found = self._maps.trash.get((state_id, seq))
        return _without_bytes(found) if found is not None else None

    def trash(self, state_id: int, before: int = 0, limit: int = 1000) -> Sequence[Discarded]:
        found = [
            _without_bytes(each)
            for (owner, seq), each in self._maps.trash.items()
            if owner == state_id and (seq < before or before <= 0)
        ]
        return sorted(found, key=lambda each: -each.version.seq)[:limit]

    def trash_due(self, until: float, limit: int = 1000) -> Sequence[tuple[int, int]]:
        found = [
            (each.at, *place)
            for place, each in self._maps.trash.items()
            if each.at <= until and not self.dependants(*place)
        ]
        return [(state_id, seq) for _, state_id, seq in sorted(found)[:limit]]


class TrashWrites(TrashReads, PackWrites):
    """The part of `Transaction` about the trash."""

    _destroy_key: Callable[[Body | None], None]

    def discard_version(self, state_id: int, discarded: Discarded) -> None:
        place = (state_id, discarded.version.seq)
        kept = self._maps.versions.pop(place, None)
        if kept is None:
            raise ValueError(f"version {place[1]} of state {state_id} is not there")
        self._maps.trash[place] = msgspec.structs.replace(discarded, version=kept)

    def recover_version(self, state_id: int, seq: int) -> None:
        found = self._maps.trash.pop((state_id, seq), None)
        if found is None:
            raise ValueError(f"version {seq} of state {state_id} is not in the trash")
        self._maps.versions[state_id, seq] = found.version

    def purge_version(self, state_id: int, seq: int) -> None:
        found = self._maps.trash.pop((state_id, seq), None)
        self._destroy_key(found.version.body if found is not None else None)


def _without_bytes(found: Discarded) -> Discarded:
    body = found.version.body
    if body is None or not body.packed:
        return found
    version = msgspec.structs.replace(found.version, body=msgspec.structs.replace(body, packed=b""))
    return msgspec.structs.replace(found, version=version)
