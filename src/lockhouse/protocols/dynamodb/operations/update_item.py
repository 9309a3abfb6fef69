"""UpdateItem: change an ordinary item. Lock items change by locking and unlocking only; digests are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lockhouse.core.addresses import Address
from lockhouse.core.attributes import Item, item_size
from lockhouse.core.conditions import project
from lockhouse.core.items import check_changes, write_units
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.updates import Change
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.dynamodb import inputs, legacy, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import table_name
from lockhouse.protocols.dynamodb.expressions.update import parse_update
from lockhouse.protocols.dynamodb.faults import ConditionRefused
from lockhouse.protocols.dynamodb.values import Json, read_item, write_item
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_items import DIGEST, INFO, LOCK_ID
from lockhouse.service.tables import Written


async def update_item(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ConditionalCheckFailed, ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, inputs.UpdateItem)
    name = table_name(inputs.check_write(wanted, wanted.Key, "key"))
    assert wanted.Key is not None
    inputs.check_parameters(
        wanted,
        {"UpdateExpression": wanted.UpdateExpression, "ConditionExpression": wanted.ConditionExpression},
        {"AttributeUpdates": wanted.AttributeUpdates, "Expected": wanted.Expected},
        with_values=["UpdateExpression", "ConditionExpression"],
    )
    key = read_item(wanted.Key)
    placeholders = inputs.placeholders_of(wanted)
    changes: tuple[Change, ...] = ()
    if wanted.UpdateExpression is not None:
        changes = parse_update(wanted.UpdateExpression, placeholders)
    elif wanted.AttributeUpdates:
        changes = legacy.changes_of(wanted.AttributeUpdates)
    condition = inputs.condition_of(wanted, placeholders)
    placeholders.check_used()
    if await call.house.read(lambda tx: _is_digest(tx, call, name, key, changes)):
        return {}

    def update(tx: Transaction) -> Written:
        table = tables.get(tx, call.caller, name)
        check_changes(table.schema, frozenset(str(change.path[0]) for change in changes))
        cover = lock_items.covers(tx, call.caller, table)
        return tables.update_item(tx, call.caller, table, key, changes, condition, cover)

    written = await call.house.write(update)
    if not written.applied:
        raise ConditionRefused(written.old if wanted.wants_item else None)
    size = max(item_size(written.old or {}), item_size(written.new or key))
    spent = inputs.capacity(wanted.ReturnConsumedCapacity, name, write_units(size))
    attributes = _returned(wanted.ReturnValues, changes, written)
    return {"Attributes": write_item(attributes), **spent} if attributes else spent


def _returned(mode: str | None, changes: Sequence[Change], written: Written) -> Item | None:
    paths = [change.path for change in changes]
    match mode:
        case "ALL_OLD":
            return written.old
        case "ALL_NEW":
            return written.new
        case "UPDATED_OLD":
            return project(paths, written.old or {})
        case "UPDATED_NEW":
            return project(paths, written.new or {})
    return None


def _is_digest(tx: Reader, call: Call, name: str, key: Item, changes: Sequence[Change]) -> bool:
    """Whether this writes a digest (people repair those by hand): it is answered and not needed."""
    table = tables.get(tx, call.caller, name)
    address = lock_items.address_of(tx, table, inputs.string_key(key, LOCK_ID))
    changed = {change.path[0] for change in changes}
    if address is None or not changed & {INFO, DIGEST}:
        return False
    target = lock_items.digest_address(address)
    if changed == {DIGEST} and target is not None:
        lock_items.check_digest(call.caller, target)
        return True
    _refuse(address)
    return False


def _refuse(address: Address) -> None:
    raise RequestInvalid(
        f"One or more parameter values were invalid: {address.lock_id} is the lock of a state that is kept here; it "
        "changes by locking and unlocking only",
        hint=f"lockhouse lock show {address.words}",
    )
