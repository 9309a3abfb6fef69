"""The caller of a use case: the verified identity and where the request came from."""

from __future__ import annotations

import msgspec

from lockhouse.core.principals import Identity
from lockhouse.core.versions import Origin


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Who asks, through what, from where, when."""

    who: Identity
    now: float
    """Seconds since 1970-01-01T00:00:00Z, read once per request."""
    protocol: str
    """`s3`, `dynamodb`, `http`, `cloud`, `cli`."""
    peer: str = ""
    agent: str = ""
    request: str = ""
    invocation: str = ""
    """The client SDK's id of one call and all its retries."""

    def origin(self, *, lock_id: str = "", mark: str = "") -> Origin:
        return Origin(
            principal=self.who.principal,
            credential=self.who.credential,
            name=self.who.name,
            protocol=self.protocol,
            peer=self.peer,
            agent=self.agent[:200],
            request=self.request,
            lock_id=lock_id,
            mark=mark,
        )
