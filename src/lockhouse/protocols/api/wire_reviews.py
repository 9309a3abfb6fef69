"""The documents of the JSON API about reviews, and about who locks through what."""

from __future__ import annotations

from lockhouse.core.reviews import Review
from lockhouse.protocols.api.wire import Document


class SentReview(Document, frozen=True, kw_only=True):
    id: str
    url: str
    """Of its page in the console: absolute where the setting public_url is set."""


class ReviewLine(Document, frozen=True, kw_only=True):
    id: str
    at: str
    root: str
    commit: str
    by: str
    size: int
    statuses: dict[str, int]
    """How many services have each status."""
    findings: int
    violations: int


class Reviews(Document, frozen=True, kw_only=True):
    """Newest first: of every root the newest; with `root`, all of this root."""

    reviews: tuple[ReviewLine, ...]
    next: int
    """Ask again with `before` set to this; 0: that was all."""


class ReviewChange(Document, frozen=True, kw_only=True):
    """One service that is not as it was in the review before. An empty status: not present."""

    service: str
    before: str
    after: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


class ReviewDocument(Document, frozen=True, kw_only=True):
    about: ReviewLine
    previous: str
    """The id of the review before of the same root; empty: there is none."""
    changes: tuple[ReviewChange, ...]
    review: Review


class LockClient(Document, frozen=True, kw_only=True):
    """Who locked in a namespace through a facet."""

    namespace: str
    name: str
    """The principal."""
    who: str
    """As the client named its user the last time."""
    facet: str
    """`table`, `lockfile`, `http` or `workspace`."""
    locks: int
    states: int
    first_at: str
    last_at: str
    versions: tuple[str, ...]
    """Of Terraform or OpenTofu, the newest lock's first."""


class LockTrafficDocument(Document, frozen=True, kw_only=True):
    since: str
    complete: bool
    """False: more locks than are counted at once; nothing since `since` is missing."""
    clients: tuple[LockClient, ...]
