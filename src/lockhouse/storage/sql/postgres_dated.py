"""The counts of the house, which every transaction reads: with its first answer it learns whether what was kept of
namespaces and tables (`settled`) is still true, and how often access was changed."""

from __future__ import annotations

import msgspec

from lockhouse.storage.sql.postgres_session import Cursor, Session
from lockhouse.storage.sql.records import Row
from lockhouse.storage.sql.settled import UNSETTLED, Settled

HOUSE = "SELECT settled + era, access + era, era FROM house WHERE one = 1"
"""An era is a time: no count of before it is ever given again."""


class Outdated(BaseException):
    """What was kept of namespaces and tables was not true any more: again, with what was read now."""


class HouseRow(msgspec.Struct, frozen=True):
    """The counts that every transaction reads."""

    settled: int
    access: int
    era: int


class Dated:
    """A session that compares, with its first answer, the counts of the database with those that were kept."""

    def __init__(self, session: Session, settled: Settled) -> None:
        self.session = session
        self._settled = settled
        self._asked: Cursor | None = None
        self.generation = 0
        self.house: HouseRow | None = None

    def begin(self, *, trusting: bool = True) -> None:
        """After the session's transaction has begun, and what it must hold was sent. Not `trusting`: nothing that was
        kept is used, so that nothing can be outdated."""
        self.generation = self._settled.generation if trusting else UNSETTLED
        self.house = None
        self._asked = self.session.send(HOUSE)

    def fetch(self, sql: str, parameters: Row = ()) -> list[Row]:
        rows = self.session.fetch(sql, parameters)
        if self._asked is not None:
            self.verify()
        return rows

    def change(self, sql: str, parameters: Row = ()) -> int:
        return self.session.change(sql, parameters)

    def verify(self) -> None:
        """Outdated when what was kept is not of this moment."""
        if self._asked is None:
            return
        asked, self._asked = self._asked, None
        self.house = HouseRow(*self.session.rows(asked)[0])
        if self.house.settled != self.generation:
            self._settled.generation = max(self._settled.generation, self.house.settled)
            if self.generation != UNSETTLED:
                raise Outdated


class ReadOnly(Dated):
    """For a query."""

    def change(self, sql: str, parameters: Row = ()) -> int:
        raise TypeError(f"a query changes nothing: {sql[:40]} {len(parameters)}")
