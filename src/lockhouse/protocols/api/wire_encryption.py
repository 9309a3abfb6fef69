"""The documents of the JSON API about the keys that seal states. Conventions and errors as `wire`."""

from __future__ import annotations

from lockhouse.protocols.api.wire import Document


class KeyDocument(Document, frozen=True, kw_only=True):
    """A key-encryption key; never the key itself."""

    id: str
    made: str
    source: str
    newest: bool
    """New bodies are sealed under it."""
    wraps: int
    """How many bodies need it."""


class EncryptionDocument(Document, frozen=True, kw_only=True):
    on: bool
    source: str
    """Where the keys are."""
    rotating: bool
    """Whether bodies are being moved under the newest key."""
    keys: tuple[KeyDocument, ...]
    """Oldest first."""
