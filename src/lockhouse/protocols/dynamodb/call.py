"""One verified call: who asks, for what account and region, and the house that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from lockhouse.runtime.house import House
from lockhouse.runtime.journal import Trail
from lockhouse.service.callers import Caller


class Call(msgspec.Struct, frozen=True):
    """Everything an operation is given besides its body."""

    house: House
    caller: Caller
    account: str
    """Twelve digits: the account id setting."""
    region: str
    """From the credential scope."""
    host: str
    """The address that the client used."""
    gone: Callable[[], Awaitable[None]]
    """Returns when the client has left."""
    trail: Trail = msgspec.field(default_factory=Trail)
    """What is found out about this request, for the audit log."""

    def table_arn(self, name: str) -> str:
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{name}"
