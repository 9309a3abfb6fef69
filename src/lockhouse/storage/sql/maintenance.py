"""Maintenance in SQL. Specification: `core.ports`.

Every lock request asks for it, so what there is of a namespace is kept like the namespace itself (`settled`), the
nothing that it nearly always is included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.maintenance import Maintenance
from lockhouse.storage.sql.records import Row, encode
from lockhouse.storage.sql.settled import Settled

_maintenance = msgspec.msgpack.Decoder(Maintenance).decode
_KIND = "maintenance"


class MaintenanceReads:
    """The part of `Reader` about maintenance."""

    _fetch: Callable[..., list[Row]]
    _settled: Settled
    _generation: int

    def maintenances(self, namespace: str = "") -> Sequence[Maintenance]:
        if not namespace:
            rows = self._fetch("SELECT record FROM maintenances ORDER BY namespace, prefix, exact", ())
            return [_maintenance(row[0]) for row in rows]
        kept = self._settled.get((_KIND, namespace))
        if kept is not None and kept[0] == self._generation:
            known: Sequence[Maintenance] = kept[1]
            return known
        rows = self._fetch("SELECT record FROM maintenances WHERE namespace = ? ORDER BY prefix, exact", (namespace,))
        found = tuple(_maintenance(row[0]) for row in rows)
        self._settled.keep(_KIND, namespace, self._generation, found)
        return found


class MaintenanceWrites(MaintenanceReads):
    """The part of `Transaction` about maintenance."""

    _grow: Callable[[str, Row], int]
    _change: Callable[[str, Row], int]
    _unsettle: Callable[[], None]

    def save_maintenance(self, maintenance: Maintenance) -> None:
        self._unsettle()
        self._grow(
            "INSERT INTO maintenances (namespace, prefix, exact, record) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (namespace, prefix, exact) DO UPDATE SET record = excluded.record",
            (maintenance.namespace, maintenance.prefix, int(maintenance.exact), encode(maintenance)),
        )

    def delete_maintenance(self, maintenance: Maintenance) -> None:
        self._unsettle()
        self._change(
            "DELETE FROM maintenances WHERE namespace = ? AND prefix = ? AND exact = ?",
            (maintenance.namespace, maintenance.prefix, int(maintenance.exact)),
        )
