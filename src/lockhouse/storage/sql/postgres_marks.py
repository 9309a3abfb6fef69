"""Noticing that the database went back in time: a restored backup, or a standby that had not everything.

Each connection that writes has a row of its own, its mark, and counts its commits there in the same transaction; so a
commit that was answered is in the database exactly as long as the count is. A replica remembers the highest count that
it has seen of every mark, its own and those of others, in memory and in a file. A count that is lower now, or a mark
that is missing, means that answered commits are lost: then locks may be held twice and states be old, and nothing is
served until a person has looked and says `lockhouse db accept-rollback`, which raises the era.

The same counts tell what became of a commit whose answer never came: it happened when the count is one higher.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec

MARKS_FILE = "database-marks.json"
KEPT_SECONDS = 25 * 24 * 3600.0
"""A mark that nobody has written to for so long may be gone by right (they are deleted after 30 days)."""
DELETED_SECONDS = 30 * 24 * 3600.0
_log = logging.getLogger("lockhouse.storage")


class Seen(msgspec.Struct, frozen=True):
    """The highest count of one mark, and when it was written, in seconds since 1970."""

    commits: int
    at: float


class _File(msgspec.Struct):
    era: int = 0
    marks: dict[str, Seen] = {}


class Marks:
    """What this replica has seen of one database."""

    def __init__(self, path: Path | None) -> None:
        """`path`: where it is kept between starts; several replicas may share the file, each adds what it has seen."""
        self._path = path
        self._guard = threading.Lock()
        self._kept = _read(path)
        self._changed = False
        self.lost = ""
        """What is missing; empty while all is well."""

    @property
    def era(self) -> int:
        return self._kept.era

    def note(self, mark: str, commits: int, at: float) -> None:
        """A commit of our own that was answered."""
        with self._guard:
            self._kept.marks[mark] = Seen(commits, at)
            self._changed = True

    def compare(self, era: int, expected: dict[str, Seen], found: dict[str, Seen], now: float) -> None:
        """With the era and all marks of one snapshot of the database; `expected` is what `snapshot` gave before that
        one began. Only one comparison at a time. Sets `lost`."""
        with self._guard:
            if era > self._kept.era:
                if self._kept.era or self._kept.marks:
                    _log.warning(
                        "Took the database as it is: a rollback was accepted, or it was filled anew era=%d", era
                    )
                self._kept, self.lost, self._changed = _File(era), "", True
                expected = {}
            elif era < self._kept.era:
                self._lose(f"its era is {era} and was {self._kept.era}")
            for mark, seen in expected.items():
                there = found.get(mark)
                if there is None and now - seen.at < KEPT_SECONDS:
                    self._lose(f"the mark {mark} is missing and stood at {seen.commits}")
                elif there is not None and there.commits < seen.commits:
                    self._lose(f"the mark {mark} stands at {there.commits} and stood at {seen.commits}")
            for mark, there in found.items() if not self.lost else ():
                known = self._kept.marks.get(mark)
                if known is None or known.commits < there.commits:
                    self._kept.marks[mark] = there
                    self._changed = True

    def snapshot(self) -> dict[str, Seen]:
        with self._guard:
            return dict(self._kept.marks)

    def save(self) -> None:
        """Keep it for the next start. Losing it costs only that a loss while nothing ran is not noticed."""
        with self._guard:
            if self._path is None or not self._changed:
                return
            self._changed = False
            encoded = msgspec.json.encode(self._kept)
        scratch = self._path.with_name(f".{self._path.name}.{threading.get_ident()}")
        try:
            scratch.write_bytes(encoded)
            scratch.replace(self._path)
        except OSError as error:
            _log.warning("Cannot keep the marks of the database path=%s error=%s", self._path, error.strerror)

    def _lose(self, what: str) -> None:
        if not self.lost:
            self.lost = what
            _log.critical("Found that the database went back in time: nothing is served any more reason=%s", what)


def _read(path: Path | None) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File) if path is not None else _File()
    except FileNotFoundError:
        return _File()
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("Cannot read the marks of the database path=%s error=%s", path, type(error).__name__)
        return _File()
