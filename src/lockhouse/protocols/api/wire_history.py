"""The documents of the JSON API about retention, the trash and tags. Conventions and errors as `wire`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lockhouse.protocols.api.wire import Ask, Document, Key, Name, VersionDocument

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
TagName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
TagValue = Annotated[str, msgspec.Meta(max_length=256)]


class RuleAsk(Ask, frozen=True, kw_only=True):
    """One rule: it replaces the one of the same prefix. At least one of `keep_versions` and `keep_days` is given."""

    prefix: Key = ""
    keep_versions: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    keep_days: Annotated[float, msgspec.Meta(ge=0, le=36_500)] = 0.0
    keep_tagged: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=10)] = ()
    """`NAME` or `NAME=VALUE`."""


class PreviewAsk(Ask, frozen=True, kw_only=True):
    """What would go if `rule` were set; without one, as the policy is."""

    rule: RuleAsk | None = None
    after: Key = ""


class RuleDocument(Document, frozen=True, kw_only=True):
    prefix: str
    keep_versions: int
    keep_days: float
    keep_tagged: tuple[str, ...]


class RetentionDocument(Document, frozen=True, kw_only=True):
    namespace: str
    rules: tuple[RuleDocument, ...]
    floor_days: float
    """Nothing younger goes: the setting retention_floor."""
    restore_window_days: float
    """How long it can be had back: the setting restore_window."""


class DueDocument(Document, frozen=True, kw_only=True):
    """A version that would go."""

    key: str
    id: str
    number: int
    created_at: str
    deleted: bool
    """A delete marker."""
    serial: int | None
    size: int
    tags: dict[str, str]


class PreviewDocument(Document, frozen=True, kw_only=True):
    due: tuple[DueDocument, ...]
    next: str
    """Ask again with `after` set to this; empty: that was all."""


class TrashedDocument(Document, frozen=True, kw_only=True):
    version: VersionDocument
    discarded_at: str
    reason: str
    """`deleted` (by its id) or `retention`."""
    by: str
    until: str
    """It can be had back until then."""


class TrashDocument(Document, frozen=True, kw_only=True):
    trash: tuple[TrashedDocument, ...]
    next: int
    """Ask again with `before` set to this; 0: that was all."""


class UndeleteAsk(Ask, frozen=True, kw_only=True):
    key: Key
    version: Name = ""
    """Of a version in the trash; empty: the whole state, which is deleted."""


class TagsAsk(Ask, frozen=True, kw_only=True):
    """All tags of one version; those that it has now are replaced."""

    key: Key
    version: Name = ""
    """Empty: the newest."""
    tags: Annotated[dict[TagName, TagValue], msgspec.Meta(max_length=10)]


class PackedDocument(Document, frozen=True, kw_only=True):
    """What one round of packing did."""

    states: int
    versions: int
    """That are kept otherwise than before."""
    failed: int
    """That could not be packed: they stay as they are. The server's log and a scrub say why."""


class ScrubAsk(Ask, frozen=True, kw_only=True):
    """Check bodies for a few seconds."""

    namespace: Annotated[str, msgspec.Meta(max_length=63)] = ""
    """Empty: all."""
    after: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Where the last answer said to go on."""
    rate: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)] = 0
    """At most so many bytes per second; 0: as fast as it goes."""


class DamageDocument(Document, frozen=True, kw_only=True):
    """A body that is not as it was written."""

    kind: str
    """`version`, `trash`, `parked` or `part`."""
    namespace: str
    key: str
    id: str
    """Of the version or parked write; of a part `UPLOAD:NUMBER`."""
    problem: str
    advice: str


class ScrubDocument(Document, frozen=True, kw_only=True):
    checked: int
    bytes: int
    """As clients sent them."""
    damaged: tuple[DamageDocument, ...]
    next: str
    """Ask again with `after` set to this; empty: that was all."""
