"""The trash: versions that were deleted by id or by retention, and can be had back for a while.

No protocol sees them. They keep their number, id and bytes until they are recovered or purged. Delete markers have no
bytes and are not kept here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from lockhouse.core.packs import PackReader, PackWriter
from lockhouse.core.versions import Version


class Discarded(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version in the trash."""

    version: Version
    at: float
    """When it was discarded, in seconds since 1970."""
    reason: str = ""
    """`deleted` by its id, or `retention`."""
    by: str = ""
    """The name of who deleted it; empty: a retention policy."""


class TrashReader(PackReader, Protocol):
    """The part of `ports.Reader` about the trash."""

    def discarded(self, state_id: int, seq: int) -> Discarded | None:
        """Without packed bytes."""
        ...

    def trash(self, state_id: int, before: int = 0, limit: int = 1000) -> Sequence[Discarded]:
        """Of one address, the highest seq first, without packed bytes; with `before` > 0 only seq < before."""
        ...

    def trash_due(self, until: float, limit: int = 1000) -> Sequence[tuple[int, int]]:
        """(state id, seq) of what was discarded at `until` or earlier, the oldest first, without what
        others are packed against."""
        ...


class TrashWriter(PackWriter, Protocol):
    """The part of `ports.Transaction` about the trash. A command reads the
    state (`Reader.state`) first, and keeps its counters."""

    def discard_version(self, state_id: int, discarded: Discarded) -> None:
        """Move a version from the history into the trash; its bytes stay where they are."""
        ...

    def recover_version(self, state_id: int, seq: int) -> None:
        """Move it back, unchanged."""
        ...

    def purge_version(self, state_id: int, seq: int) -> None:
        """Out of the trash for good; the caller has seen that nothing is packed against it. Its key goes with it, a
        blob stays until a sweep finds that nothing refers to it."""
        ...
