"""An API token for an ID token of a CI system, which is the proof: nobody has to be known before."""

from __future__ import annotations

from lockhouse.errors import CredentialUnknown
from lockhouse.protocols.api import wire, wire_access
from lockhouse.protocols.api.call import Call


async def exchange(call: Call) -> wire_access.CreatedToken:
    federation = call.api.federation
    if federation is None:
        raise CredentialUnknown(
            "cannot exchange tokens here", hint="set ci_issuers (LOCKHOUSE_CI_ISSUERS), then: lockhouse trust create"
        )
    asked = call.document(wire_access.ExchangeAsk)
    job, made, token = await federation.token(call.caller, asked.policy, asked.token)
    return wire_access.CreatedToken(name=job.name, id=made.id, token=token, expires_at=wire.when(made.expires_at))
