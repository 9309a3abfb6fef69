"""How the history is kept: packing it now, and checking all of it."""

from __future__ import annotations

from lockhouse.errors import OperationUnsupported
from lockhouse.protocols.api import wire_history as documents
from lockhouse.protocols.api.call import Call
from lockhouse.runtime.scrubbing import Damage
from lockhouse.service import access

_ADVICE = {
    "version": "download another version, or restore this one from a backup; if it is the newest, push a good copy of "
    "the state (terraform state push) or go back: lockhouse state restore",
    "trash": "purge it, or restore it from a backup: lockhouse state purge",
    "parked": "drop it, and ask whoever wrote it for the state: lockhouse state parked drop",
    "part": "abort the upload and let the client begin again: aws s3api abort-multipart-upload",
}


async def pack(call: Call) -> documents.PackedDocument:
    access.require_administrator(call.caller)
    if call.api.repacking is None:
        raise OperationUnsupported(
            "cannot pack: this server does not", hint="lockhouse status says what this server is"
        )
    done = await call.api.repacking.round(quiet=0.0)
    return documents.PackedDocument(states=done.states, versions=done.versions, failed=done.failed)


async def scrub(call: Call) -> documents.ScrubDocument:
    access.require_administrator(call.caller)
    if call.api.scrubbing is None:
        raise OperationUnsupported(
            "cannot scrub: this server does not", hint="lockhouse status says what this server is"
        )
    asked = call.document(documents.ScrubAsk)
    done = await call.api.scrubbing.slice(asked.after, asked.namespace, rate=asked.rate)
    return documents.ScrubDocument(
        checked=done.checked, bytes=done.bytes, damaged=tuple(_damage(each) for each in done.damaged), next=done.next
    )


def _damage(found: Damage) -> documents.DamageDocument:
    return documents.DamageDocument(
        kind=found.kind,
        namespace=found.namespace,
        key=found.key,
        id=found.id,
        problem=found.problem,
        advice=_ADVICE[found.kind],
    )
