"""Documents about sessions of people. No document holds what opens a session."""

from __future__ import annotations

from lockhouse.protocols.api.wire import Document


class SessionDocument(Document, frozen=True, kw_only=True):
    """One session."""

    id: str
    name: str
    """Whose it is; empty for a principal that is gone."""
    method: str
    """`local`, `oidc` or `workos`."""
    began_at: str
    seen_at: str
    """To the minute."""
    ends_at: str
    peer: str
    agent: str


class Sessions(Document, frozen=True, kw_only=True):
    """The newest first."""

    sessions: tuple[SessionDocument, ...]


class EndedSessions(Document, frozen=True, kw_only=True):
    ended: int
    """How many there were."""
