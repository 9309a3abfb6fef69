"""GetItem: show a lock or a digest, or read an ordinary item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lockhouse.core.attributes import Item, item_size
from lockhouse.core.conditions import Path, project
from lockhouse.core.items import key_of, read_units
from lockhouse.core.ports import Reader
from lockhouse.protocols.dynamodb import inputs, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.values import Json, read_item, write_item
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_items import DIGEST, INFO, LOCK_ID, Shown


async def get_item(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    quick = wire.read_show(body)
    if quick is not None:
        key: Item = {LOCK_ID: quick.lock_id}
        shown = await call.house.read(
            lambda tx: load(tx, call, table_name(quick.table), key, ((LOCK_ID,), (quick.attribute,)))
        )
        item = await remember(call, shown)
        return {} if item is None else {"Item": write_item(item)}
    wanted = wire.read(body, inputs.GetItem)
    rules = Constraints()
    rules.table_name(wanted.TableName)
    rules.required(wanted.Key, "key")
    rules.one_of(wanted.ReturnConsumedCapacity, "returnConsumedCapacity", inputs.CAPACITIES)
    rules.check()
    assert wanted.TableName is not None
    assert wanted.Key is not None
    inputs.check_parameters(
        wanted,
        {"ProjectionExpression": wanted.ProjectionExpression},
        {"AttributesToGet": wanted.AttributesToGet},
    )
    name, key = table_name(wanted.TableName), read_item(wanted.Key)
    placeholders = inputs.placeholders_of(wanted)

    def look(tx: Reader) -> Shown:
        schema = tables.get(tx, call.caller, name).schema
        paths = inputs.projection_of(wanted.ProjectionExpression, wanted.AttributesToGet, placeholders, schema)
        return load(tx, call, name, key, paths)

    shown = await call.house.read(look)
    placeholders.check_used()
    item = await remember(call, shown)
    units = read_units(max(shown.size, item_size(item or {})), consistent=bool(wanted.ConsistentRead))
    spent = inputs.capacity(wanted.ReturnConsumedCapacity, name, units)
    return spent if item is None else {"Item": write_item(item), **spent}


def load(tx: Reader, call: Call, name: str, key: Item, paths: Sequence[Path] | None) -> Shown:
    """The item at a key, narrowed to the paths: a lock or digest item where it is asked for, else an ordinary one."""
    table = tables.get(tx, call.caller, name)
    key_of(table.schema, key)
    address = lock_items.address_of(tx, table, inputs.string_key(key, LOCK_ID))
    shown = Shown(None)
    if address is not None:
        call.trail.address = address
        asked = None if paths is None else {path[0] for path in paths}
        target = lock_items.digest_address(address)
        if asked is None:
            shown = lock_items.show_either(tx, call.caller, address)
        elif INFO in asked:
            shown = lock_items.show_lock(tx, call.caller, address)
        elif DIGEST in asked and target is not None:
            shown = Shown(lock_items.show_digest(tx, call.caller, target))
        else:
            # It is told that there is a lock, but not which, so that none was read.
            shown = Shown(lock_items.cover(tx, call.caller, address))
        if shown.item is None and asked is not None and asked & {INFO, DIGEST}:
            return shown
    item = shown.item
    if item is None and (address is None or tables.may_read(call.caller, table, key)):
        item = tables.get_item(tx, call.caller, table, key)
    size = item_size(item or {})
    if item is not None and paths is not None:
        item = project(paths, item)
    return Shown(item, shown.address, shown.lock_id, size)


async def remember(call: Call, shown: Shown) -> Item | None:
    """The item to answer. An unlock names no id and means the lock that its sender read last, so that is remembered;
    and whoever was refused a moment ago is shown by which lock, even if it was released in between."""
    address, item = shown.address, shown.item
    if address is None or (item is not None and not shown.lock_id):
        return item
    if item is not None:
        await call.house.locking.saw(call.caller, address, (shown.lock_id, b""))
        return item
    document = await call.house.locking.saw(call.caller, address, None)
    return None if document is None else lock_items.lock_item(address, document)
