"""The server itself: status, health, backup."""

from __future__ import annotations

import lockhouse
from lockhouse.errors import OperationUnsupported
from lockhouse.protocols.api import wire
from lockhouse.protocols.api.call import MAX_PAGE, Call, Download
from lockhouse.service import access, locks


async def status(call: Call) -> wire.Status:
    held, _ = await call.house.read(lambda tx: locks.list_held(tx, call.caller, limit=MAX_PAGE))
    who = call.caller.who
    kind = "session" if who.base else "key"
    if not who.base:
        principal = await call.house.read(lambda tx: tx.principal(who.principal))
        kind = principal.kind if principal is not None else kind
    return wire.Status(
        version=lockhouse.__version__,
        name=who.name,
        kind=kind,
        grants=wire.grant_documents(who.grants),
        account_id=call.api.settings.account_id,
        region=call.api.settings.region,
        held_locks=len(held),
    )


async def backup(call: Call) -> Download:
    access.require_administrator(call.caller)
    if call.api.backup is None:
        raise OperationUnsupported("cannot make a backup: this server keeps its records elsewhere")
    return Download(await call.api.backup(), "lockhouse-backup.tar", "application/x-tar")
