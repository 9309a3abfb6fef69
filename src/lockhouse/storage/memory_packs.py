"""Packing in the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.records import StateRecord
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body, Version

_replace = msgspec.structs.replace


@dataclass
class PackMaps:
    """The maps that packing needs."""

    packing: dict[int, tuple[int, int]] = field(default_factory=dict)
    retired: dict[str, float] = field(default_factory=dict)
    versions: dict[tuple[int, int], Version] = field(default_factory=dict)
    trash: dict[tuple[int, int], Discarded] = field(default_factory=dict)
    states: dict[Address, StateRecord] = field(default_factory=dict)


class PackReads:
    """The part of `Reader` about packing."""

    _maps: PackMaps
    _with_bytes: Callable[[StateRecord, Version], Version]

    def kept(self, state: StateRecord, seq: int) -> Version | None:
        found = self._kept(state.id, seq)
        return self._with_base(state, self._with_bytes(state, found)) if found is not None else None

    def _kept(self, state_id: int, seq: int) -> Version | None:
        thrown = self._maps.trash.get((state_id, seq))
        return thrown.version if thrown is not None else self._maps.versions.get((state_id, seq))

    def _with_base(self, state: StateRecord, version: Version) -> Version:
        body = version.body
        if body is None or not body.base:
            return version
        base = self.kept(state, body.base)
        return version if base is None else _replace(version, body=_replace(body, under=base.body))

    def dependants(self, state_id: int, seq: int, limit: int = 1000) -> Sequence[int]:
        kept = self._maps.versions | {place: each.version for place, each in self._maps.trash.items()}
        return sorted(
            number
            for (owner, number), version in kept.items()
            if owner == state_id and version.body is not None and version.body.base == seq
        )[:limit]

    def kept_places(self, after: tuple[int, int] = (0, 0), limit: int = 1000) -> Sequence[tuple[Address, int, int]]:
        addresses = {state.id: address for address, state in self._maps.states.items()}
        places = sorted(place for place in [*self._maps.versions, *self._maps.trash] if place > after)
        return [(addresses[place[0]], *place) for place in places[:limit]]

    def packing_due(self, after: int = 0, span: int = 1000) -> tuple[Sequence[StateRecord], int]:
        states = sorted(self._maps.states.values(), key=lambda each: each.id)
        due = [
            each
            for each in states
            if after < each.id <= after + span
            and each.next_seq > 2
            and self._maps.packing.get(each.id) != (each.next_seq, each.versions)
        ]
        beyond = [each.id for each in states if each.id > after + span]
        return due, beyond[0] - 1 if beyond else 0


class PackWrites(PackReads):
    """The part of `Transaction` about packing."""

    def repack(self, state_id: int, seq: int, old: Body, new: Body, now: float) -> bool:
        place = (state_id, seq)
        version = self._kept(state_id, seq)
        if version is None or version.body is None or _place(version.body) != _place(old):
            return False
        if new.base and self._kept(state_id, new.base) is None:
            return False
        unchanged = not new.packed and not new.blob
        packed = version.body.packed if unchanged else new.packed
        version = _replace(version, body=_replace(new, packed=packed, under=None, key=version.body.key))
        if place in self._maps.trash:
            self._maps.trash[place] = _replace(self._maps.trash[place], version=version)
        else:
            self._maps.versions[place] = version
        if old.blob and old.blob != new.blob:
            self._maps.retired[old.blob] = now
        return True

    def settle_packing(self, state: StateRecord) -> None:
        self._maps.packing[state.id] = (state.next_seq, state.versions)

    def forget_retired(self, until: float, limit: int = 1000) -> int:
        due = sorted((at, blob) for blob, at in self._maps.retired.items() if at <= until)[:limit]
        for _, blob in due:
            del self._maps.retired[blob]
        return len(due)


def _place(body: Body) -> tuple[object, ...]:
    return (body.blob, body.base, body.judged, body.framed, body.sha256)
