"""Locking a workspace: lock, unlock, force-unlock (PROTOCOLS 4.7).

The protocol sends no lock id. Who holds is the credential; a second lock by the same credential is a conflict, so a
lock whose answer was lost is reported as one, and the way out is force-unlock (docs/reference/tfe.md).
"""

from __future__ import annotations

import msgspec

from lockhouse.core.locks import Facet
from lockhouse.core.principals import Right, require
from lockhouse.core.times import timestamp
from lockhouse.errors import LockHeld, LockMismatch, LockNotFound, StorageUnavailable, UnderMaintenance
from lockhouse.protocols.tfe.call import Call
from lockhouse.protocols.tfe.operations.workspaces import by_id, respond_view
from lockhouse.protocols.web import Response
from lockhouse.service import state_uploads
from lockhouse.service.lock_documents import LockDocument, read_document, write_document
from lockhouse.service.locks import TakeLock, Unlock, require_locking
from lockhouse.service.workspaces import View

REPEAT_SECONDS = 30.0
"""How long an unlock may be repeated by who unlocked: its answer may have been lost."""
MAX_REASON = 500
FORCE_REASON = "force-unlock of the workspace"


async def lock(call: Call) -> Response:
    view, document = await by_id(call), await call.document()
    reason = document.top.get("reason")
    lock_id = call.house.engine.nonce()
    info = write_document(
        LockDocument(
            id=lock_id,
            info=(reason if isinstance(reason, str) else "")[:MAX_REASON],
            who=call.caller.who.name,
            version=(call.request.headers.get("terraform-version") or "")[:50],
            created=timestamp(call.caller.now),
        )
    )
    command = TakeLock(view.workspace.address, Facet.WORKSPACE, info, lock_id, rejoin=False)
    try:
        taken = await call.house.locking.take(call.caller, command, call.request.disconnected)
    except UnderMaintenance:
        raise
    except LockHeld as held:
        raise LockHeld(
            f"workspace already locked: {held.details.get('holder') or 'somebody'} holds the lock of "
            f"{view.workspace.name} (lock ID {read_document(held.info).id}{_more(held)})",
            info=held.info,
            hint="wait for it, or end it: terraform force-unlock "
            f"{view.workspace.address.namespace}/{view.workspace.name}",
        ) from None
    assert taken is not None
    try:
        view = await by_id(call)  # who waited for the lock is told what its holder wrote before
    except StorageUnavailable:
        # It cannot ask for this lock again: that would be a conflict with itself. So it is told, come what may.
        view = msgspec.structs.replace(view, lock=msgspec.structs.replace(view.lock, lock=taken.lock))
    return await respond_view(call, view)


async def unlock(call: Call) -> Response:
    view = await by_id(call)
    who, record = call.caller.who, view.lock
    hold = state_uploads.own_hold(record, who.credential)
    if hold is not None:
        address = view.workspace.address
        await call.house.locking.release(call.caller, Unlock(address, Facet.WORKSPACE, id=hold.id))
        await _discard_pending(call, view)
        return await respond_view(call, await by_id(call))
    require_locking(who, view.workspace.address)
    released_lately = any(
        stone.credential == who.credential
        and stone.facet is Facet.WORKSPACE
        and call.caller.now - stone.at <= REPEAT_SECONDS
        for stone in record.tombstones
    )
    if released_lately:
        return await respond_view(call, view)
    if record.lock is not None:
        raise LockMismatch(
            f"cannot unlock the workspace {view.workspace.name}: it is locked by User {record.lock.name}",
            hint=f"terraform force-unlock {view.workspace.address.namespace}/{view.workspace.name}",
        )
    raise _not_locked(view)


async def force_unlock(call: Call) -> Response:
    """Exactly the lock that was held when the request came is taken away, never one that was granted since."""
    view = await by_id(call)
    address = view.workspace.address
    require(call.caller.who, Right.FORCE_UNLOCK, *address)
    if view.lock.lock is None:
        raise _not_locked(view)
    command = Unlock(address, Facet.WORKSPACE, id=view.lock.lock.id, force=True, reason=FORCE_REASON)
    await call.house.locking.release(call.caller, command)
    await _discard_pending(call, view)
    return await respond_view(call, await by_id(call))


def _more(held: LockHeld) -> str:
    """Where its CI job is, and what speaks for its being gone."""
    job, stale = held.details.get("job"), held.details.get("stale")
    return (f", job {job}" if job else "") + (f", stale: {stale}" if stale else "")


async def _discard_pending(call: Call, view: View) -> None:
    workspace = view.workspace
    if await call.house.read(lambda tx: bool(tx.pending_uploads(workspace.address))):
        await call.house.write(lambda tx: state_uploads.discard_pending(tx, workspace))


def _not_locked(view: View) -> LockNotFound:
    return LockNotFound(
        f"cannot unlock the workspace {view.workspace.name}: workspace already unlocked",
        hint=f"lockhouse lock show {view.workspace.address.words}",
    )
