"""How many workspace names there are, and which is the n-th, without counting them.

The names of a namespace are divided, in their order, into blocks of at most `MOST`, and `workspace_blocks` has for each
the name that it starts at and how many it holds. The first starts at ''. A page by number adds up the blocks before it
and steps over at most one of them; a name that is added or removed changes one number.

A namespace without blocks has not been counted yet (older data): it is counted by stepping over all names, and divided
when a name is next added there. Specification: `core.ports.Reader.workspaces`.
"""

from __future__ import annotations

from collections.abc import Callable

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
        blocks = self._fetch(
            "SELECT first, names FROM workspace_blocks WHERE namespace = ? ORDER BY first", (namespace,)
        )
        for first, names in blocks or [("", number + 1)]:
            if number < names:
                rows = self._fetch(_NAMES, (namespace, first, number))
                return rows[0][0] if rows else None
            number -= names
        return None


class NameBlockWrites(NameBlockReads):
    """Keeping the numbers. Each is called with the name already in its table, or already gone from it."""

    _change: Callable[[str, Row], int]
    _put: Callable[[str, Row], None]

    def _name_added(self, namespace: str, name: str) -> None:
        found = self._block_of(namespace, name)
        if found is None:
            self._divide(namespace)
            return
        first, names = found[0], found[1] + 1
        if names > MOST:
            middle = self._fetch(_NAMES, (namespace, first, names // 2))[0][0]
            self._save_block(namespace, middle, names - names // 2)
            names //= 2
        self._save_block(namespace, first, names)

    def _name_removed(self, namespace: str, name: str) -> None:
        found = self._block_of(namespace, name)
        if found is None:
            return
        first, names = found
        if names > 1 or not first:
            self._save_block(namespace, first, names - 1)
        else:
            self._change("DELETE FROM workspace_blocks WHERE namespace = ? AND first = ?", (namespace, first))

    def _block_of(self, namespace: str, name: str) -> Row | None:
        rows = self._fetch(
            "SELECT first, names FROM workspace_blocks WHERE namespace = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            (namespace, name),
        )
        return rows[0] if rows else None

    def _save_block(self, namespace: str, first: str, names: int) -> None:
        self._put(
            "INSERT INTO workspace_blocks (namespace, first, names) VALUES (?, ?, ?) "
            "ON CONFLICT (namespace, first) DO UPDATE SET names = excluded.names",
            (namespace, first, names),
        )

    def _divide(self, namespace: str) -> None:
        """Make the blocks of a namespace that has none."""
        half = MOST // 2
        left = self._fetch("SELECT count(*) FROM workspaces WHERE namespace = ?", (namespace,))[0][0]
        first = ""
        while left > half:
            self._save_block(namespace, first, half)
            first, left = self._fetch(_NAMES, (namespace, first, half))[0][0], left - half
        self._save_block(namespace, first, left)
