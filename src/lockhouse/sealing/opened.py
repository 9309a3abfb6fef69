"""Small bodies that were opened a moment ago, in memory alone: a state is read again and again between two writes.

It remembers what opening exactly these stored bytes gave: the sealed frame, its wrapped key and the place are the name
of an entry. So bytes that were changed, moved or lost their key since are not found here, and fail as ever. It says
nothing of who may read; whoever asks has read the version from the store for this very request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from lockhouse.core.data_keys import DataKey
from lockhouse.core.versions import Body

MOST_BYTES = 8 * 1024 * 1024
"""All entries with their names."""
LARGEST_BYTES = 2 * 1024 * 1024
"""The largest body that is remembered."""

_Name = tuple[DataKey, bytes, int]


class Opened:
    """The last opened bodies, the oldest of which go first. For any thread."""

    def __init__(self, most: int = MOST_BYTES, largest: int = LARGEST_BYTES) -> None:
        self._most = most
        self._largest = largest
        self._size = 0
        self._entries: OrderedDict[_Name, bytes] = OrderedDict()
        self._changing = threading.Lock()

    def get(self, body: Body) -> bytes | None:
        """What this body was opened to, if that is remembered."""
        if body.key is None:
            return None
        name = (body.key, body.packed, body.size)
        with self._changing:
            raw = self._entries.get(name)
            if raw is not None:
                self._entries.move_to_end(name)
        return raw

    def keep(self, body: Body, raw: bytes) -> None:
        """Remember it, unless it is not sealed or too large."""
        if body.key is None or len(raw) > self._largest:
            return
        with self._changing:
            if self._entries.setdefault((body.key, body.packed, body.size), raw) is not raw:
                return
            self._size += len(raw) + len(body.packed)
            while self._size > self._most:
                (_, packed, _), oldest = self._entries.popitem(last=False)
                self._size -= len(oldest) + len(packed)
