"""Rows that every request reads and hardly anybody changes, kept as of a generation: namespaces, tables, maintenance.

The generation counts the commits that changed one of them. A reader notes it before its snapshot begins and is given
only what was kept under the same number; so nobody is given what a delivered command has changed, and nothing read from
an old snapshot is kept as new. A transaction that has changed one reads past it.
"""

from __future__ import annotations

from typing import Any, Final

UNSETTLED: Final = -1
"""The generation of a transaction that has changed something here."""
_MAX_KEPT = 4096


class Settled(dict[tuple[str, str], tuple[int, Any]]):
    """By (kind, name): the generation as of which it is kept, and what is kept. That of a reader must be the same."""

    __slots__ = ("generation",)

    def __init__(self) -> None:
        super().__init__()
        self.generation = 0

    def keep(self, kind: str, name: str, generation: int, value: object) -> None:
        if generation != UNSETTLED:
            if len(self) >= _MAX_KEPT:
                self.clear()
            self[kind, name] = (generation, value)

    def changed(self) -> None:
        """A change was committed; call it before anybody learns of that."""
        self.generation += 1
