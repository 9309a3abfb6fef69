"""Sessions of people in SQL. Specification: `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.sessions import Session
from lockhouse.storage.sql.records import Row, encode

_record = msgspec.msgpack.Decoder(Session).decode


class SessionReads:
    """The part of `Reader` about sessions."""

    _fetch: Callable[..., list[Row]]

    def session(self, session_id: str) -> Session | None:
        rows = self._fetch("SELECT record FROM sessions WHERE id = ?", (session_id,))
        return _record(rows[0][0]) if rows else None

    def sessions(self, principal: str = "", after: str = "", limit: int = 1000) -> Sequence[Session]:
        if principal:
            rows = self._fetch(
                "SELECT record FROM sessions WHERE principal = ? AND id > ? ORDER BY id LIMIT ?",
                (principal, after, limit),
            )
        else:
            rows = self._fetch("SELECT record FROM sessions WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [_record(row[0]) for row in rows]


class SessionWrites(SessionReads):
    """The part of `Transaction` about sessions."""

    _grow: Callable[[str, Row], int]
    _change: Callable[[str, Row], int]

    def add_session(self, session: Session) -> None:
        self._grow(
            "INSERT INTO sessions (id, principal, ends, record) VALUES (?, ?, ?, ?)",
            (session.id, session.principal, session.ends, encode(session)),
        )

    def save_session(self, session: Session) -> bool:
        row = (session.ends, encode(session), session.id)
        return self._change("UPDATE sessions SET ends = ?, record = ? WHERE id = ?", row) > 0

    def delete_session(self, session_id: str) -> bool:
        return self._change("DELETE FROM sessions WHERE id = ?", (session_id,)) > 0

    def delete_sessions(self, principal: str) -> int:
        return self._change("DELETE FROM sessions WHERE principal = ?", (principal,))

    def expire_sessions(self, now: float, limit: int = 1000) -> int:
        return self._change(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ends <= ? ORDER BY ends LIMIT ?)",
            (now, limit),
        )
