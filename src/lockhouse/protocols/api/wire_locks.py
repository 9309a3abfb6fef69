"""The documents of the JSON API about stale locks. Conventions and errors as `wire`."""

from __future__ import annotations

from lockhouse.core.staleness import Act
from lockhouse.protocols.api.wire import Ask, Document, Key, Text


class StaleRuleAsk(Ask, frozen=True, kw_only=True):
    """One rule: it replaces the one of the same prefix."""

    act: Act
    prefix: Key = ""


class StaleRuleDocument(Document, frozen=True, kw_only=True):
    prefix: str
    act: str


class StalePolicyDocument(Document, frozen=True, kw_only=True):
    namespace: str
    rules: tuple[StaleRuleDocument, ...]
    """The longest prefix that covers a key counts; where none does, stale locks are shown."""


class ReleaseStaleAsk(Ask, frozen=True, kw_only=True):
    key: Key
    id: Text = ""
    """Only this lock; empty: the one that is held when the request comes."""


class ReleasedStale(Document, frozen=True, kw_only=True):
    namespace: str
    key: str
    id: str
    holder: str
    why: str
    """The evidence, which is the reason of the release."""
