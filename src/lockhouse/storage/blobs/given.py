"""What this process gave out a moment ago, by a clock that never jumps: names whose versions may not be committed."""

from __future__ import annotations

import threading
import time


class Given:
    """Names of blobs that were finished here, and when."""

    def __init__(self) -> None:
        self._noting = threading.Lock()
        self._finished: dict[str, float] = {}

    def note(self, name: str) -> None:
        with self._noting:
            self._finished[name] = time.monotonic()

    def within(self, name: str, seconds: float) -> bool:
        with self._noting:
            at = self._finished.get(name)
            if at is None:
                return False
            if time.monotonic() - at < seconds:
                return True
            del self._finished[name]
            return False

    def forget(self, name: str) -> None:
        with self._noting:
            self._finished.pop(name, None)
