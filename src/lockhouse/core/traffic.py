"""Who locked through which facet, counted from the lock history.

A tally is one (namespace, principal, facet): "does this client still lock through the table?" is a row of facet `table`
with a recent time. Taking and joining count, releasing does not. Pure: events in, rows out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.addresses import Address
from lockhouse.core.records import LockEvent

MAX_VERSIONS = 20
"""Client versions that one row names: the newest seen."""
LOCKING = frozenset({"taken", "joined"})
"""The verbs of a lock event that say a client locked."""


@dataclass(slots=True)
class Tally:
    """The locks of one principal in one namespace through one facet."""

    namespace: str
    principal: str
    name: str
    """Of the principal, when it locked last."""
    facet: str
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    who: str = ""
    """As the client named its user in the newest of them, `user@host`."""
    versions: list[str] = field(default_factory=list)
    """Of the client, newest lock first; empty where clients do not say."""
    keys: set[str] = field(default_factory=set)


class Traffic:
    """Counts events that are given newest first."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Tally] = {}

    def add(self, events: Sequence[tuple[Address, LockEvent]]) -> None:
        """More events, older than all before."""
        for address, event in events:
            if event.verb not in LOCKING:
                continue
            place = (address.namespace, event.principal, event.facet)
            row = self._rows.get(place)
            if row is None:
                row = self._rows[place] = Tally(
                    address.namespace, event.principal, event.name, event.facet, last=event.at, who=event.who
                )
            row.count += 1
            row.first = event.at
            row.keys.add(address.key)
            if event.version and event.version not in row.versions and len(row.versions) < MAX_VERSIONS:
                row.versions.append(event.version)

    def rows(self) -> list[Tally]:
        """By namespace, facet, and the newest lock first."""
        return sorted(self._rows.values(), key=lambda row: (row.namespace, row.facet, -row.last, row.principal))
