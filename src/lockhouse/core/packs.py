"""How versions are packed, as a store keeps it. The plan is `core.packing`'s; the bytes are `lockhouse.deltas`'.

A packed body has a `base`: the number of another version of the same address, in the history or in the trash, whose
plain bytes are the raw dictionary of its frame. Whoever reads a version with its bytes is given the body of its base
with it (`Body.under`), and so on down to a whole one, all from one snapshot. The place of a base's bytes may change
(it is packed itself), its plain bytes never do: so nobody's frame depends on how its base is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from lockhouse.core.addresses import Address
from lockhouse.core.versions import Body, Version

if TYPE_CHECKING:
    from lockhouse.core.records import StateRecord


class PackReader(Protocol):
    """The part of `ports.Reader` about packing."""

    def kept(self, state: StateRecord, seq: int) -> Version | None:
        """A version in the history or in the trash, with all that is needed to read its bytes."""
        ...

    def dependants(self, state_id: int, seq: int, limit: int = 1000) -> Sequence[int]:
        """Numbers of the versions packed against this one, in order."""
        ...

    def kept_places(self, after: tuple[int, int] = (0, 0), limit: int = 1000) -> Sequence[tuple[Address, int, int]]:
        """(address, state id, seq) of everything in any history or trash, in the order of the last two."""
        ...

    def packing_due(self, after: int = 0, span: int = 1000) -> tuple[Sequence[StateRecord], int]:
        """Of the next `span` state ids beyond `after`: those with several versions, or some in the trash, whose
        history changed since `settle_packing`; and the id to go on after (0: that was all)."""
        ...


class PackWriter(Protocol):
    """The part of `ports.Transaction` about packing. A command reads the state (`Reader.state`) first."""

    def repack(self, state_id: int, seq: int, old: Body, new: Body, now: float) -> bool:
        """Replace where the bytes of a version are, in the history or in the trash, if it is kept as `old` and the new
        base is there. False, and nothing done, otherwise. Its key stays. A blob that was left is still named by
        `blob_names` until `forget_retired`: somebody may be about to open it."""
        ...

    def settle_packing(self, state: StateRecord) -> None:
        """Note that the history of this state, with its counters as they are here, is packed."""
        ...

    def forget_retired(self, until: float, limit: int = 1000) -> int:
        """No longer name blobs that were left at `until` or earlier; how many."""
        ...
