"""Data keys of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from lockhouse.core.data_keys import DataKey, KeyRecord
from lockhouse.core.versions import Body

_replace = msgspec.structs.replace


@dataclass
class DataKeyMaps:
    """The maps that keys need."""

    data_keys: dict[bytes, DataKey] = field(default_factory=dict)
    key_records: dict[str, KeyRecord] = field(default_factory=dict)


class DataKeyReads:
    """The part of `Reader` about keys."""

    _maps: DataKeyMaps

    def data_keys(self, after: bytes = b"", limit: int = 1000) -> Sequence[DataKey]:
        return [self._maps.data_keys[each] for each in sorted(self._maps.data_keys) if each > after][:limit]

    def is_wrapping(self, kek: str) -> bool:
        return any(each.kek == kek for each in self._maps.data_keys.values())

    def key_records(self) -> Sequence[KeyRecord]:
        return sorted(self._maps.key_records.values(), key=lambda each: (each.at, each.id.encode()))

    def _opened(self, body: Body, place: bytes) -> Body:
        if body.key is None:
            return body
        kept = self._maps.data_keys.get(body.key.id)
        if kept is None:
            return _replace(body, packed=b"", key=DataKey(body.key.id, place=place))
        return _replace(body, key=_replace(kept, place=place))


class DataKeyWrites(DataKeyReads):
    """The part of `Transaction` about keys."""

    def rewrap(self, key: DataKey, old_kek: str) -> bool:
        kept = self._maps.data_keys.get(key.id)
        if kept is None or kept.kek != old_kek:
            return False
        self._maps.data_keys[key.id] = DataKey(key.id, key.kek, key.wrapped)
        return True

    def save_key_record(self, record: KeyRecord) -> None:
        self._maps.key_records[record.id] = record

    def delete_key_record(self, record_id: str) -> None:
        self._maps.key_records.pop(record_id, None)

    def _closed(self, body: Body) -> Body:
        """As it is kept: with its key apart."""
        key = body.key
        if key is None:
            return body
        if key.id in self._maps.data_keys:
            raise ValueError("a data key belongs to one reference")
        self._maps.data_keys[key.id] = DataKey(key.id, key.kek, key.wrapped)
        return _replace(body, key=DataKey(key.id))

    def _destroy_key(self, body: Body | None) -> None:
        if body is not None and body.key is not None:
            self._maps.data_keys.pop(body.key.id, None)
