"""DeleteItem: release a lock, let a digest be, or delete an ordinary item."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.core.addresses import Address, parse_lock_id
from lockhouse.core.attributes import Item, item_size
from lockhouse.core.conditions import Condition, holds
from lockhouse.core.items import key_of, write_units
from lockhouse.core.locks import Facet
from lockhouse.core.ports import Reader
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import inputs, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import table_name
from lockhouse.protocols.dynamodb.faults import ConditionRefused
from lockhouse.protocols.dynamodb.values import Json, read_item, write_item
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_items import LOCK_ID
from lockhouse.service.locks import Unlock

_TABLE = Facet.TABLE


class _Kept(msgspec.Struct, frozen=True):
    """A LockID that is an address: what is shown there, and the digest's address if only that can be meant."""

    address: Address
    item: Item | None
    lock_id: str
    digest_of: Address | None


async def delete_item(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ConditionalCheckFailed, ResourceNotFound, Validation, AccessDenied (it would be a force-unlock)."""
    quick = wire.read_release(body)
    if quick is not None:
        name = table_name(quick.table)
        meant = parse_lock_id(quick.lock_id)
        if meant is None or (
            await call.house.locking.release_held(
                call.caller,
                Unlock(meant, _TABLE),
                lambda tx: lock_items.keeps(tx, tables.get(tx, call.caller, name), meant),
            )
            is None
        ):
            await delete_any(call, name, {LOCK_ID: quick.lock_id})
        return {}
    wanted = wire.read(body, inputs.DeleteItem)
    name = table_name(inputs.check_write(wanted, wanted.Key, "key"))
    assert wanted.Key is not None
    inputs.check_parameters(
        wanted,
        {"ConditionExpression": wanted.ConditionExpression},
        {"Expected": wanted.Expected},
        with_values=["ConditionExpression"],
    )
    key = read_item(wanted.Key)
    if wanted.ReturnValues not in (None, "NONE", "ALL_OLD"):
        raise AwsRefusal("ReturnValues can only be ALL_OLD or NONE")
    placeholders = inputs.placeholders_of(wanted)
    condition = inputs.condition_of(wanted, placeholders)
    placeholders.check_used()
    old = await delete_any(call, name, key, condition, wants_item=wanted.wants_item)
    spent = inputs.capacity(wanted.ReturnConsumedCapacity, name, write_units(item_size(old or key)))
    if wanted.ReturnValues == "ALL_OLD" and old is not None:
        return {"Attributes": write_item(old), **spent}
    return spent


async def delete_any(
    call: Call, name: str, key: Item, condition: Condition | None = None, *, wants_item: bool = False
) -> Item | None:
    """Delete what is at a key, whatever it is; the item that was there."""
    kept = await call.house.read(lambda tx: _kept(tx, call, name, key))
    if kept is not None:
        return await _release(call, kept, condition, wants_item=wants_item)
    written = await call.house.write(
        lambda tx: tables.delete_item(tx, call.caller, tables.get(tx, call.caller, name), key, condition)
    )
    if not written.applied:
        raise ConditionRefused(written.old if wants_item else None)
    return written.old


async def _release(call: Call, kept: _Kept, condition: Condition | None, *, wants_item: bool) -> Item | None:
    if condition is not None and not holds(condition, kept.item or {}):
        raise ConditionRefused(kept.item if wants_item else None)
    if kept.digest_of is not None:
        lock_items.check_digest(call.caller, kept.digest_of)
        return kept.item
    # A condition that holds on the document means that very lock: as if this credential had just read it.
    meant = kept.lock_id if condition is not None else ""
    await call.house.locking.release(call.caller, Unlock(kept.address, _TABLE, last_read=meant))
    return kept.item


def _kept(tx: Reader, call: Call, name: str, key: Item) -> _Kept | None:
    """What the key means: None for an ordinary item. A lock or digest comes before an item that somebody put there."""
    table = tables.get(tx, call.caller, name)
    place = key_of(table.schema, key)
    address = lock_items.address_of(tx, table, inputs.string_key(key, LOCK_ID))
    if address is None:
        return None
    shown = lock_items.show_lock(tx, call.caller, address)
    if shown.item is not None:
        return _Kept(address, shown.item, shown.lock_id, None)
    target = lock_items.digest_address(address)
    if tx.item(name, place.hash, place.range) is not None and lock_items.cover(tx, call.caller, address) is None:
        return None
    if target is not None and tx.state(address) is None:
        return _Kept(address, lock_items.show_digest(tx, call.caller, target), "", target)
    return _Kept(address, None, "", None)
