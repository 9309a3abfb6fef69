"""Whether the place of large bodies answers: asked again and again by a server, told in the log when it changes.

While it does not, locks and small states are served as ever. What needs a large body is refused, with 503, by whoever
asks for it; nothing here stands between a request and the place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from lockhouse.core.blobs import Blobs
from lockhouse.core.ports import Store
from lockhouse.errors import StorageUnavailable
from lockhouse.storage.blobs.owner import Claimable, of_another

ASK_SECONDS = 30.0
"""While it answers: each question costs a request."""
AGAIN_SECONDS = 5.0
"""While it does not."""
_SAMPLE = 4
_log = logging.getLogger("lockhouse.storage")


class Owned(Blobs, Claimable, Protocol):
    """A place of blobs, which is somebody's."""


class Reach:
    """One server's view. What it does waits for a network and belongs into a thread."""

    def __init__(self, blobs: Owned, store: Store, setting: str, house: Callable[[], str]) -> None:
        """`setting` is what names the place, for the log."""
        self._blobs = blobs
        self._store = store
        self._setting = setting
        self._house = house
        self.answers = True
        """As it was when last asked."""
        self._asked = 0.0
        self._told = ""
        self._compared = False
        """Whether it was looked at that the bodies are there."""

    def look(self) -> None:
        """Ask when it is time, and tell what has changed. Call it every `AGAIN_SECONDS`."""
        if not self.answers or time.monotonic() - self._asked >= ASK_SECONDS:
            self.note(self.ask())

    def ask(self) -> StorageUnavailable | None:
        """What is in the way; None: nothing."""
        self._asked = time.monotonic()
        try:
            self._blobs.check()
        except StorageUnavailable as problem:
            return problem
        return None

    def note(self, problem: StorageUnavailable | None) -> None:
        """Tell in the log what was not told yet."""
        self.answers = problem is None
        if problem is not None:
            # How an absent place does not answer is never the same twice.
            news = problem.message if "setting" in problem.details else "it does not answer"
            if news != self._told:
                _log.error(
                    "Cannot reach the place of large bodies: locks and small states are served, reads and writes of "
                    "large states are answered 503 until it can be reached; no restart is needed then blobs=%s "
                    "error=%s hint=%s",
                    self._setting,
                    problem.message,
                    problem.hint,
                )
            self._told = news
            return
        if self._told:
            self._told = ""
            _log.warning("Reached the place of large bodies again blobs=%s", self._setting)
        if not self._compared:
            if lacks_bodies(self._blobs, self._store):
                _log.error(
                    "Found none of the large bodies that were looked for: are they elsewhere? blobs=%s", self._setting
                )
            try:
                another = of_another(self._blobs, self._house())
            except StorageUnavailable:
                return  # away again
            if another is not None:  # a server that serves locks does not end for it, and its sweep removes nothing
                _log.error("Found a bucket that is another's error=%s hint=%s", another.message, another.hint)
            self._compared = True


def lacks_bodies(blobs: Blobs, store: Store) -> bool:
    """Whether none of a few bodies that the records refer to is there: then this is hardly the place where they are."""

    def is_there(name: str) -> bool:
        try:
            blobs.open(name).close()
        except StorageUnavailable:
            return False
        return True

    names = store.read(lambda tx: tx.blob_names(limit=_SAMPLE))
    return bool(names) and not any(is_there(name) for name in names)
