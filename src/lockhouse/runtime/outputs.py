"""Versions reduced to their outputs, for who may read nothing else; a few of them are remembered.

The reduced document is made from the version's bytes each time it is not remembered. It lives in memory only, is the
same bytes every time, and carries its own digests, so ranges, ETags and Content-MD5 of it agree.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import msgspec

from lockhouse.core.outputs import outputs_only
from lockhouse.core.records import StateRecord
from lockhouse.core.versions import Body, Version
from lockhouse.errors import AccessDenied
from lockhouse.runtime.intake import in_memory
from lockhouse.runtime.outgoing import whole
from lockhouse.sealing.bodies import Bodies

REMEMBERED = 64
MAX_BYTES = 256 * 1024 * 1024


class OutputsReader:
    """Reduces versions."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: OrderedDict[tuple[int, int, str], Body] = OrderedDict()

    async def of(self, state: StateRecord, version: Version) -> Version:
        """The version with the reduced body. Errors: `access.denied` when its outputs cannot be told from the rest."""
        assert version.body is not None
        place = (state.id, version.seq, version.nonce)
        body = self._known.get(place)
        if body is None:
            body = await self._reduce(state, version.body)
            self._known[place] = body
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return msgspec.structs.replace(
            version, body=body, etag=body.md5.hex(), checksums={}, parts=0, encryption={}, metadata={}
        )

    async def _reduce(self, state: StateRecord, body: Body) -> Body:
        reduced = None
        if body.size <= MAX_BYTES:
            raw = await whole(body, self._bodies)
            reduced = await asyncio.to_thread(outputs_only, raw)
        if reduced is None:
            raise AccessDenied(
                f"cannot read {state.address.lock_id}: your grant covers outputs only, and this body does not show "
                "them apart (encrypted, or not a state)",
                hint="ask an administrator for the right to read the whole state: lockhouse access grant",
                right="read",
            )
        return in_memory(reduced)
