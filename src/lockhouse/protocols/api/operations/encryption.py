"""The keys that seal states. All of it is for administrators."""

from __future__ import annotations

from lockhouse.errors import OperationUnsupported
from lockhouse.protocols.api import wire, wire_encryption
from lockhouse.protocols.api.call import Call
from lockhouse.runtime.encryption import Encryption
from lockhouse.service import access


async def status(call: Call) -> wire_encryption.EncryptionDocument:
    access.require_administrator(call.caller)
    return await _status(_of(call))


async def rotate(call: Call) -> wire_encryption.EncryptionDocument:
    access.require_administrator(call.caller)
    encryption = _of(call)
    await encryption.rotate(call.caller)
    return await _status(encryption)


async def retire(call: Call) -> wire_encryption.EncryptionDocument:
    access.require_administrator(call.caller)
    encryption = _of(call)
    await encryption.retire(call.caller, call.path["id"])
    return await _status(encryption)


def _of(call: Call) -> Encryption:
    if call.api.encryption is None:
        raise OperationUnsupported(
            "cannot show keys: this server has none", hint="docs/guide/encryption.md says how a server gets keys"
        )
    return call.api.encryption


async def _status(encryption: Encryption) -> wire_encryption.EncryptionDocument:
    uses = await encryption.uses()
    return wire_encryption.EncryptionDocument(
        on=encryption.is_on,
        source=encryption.source,
        rotating=encryption.rotating,
        keys=tuple(
            wire_encryption.KeyDocument(
                id=use.record.id,
                made=wire.when(use.record.at),
                source=use.record.source,
                newest=use.newest,
                wraps=use.wraps,
            )
            for use in uses
        ),
    )
