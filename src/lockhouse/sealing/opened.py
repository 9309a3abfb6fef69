"""Small bodies that were opened a moment ago, in memory alone: a state is read again and again between two writes.

It remembers what opening exactly these stored bytes gave: an entry is found by the id of its data key and given only
where the wrapped key, the place and the sealed frame are those that were opened. (They are compared: to hash them took
ten times as long.) So bytes that were changed, moved or lost their key since are not found here, and fail as ever. It
says nothing of who may read; whoever asks has read the version from the store for this very request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from lockhouse.core.data_keys import DataKey
from lockhouse.core.versions import Body

MOST_BYTES = 8 * 1024 * 1024
"""All entries with their names."""
LARGEST_BYTES = 2 * 1024 * 1024
"""The largest body that is remembered."""


class _Entry(NamedTuple):
    key: DataKey
    packed: bytes
    raw: bytes

    @property
    def size(self) -> int:
        return len(self.packed) + len(self.raw)


class Opened:
    """The last opened bodies, the oldest of which go first. For any thread."""

    def __init__(self, most: int = MOST_BYTES, largest: int = LARGEST_BYTES) -> None:
        self._most = most
        self._largest = largest
        self._size = 0
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        """By the ids of their keys."""
        self._changing = threading.Lock()

    def get(self, body: Body) -> bytes | None:
        """What this body was opened to, if that is remembered."""
        key = body.key
        if key is None:
            return None
        with self._changing:
            entry = self._entries.get(key.id)
            if entry is None:
                return None
            self._entries.move_to_end(key.id)
        is_it = entry.key == key and len(entry.raw) == body.size and entry.packed == body.packed
        return entry.raw if is_it else None

    def keep(self, body: Body, raw: bytes) -> None:
        """Remember it, unless it is not sealed or too large."""
        key = body.key
        if key is None or len(raw) > self._largest:
            return
        with self._changing:
            before = self._entries.pop(key.id, None)
            self._size -= before.size if before is not None else 0
            entry = self._entries[key.id] = _Entry(key, body.packed, raw)
            self._size += entry.size
            while self._size > self._most:
                _, oldest = self._entries.popitem(last=False)
                self._size -= oldest.size
