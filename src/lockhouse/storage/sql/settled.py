"""Rows that every request reads and hardly anybody changes, kept as of a generation: namespaces, tables, maintenance.

The generation counts the commits that changed one of them. A reader notes it before its snapshot begins and is given
only what was kept under the same number; so nobody is given what a delivered command has changed, and nothing read from
an old snapshot is kept as new. A transaction that has changed one reads past it.
"""

from __future__ import annotations

from typing import Final

MISSING: Final = object()
UNSETTLED: Final = -1
"""The generation of a transaction that has changed something here."""
_MAX_KEPT = 4096


class Settled:
    """What is kept, by (kind, name)."""

    __slots__ = ("_kept", "generation")

    def __init__(self) -> None:
        self.generation = 0
        self._kept: dict[tuple[str, str], tuple[int, object]] = {}

    def get(self, kind: str, name: str, generation: int) -> object:
        """What was kept, or MISSING."""
        held = self._kept.get((kind, name))
        return held[1] if held is not None and held[0] == generation else MISSING

    def keep(self, kind: str, name: str, generation: int, value: object) -> None:
        if generation != UNSETTLED:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[kind, name] = (generation, value)

    def changed(self) -> None:
        """A change was committed; call it before anybody learns of that."""
        self.generation += 1
