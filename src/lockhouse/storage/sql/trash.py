"""The trash in SQL. Specification: `core.trash`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body, Version
from lockhouse.storage.sql.packs import PackReads, PackWrites
from lockhouse.storage.sql.records import Row, bare, decode_discarded, encode, place_of, version_record

_FOREVER = 2**62


class TrashReads(PackReads):
    """The part of `Reader` about the trash."""

    _fetch: Callable[..., list[Row]]

    def discarded(self, state_id: int, seq: int) -> Discarded | None:
        rows = self._fetch("SELECT record FROM trash WHERE state_id = ? AND seq = ?", (state_id, seq))
        return decode_discarded(rows[0][0]) if rows else None

    def trash(self, state_id: int, before: int = 0, limit: int = 1000) -> Sequence[Discarded]:
        rows = self._fetch(
            "SELECT record FROM trash WHERE state_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            (state_id, before if before > 0 else _FOREVER, limit),
        )
        return [decode_discarded(row[0]) for row in rows]

    def trash_due(self, until: float, limit: int = 1000) -> Sequence[tuple[int, int]]:
        rows = self._fetch(
            "SELECT t.state_id, t.seq FROM trash t WHERE t.at <= ? "
            "AND NOT EXISTS (SELECT 1 FROM packs p WHERE p.state_id = t.state_id AND p.base = t.seq) "
            "ORDER BY t.at, t.state_id, t.seq LIMIT ?",
            (until, limit),
        )
        return [(row[0], row[1]) for row in rows]


class TrashWrites(TrashReads, PackWrites):
    """The part of `Transaction` about the trash."""

    _of_state: Callable[[int, str, Row], None]
    _destroy_key: Callable[[Body | None], None]

    def discard_version(self, state_id: int, discarded: Discarded) -> None:
        version = _bare(discarded.version)
        place = (place_of(state_id, version.seq),)
        if not self._fetch("SELECT 1 FROM versions WHERE place = ?", place):
            raise ValueError(f"version {version.seq} of state {state_id} is not there")
        self._of_state(state_id, "DELETE FROM versions WHERE place = ?", place)
        self._of_state(
            state_id,
            "INSERT INTO trash (state_id, seq, at, blob, record) VALUES (?, ?, ?, ?, ?)",
            (
                state_id,
                version.seq,
                discarded.at,
                version.body.blob if version.body else "",
                encode(msgspec.structs.replace(discarded, version=version)),
            ),
        )

    def recover_version(self, state_id: int, seq: int) -> None:
        found = self.discarded(state_id, seq)
        if found is None:
            raise ValueError(f"version {seq} of state {state_id} is not in the trash")
        version = found.version
        self._of_state(state_id, "DELETE FROM trash WHERE state_id = ? AND seq = ?", (state_id, seq))
        self._of_state(
            state_id,
            "INSERT INTO versions (place, state_id, seq, blob, record) VALUES (?, ?, ?, ?, ?)",
            (
                place_of(state_id, seq),
                state_id,
                seq,
                version.body.blob if version.body else "",
                version_record(version),
            ),
        )

    def purge_version(self, state_id: int, seq: int) -> None:
        found = self.discarded(state_id, seq)
        if found is None:
            return
        self._destroy_key(found.version.body)
        for table in ("trash", "bodies", "packs"):
            self._of_state(state_id, f"DELETE FROM {table} WHERE state_id = ? AND seq = ?", (state_id, seq))  # noqa: S608


def _bare(version: Version) -> Version:
    return version if version.body is None else msgspec.structs.replace(version, body=bare(version.body))
