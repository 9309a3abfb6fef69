"""The server itself: status, health, backup."""

from __future__ import annotations

import asyncio

import lockhouse
from lockhouse.errors import OperationUnsupported, SlowDown
from lockhouse.protocols.api import wire, wire_access
from lockhouse.protocols.api.call import MAX_PAGE, Call
from lockhouse.service import access, locks


async def status(call: Call) -> wire_access.Status:
    held, _ = await call.house.read(lambda tx: locks.list_held(tx, call.caller, limit=MAX_PAGE))
    who = call.caller.who
    kind = "session" if who.base else "key"
    if not who.base:
        principal = await call.house.read(lambda tx: tx.principal(who.principal))
        kind = principal.kind if principal is not None else kind
    return wire_access.Status(
        version=lockhouse.__version__,
        name=who.name,
        kind=kind,
        grants=wire_access.grant_documents(who.grants),
        account_id=call.api.settings.account_id,
        region=call.api.settings.region,
        held_locks=len(held),
        certificate_end=wire.when(end) if (end := call.api.certificate_end()) else "",
    )


async def backup(call: Call) -> wire.BackupDocument:
    """On the server's own disk: a backup holds every state, so it is not sent anywhere."""
    access.require_administrator(call.caller)
    copy = call.api.backup
    if copy is None:
        raise OperationUnsupported(
            "cannot make a backup: this server keeps its records elsewhere",
            hint="lockhouse backup create --database-url URL --to DIR",
        )
    if call.api.copying.locked():
        raise SlowDown("cannot make a backup: another one is being made", hint="wait for it", retry_after=10)
    now, with_keys = call.caller.now, call.document(wire.BackupAsk).with_keys
    stamp = wire.when(float(int(now))).replace("-", "").replace(":", "")
    target = call.api.settings.backups_directory / f"lockhouse-{stamp}"
    async with call.api.copying:
        made = await asyncio.to_thread(copy, target, now, with_keys)
    return wire.BackupDocument(
        path=str(target.absolute()),
        at=wire.when(made.at),
        versions=made.versions,
        parked=made.parked,
        blobs=made.blobs,
        bytes=made.bytes,
        keys=made.keys,
        files=tuple(each.name for each in made.files),
    )
