"""Wrapped data keys and the records of key-encryption keys, in SQL. Specification: `core.ports`, `core.data_keys`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.data_keys import DataKey, KeyRecord
from lockhouse.core.versions import Body
from lockhouse.storage.sql.records import Row, encode

ADD_KEY = "INSERT INTO data_keys (id, kek, wrapped) VALUES (?, ?, ?)"
_record = msgspec.msgpack.Decoder(KeyRecord).decode


class DataKeyReads:
    """The part of `Reader` about keys."""

    _fetch: Callable[..., list[Row]]

    def data_keys(self, after: bytes = b"", limit: int = 1000) -> Sequence[DataKey]:
        rows = self._fetch("SELECT id, kek, wrapped FROM data_keys WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [DataKey(*row) for row in rows]

    def is_wrapping(self, kek: str) -> bool:
        return bool(self._fetch("SELECT 1 FROM data_keys WHERE kek = ? LIMIT 1", (kek,)))

    def key_records(self) -> Sequence[KeyRecord]:
        return [_record(row[0]) for row in self._fetch("SELECT record FROM key_records ORDER BY at, id")]

    def _wrapped(self, key_id: bytes) -> tuple[str, bytes]:
        """(id of the wrapping key, wrapped key); empty when the key is gone."""
        rows = self._fetch("SELECT kek, wrapped FROM data_keys WHERE id = ?", (key_id,))
        return (rows[0][0], rows[0][1]) if rows else ("", b"")


class DataKeyWrites(DataKeyReads):
    """The part of `Transaction` about keys."""

    _grow: Callable[[str, Row], int]
    _change: Callable[[str, Row], int]

    def rewrap(self, key: DataKey, old_kek: str) -> bool:
        return bool(
            self._change(
                "UPDATE data_keys SET kek = ?, wrapped = ? WHERE id = ? AND kek = ?",
                (key.kek, key.wrapped, key.id, old_kek),
            )
        )

    def save_key_record(self, record: KeyRecord) -> None:
        self._grow(
            "INSERT INTO key_records (id, at, record) VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET at = excluded.at, record = excluded.record",
            (record.id, record.at, encode(record)),
        )

    def delete_key_record(self, record_id: str) -> None:
        self._change("DELETE FROM key_records WHERE id = ?", (record_id,))

    def _with_owner(self, sql: str, parameters: Row) -> None:
        """A change of a key that belongs to a row which the same command changes."""
        self._change(sql, parameters)

    def _keep_key(self, body: Body | None) -> None:
        """With the row that refers to the body."""
        if body is not None and body.key is not None:
            key = body.key
            self._with_owner(ADD_KEY, (key.id, key.kek, key.wrapped))

    def _destroy_key(self, body: Body | None) -> None:
        if body is not None and body.key is not None:
            self._with_owner("DELETE FROM data_keys WHERE id = ?", (body.key.id,))
