"""Sessions of people in the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.sessions import Session


@dataclass
class SessionMaps:
    """The map that sessions need."""

    sessions: dict[str, Session] = field(default_factory=dict)


class SessionReads:
    """The part of `Reader` about sessions."""

    _maps: SessionMaps

    def session(self, session_id: str) -> Session | None:
        return self._maps.sessions.get(session_id)

    def sessions(self, principal: str = "", after: str = "", limit: int = 1000) -> Sequence[Session]:
        found = [each for each in self._maps.sessions.values() if principal in ("", each.principal) and each.id > after]
        return sorted(found, key=lambda each: each.id)[:limit]


class SessionWrites(SessionReads):
    """The part of `Transaction` about sessions."""

    def add_session(self, session: Session) -> None:
        if session.id in self._maps.sessions:
            raise ValueError(f"session {session.id!r} is there already")
        self._maps.sessions[session.id] = session

    def save_session(self, session: Session) -> bool:
        if session.id not in self._maps.sessions:
            return False
        self._maps.sessions[session.id] = session
        return True

    def delete_session(self, session_id: str) -> bool:
        return self._maps.sessions.pop(session_id, None) is not None

    def delete_sessions(self, principal: str) -> int:
        found = [each.id for each in self._maps.sessions.values() if each.principal == principal]
        for session_id in found:
            del self._maps.sessions[session_id]
        return len(found)

    def expire_sessions(self, now: float, limit: int = 1000) -> int:
        over = sorted((each for each in self._maps.sessions.values() if each.ends <= now), key=lambda each: each.ends)
        for session in over[:limit]:
            del self._maps.sessions[session.id]
        return len(over[:limit])
