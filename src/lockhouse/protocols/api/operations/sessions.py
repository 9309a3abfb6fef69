"""Sessions of people: listed and ended, one's own and those of who one administers."""

from __future__ import annotations

from collections.abc import Sequence

from lockhouse.core import sessions as rule
from lockhouse.core.ports import Reader
from lockhouse.core.sessions import Session
from lockhouse.protocols.api import wire
from lockhouse.protocols.api.call import Call
from lockhouse.protocols.api.wire_sessions import EndedSessions, SessionDocument, Sessions
from lockhouse.service import access, audit
from lockhouse.service import sessions as service


async def list_all(call: Call) -> Sessions:
    """One's own; with `user` another's, with `all` everybody's."""
    principal = call.caller.who.principal
    if call.switch("all"):
        access.require_administrator(call.caller)
        principal = ""
    elif name := call.query.get("user", ""):
        principal = (await call.house.read(lambda tx: service.owner(tx, call.caller, name))).id
    found = await call.house.sessions.of(principal)
    now = call.caller.now
    living = [each for each in found if rule.is_living(each, now, call.api.settings.session_idle)]
    return await call.house.read(lambda tx: _documents(tx, sorted(living, key=lambda each: (-each.began, each.id))))


async def end(call: Call) -> EndedSessions:
    session_id = call.path["id"]
    found = await call.house.sessions.find(session_id) if rule.is_id(session_id) else None
    if found is None:
        raise service.not_found(session_id)
    principal = found.principal
    await call.house.read(lambda tx: service.require_own(tx, call.caller, principal, session_id))
    ended = int(await call.house.sessions.end(session_id))
    await call.house.write(lambda tx: audit.note(tx, call.caller, "session.end", subject=session_id))
    return EndedSessions(ended=ended)


async def end_all(call: Call) -> EndedSessions:
    owner = await call.house.read(lambda tx: service.owner(tx, call.caller, call.path["name"]))
    ended = await call.house.sessions.end_all(owner.id)
    detail = f"{ended} of {owner.name}"
    await call.house.write(lambda tx: audit.note(tx, call.caller, "session.end", subject=owner.name, detail=detail))
    return EndedSessions(ended=ended)


def _documents(tx: Reader, found: Sequence[Session]) -> Sessions:
    names: dict[str, str] = {}
    for each in found:
        if each.principal not in names:
            principal = tx.principal(each.principal)
            names[each.principal] = principal.name if principal is not None and not principal.revoked_at else ""
    return Sessions(
        sessions=tuple(
            SessionDocument(
                id=each.id,
                name=names[each.principal],
                method=each.method,
                began_at=wire.when(each.began),
                seen_at=wire.when(each.seen),
                ends_at=wire.when(each.ends),
                peer=each.peer,
                agent=each.agent,
            )
            for each in found
        )
    )
