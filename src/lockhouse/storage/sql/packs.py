"""Packing in SQL. Specification: `core.packs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.records import StateRecord
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Body, Version
from lockhouse.storage.sql import records
from lockhouse.storage.sql.records import STATE_COLUMNS, Row, encode, place_of

_replace = msgspec.structs.replace
_MOST_STEPS = 64


class PackReads:
    """The part of `Reader` about packing."""

    _fetch: Callable[..., list[Row]]
    version: Callable[..., Version | None]
    discarded: Callable[[int, int], Discarded | None]
    _with_bytes: Callable[[StateRecord, Version], Version]

    def kept(self, state: StateRecord, seq: int) -> Version | None:
        found = self._kept(state, seq)
        return self._with_base(state, self._with_bytes(state, found)) if found is not None else None

    def _kept(self, state: StateRecord, seq: int) -> Version | None:
        found = self.version(state, seq, packed=False)
        if found is None:
            thrown = self.discarded(state.id, seq)
            found = thrown.version if thrown is not None else None
        return found

    def _with_base(self, state: StateRecord, version: Version) -> Version:
        """With the bodies that its own is packed against."""
        if version.body is None or not version.body.base:
            return version
        bodies = [version.body]
        while bodies[-1].base and len(bodies) < _MOST_STEPS:
            base = self._kept(state, bodies[-1].base)
            if base is None or base.body is None:
                break
            opened = self._with_bytes(state, base).body
            assert opened is not None
            bodies.append(opened)
        under: Body | None = None
        for body in reversed(bodies):
            under = _replace(body, under=under)
        return _replace(version, body=under)

    def dependants(self, state_id: int, seq: int, limit: int = 1000) -> Sequence[int]:
        rows = self._fetch(
            "SELECT seq FROM packs WHERE state_id = ? AND base = ? ORDER BY seq LIMIT ?", (state_id, seq, limit)
        )
        return [row[0] for row in rows]

    def kept_places(self, after: tuple[int, int] = (0, 0), limit: int = 1000) -> Sequence[tuple[Address, int, int]]:
        rows = self._fetch(
            "SELECT s.namespace, s.key, k.state_id, k.seq FROM ("
            "SELECT * FROM (SELECT state_id, seq FROM versions WHERE place > ? ORDER BY place LIMIT ?) v UNION ALL "
            "SELECT * FROM (SELECT state_id, seq FROM trash WHERE (state_id, seq) > (?, ?) "
            "ORDER BY state_id, seq LIMIT ?) t"
            ") k JOIN states s ON s.id = k.state_id ORDER BY k.state_id, k.seq LIMIT ?",
            (place_of(*after), limit, *after, limit, limit),
        )
        return [(Address(row[0], row[1]), row[2], row[3]) for row in rows]

    def packing_due(self, after: int = 0, span: int = 1000) -> tuple[Sequence[StateRecord], int]:
        rows = self._fetch(
            f"SELECT {STATE_COLUMNS} FROM states s LEFT JOIN packing p ON p.state_id = s.id "  # noqa: S608
            "WHERE s.id > ? AND s.id <= ? AND s.next_seq > 2 "
            "AND (p.state_id IS NULL OR p.next_seq <> s.next_seq OR p.versions <> s.versions) ORDER BY s.id",
            (after, after + span),
        )
        beyond = self._fetch("SELECT id FROM states WHERE id > ? ORDER BY id LIMIT 1", (after + span,))
        return [records.state_of(row) for row in rows], beyond[0][0] - 1 if beyond else 0


class PackWrites(PackReads):
    """The part of `Transaction` about packing."""

    _change: Callable[[str, Row], int]
    _of_state: Callable[[int, str, Row], None]

    def repack(self, state_id: int, seq: int, old: Body, new: Body, now: float) -> bool:
        place = (state_id, seq)
        table, record = self._row(place)
        thrown = records.decode_discarded(record) if table == "trash" else None
        version = thrown.version if thrown is not None else records.decode_version(record) if record else None
        if version is None or version.body is None or version.body != records.bare(old):
            return False
        if new.base and not self._row((state_id, new.base))[1]:
            return False
        new = _replace(new, key=version.body.key)
        version = _replace(version, body=records.bare(new))
        whole = version if thrown is None else _replace(thrown, version=version)
        write = self._of_state
        where, value = _at(table, place)
        write(state_id, f"UPDATE {table} SET blob = ?, record = ? WHERE {where}", (new.blob, encode(whole), *value))  # noqa: S608
        write(state_id, "DELETE FROM packs WHERE state_id = ? AND seq = ?", place)
        if new.base:
            write(state_id, "INSERT INTO packs (state_id, seq, base) VALUES (?, ?, ?)", (*place, new.base))
        if new.packed:
            write(
                state_id,
                "INSERT INTO bodies (state_id, seq, packed) VALUES (?, ?, ?) "
                "ON CONFLICT (state_id, seq) DO UPDATE SET packed = excluded.packed",
                (*place, new.packed),
            )
        elif new.blob:
            write(state_id, "DELETE FROM bodies WHERE state_id = ? AND seq = ?", place)
        if old.blob and old.blob != new.blob:
            write(
                state_id,
                "INSERT INTO retired (blob, at) VALUES (?, ?) ON CONFLICT (blob) DO UPDATE SET at = excluded.at",
                (old.blob, now),
            )
        return True

    def settle_packing(self, state: StateRecord) -> None:
        self._of_state(
            state.id,
            "INSERT INTO packing (state_id, next_seq, versions) VALUES (?, ?, ?) ON CONFLICT (state_id) "
            "DO UPDATE SET next_seq = excluded.next_seq, versions = excluded.versions",
            (state.id, state.next_seq, state.versions),
        )

    def forget_retired(self, until: float, limit: int = 1000) -> int:
        due = self._fetch("SELECT blob FROM retired WHERE at <= ? ORDER BY at, blob LIMIT ?", (until, limit))
        for row in due:
            self._change("DELETE FROM retired WHERE blob = ?", row)
        return len(due)

    def _row(self, place: tuple[int, int]) -> tuple[str, bytes]:
        for table in ("versions", "trash"):
            where, value = _at(table, place)
            rows = self._fetch(f"SELECT record FROM {table} WHERE {where}", value)  # noqa: S608
            if rows:
                return table, rows[0][0]
        return "", b""


def _at(table: str, place: tuple[int, int]) -> tuple[str, Row]:
    """How a row of the history or of the trash is found."""
    return ("place = ?", (place_of(*place),)) if table == "versions" else ("state_id = ? AND seq = ?", place)
