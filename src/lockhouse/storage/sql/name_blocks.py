"""How many workspace names there are, and which is the n-th, without counting them.

The names of a namespace are divided, in their order, into blocks of at most `MOST`, and `workspace_blocks` has for each
the name that it starts at and how many it holds. The first starts at ''. A page by number adds up the blocks before it
and steps over at most one of them; a name that is added or removed changes one number.

A namespace without blocks has not been counted yet (older data): it is counted by stepping over all names, and divided
when a name is next added there. Specification: `core.ports.Reader.workspaces`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from lockhouse.storage.sql.records import Row

MOST = 1000
_NAMES = "SELECT name FROM workspaces WHERE namespace = ? AND name >= ? ORDER BY name LIMIT 1 OFFSET ?"


class NameBlockReads:
    """Counting and finding names."""

    _fetch: Callable[..., list[Row]]

    def count_workspaces(self, namespace: str) -> int:
        rows = self._fetch("SELECT sum(names) FROM workspace_blocks WHERE namespace = ?", (namespace,))
        if rows[0][0] is None:
            rows = self._fetch("SELECT count(*) FROM workspaces WHERE namespace = ?", (namespace,))
        return int(rows[0][0])

    def _name_at(self, namespace: str, number: int) -> str | None:
        """The name that has `number` names before it."""
        for first, names in self._blocks(namespace) or [("", number + 1)]:
            if number < names:
                rows = self._fetch(_NAMES, (namespace, first, number))
                return rows[0][0] if rows else None
            number -= names
        return None

    def _blocks(self, namespace: str) -> list[Row]:
        return self._fetch("SELECT first, names FROM workspace_blocks WHERE namespace = ? ORDER BY first", (namespace,))


class NameBlockWrites(NameBlockReads):
    """Keeping the numbers. Each is called with the name already in its table, or already gone from it."""

    _change: Callable[[str, Row], int]
    _put: Callable[[str, Row], None]

    def _names_added(self, namespace: str, names: Sequence[str]) -> None:
        if not names:
            return
        found = self._blocks(namespace) if len(names) > 1 else self._block_of(namespace, names[0])
        if not found:
            self._divide(namespace)
            return
        known: dict[str, int] = dict(found)
        more: dict[str, int] = {}
        # As bytes, which is how both databases and, by its code points, Python compare text.
        starts = sorted(known)
        for name in names:
            first = starts[bisect_right(starts, name) - 1]
            more[first] = more.get(first, 0) + 1
        for first, number in more.items():
            self._grow_block(namespace, first, known[first] + number)

    def _grow_block(self, namespace: str, first: str, names: int) -> None:
        """Note how many names a block has, and divide it if they are too many."""
        half = MOST // 2
        while names > MOST:
            middle = self._fetch(_NAMES, (namespace, first, half))[0][0]
            self._save_block(namespace, first, half)
            first, names = middle, names - half
        self._save_block(namespace, first, names)

    def _name_removed(self, namespace: str, name: str) -> None:
        for first, names in self._block_of(namespace, name):
            if names > 1 or not first:
                self._save_block(namespace, first, names - 1)
            else:
                self._change("DELETE FROM workspace_blocks WHERE namespace = ? AND first = ?", (namespace, first))

    def _block_of(self, namespace: str, name: str) -> list[Row]:
        """The one that holds the name; none in a namespace that is not counted."""
        return self._fetch(
            "SELECT first, names FROM workspace_blocks WHERE namespace = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            (namespace, name),
        )

    def _save_block(self, namespace: str, first: str, names: int) -> None:
        self._put(
            "INSERT INTO workspace_blocks (namespace, first, names) VALUES (?, ?, ?) "
            "ON CONFLICT (namespace, first) DO UPDATE SET names = excluded.names",
            (namespace, first, names),
        )

    def _divide(self, namespace: str) -> None:
        """Make the blocks of a namespace that has none."""
        names = self._fetch("SELECT count(*) FROM workspaces WHERE namespace = ?", (namespace,))[0][0]
        self._grow_block(namespace, "", names)
