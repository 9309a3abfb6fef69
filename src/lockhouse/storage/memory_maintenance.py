"""Maintenance in the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.maintenance import Maintenance

_Place = tuple[str, str, bool]


@dataclass
class MaintenanceMaps:
    """The map that maintenance needs."""

    maintenances: dict[_Place, Maintenance] = field(default_factory=dict)


class MaintenanceReads:
    """The part of `Reader` about maintenance."""

    _maps: MaintenanceMaps

    def maintenances(self, namespace: str = "") -> Sequence[Maintenance]:
        found = [each for each in self._maps.maintenances.values() if namespace in ("", each.namespace)]
        return sorted(found, key=lambda each: (each.namespace.encode(), each.prefix.encode(), each.exact))


class MaintenanceWrites(MaintenanceReads):
    """The part of `Transaction` about maintenance."""

    def save_maintenance(self, maintenance: Maintenance) -> None:
        self._maps.maintenances[maintenance.namespace, maintenance.prefix, maintenance.exact] = maintenance

    def delete_maintenance(self, maintenance: Maintenance) -> None:
        self._maps.maintenances.pop((maintenance.namespace, maintenance.prefix, maintenance.exact), None)
