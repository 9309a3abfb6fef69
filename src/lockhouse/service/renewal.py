"""Who asks, as it may act now: for what is decided long after the request came, because its body is large or its lock
was held by another.

A request is identified when it comes. A credential that is revoked after that, or whose grants are taken away, must not
take a lock that it has waited for, and not write what it was still sending. So whoever decides late reads anew, in the
transaction that decides.
"""

from __future__ import annotations

import msgspec

from lockhouse.core import grace, grants
from lockhouse.core.ports import Reader
from lockhouse.core.principals import Grant, Identity
from lockhouse.errors import CredentialUnknown
from lockhouse.service.callers import Caller


def renewed(tx: Reader, caller: Caller) -> Caller:
    """The caller with the rights that it has at this moment. Errors: `credential.unknown` when its credential or its
    principal was revoked; `credential.expired` when its time is over at `caller.now`."""
    who = caller.who
    found = _grants(tx, who)
    if found is None:
        raise CredentialUnknown(
            f"cannot go on with this request: the credential of {who.name} was revoked while it was under way",
            hint="ask an administrator for another: lockhouse key create, or lockhouse token create",
        )
    held, ends = found
    if ends and caller.now >= ends and not who.ended_at:
        raise grace.expired()
    if who.ended_at:
        held = grants.narrowed(held, who.scope)
    return msgspec.structs.replace(caller, who=msgspec.structs.replace(who, grants=held))


def _grants(tx: Reader, who: Identity) -> tuple[tuple[Grant, ...], float] | None:
    """(what it may do, when its lasting credential ends); None when it may do nothing any more."""
    credential = tx.credential(who.base or who.credential)
    if credential is None or credential.revoked_at:
        return None
    owner, acting = tx.principal(credential.principal), tx.principal(who.principal)
    if owner is None or acting is None or owner.revoked_at or acting.revoked_at:
        return None
    if acting.id == owner.id:
        held = grants.effective(tx, acting)
    elif owner.id in acting.trusted:
        held = acting.grants
    else:
        return None
    return grants.narrowed(held, credential.scope), credential.expires_at
