"""BatchWriteItem: up to 25 puts and deletes. Locks and digests one after the other, then ordinary items together.

Where one is refused, the locks that the batch has taken are given back: its client is told of none of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from lockhouse.core.attributes import Item, item_size
from lockhouse.core.items import Table, key_of, write_units
from lockhouse.core.ports import Transaction
from lockhouse.errors import AwsRefusal, Problem, RequestInvalid
from lockhouse.protocols.dynamodb import inputs, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.faults import ConditionRefused
from lockhouse.protocols.dynamodb.operations import delete_item
from lockhouse.protocols.dynamodb.operations.put_item import Kept, put_kept, put_ordinary
from lockhouse.protocols.dynamodb.values import Json, WireItem, read_item
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_items import LOCK_ID

MAX_WRITES = 25
_log = logging.getLogger("lockhouse.dynamodb")


class PutRequest(msgspec.Struct, kw_only=True):
    """One item to put."""

    Item: WireItem | None = None


class DeleteRequest(msgspec.Struct, kw_only=True):
    """One key to delete."""

    Key: WireItem | None = None


class WriteRequest(msgspec.Struct, kw_only=True):
    """A put or a delete."""

    PutRequest: PutRequest | None = None
    DeleteRequest: DeleteRequest | None = None


class BatchWriteItem(msgspec.Struct, kw_only=True):
    """BatchWriteItem."""

    RequestItems: dict[str, list[WriteRequest]] | None = None
    ReturnConsumedCapacity: str | None = None
    ReturnItemCollectionMetrics: str | None = None


class _Write(msgspec.Struct, frozen=True):
    """One write, read."""

    table: str
    item: Item | None
    key: Item


async def batch_write_item(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, BatchWriteItem)
    rules = Constraints()
    rules.required(wanted.RequestItems, "requestItems")
    rules.length(wanted.RequestItems, "requestItems", 1, MAX_WRITES)
    rules.one_of(wanted.ReturnConsumedCapacity, "returnConsumedCapacity", inputs.CAPACITIES)
    rules.one_of(wanted.ReturnItemCollectionMetrics, "returnItemCollectionMetrics", ("SIZE", "NONE"))
    rules.table_names(wanted.RequestItems or {}, "requestItems")
    rules.lengths(wanted.RequestItems or {}, "requestItems", 1, MAX_WRITES)
    for name, requests in (wanted.RequestItems or {}).items():
        for at, each in enumerate(requests, 1):
            where = f"requestItems.{name}.member.{at}.member"
            if each.PutRequest is not None:
                rules.required(each.PutRequest.Item, f"{where}.putRequest.item")
            if each.DeleteRequest is not None:
                rules.required(each.DeleteRequest.Key, f"{where}.deleteRequest.key")
    rules.check()
    writes = [
        _read(table_name(name), each) for name, requests in (wanted.RequestItems or {}).items() for each in requests
    ]
    if len(writes) > MAX_WRITES:
        raise AwsRefusal("Too many items requested for the BatchWriteItem call")
    await call.house.read(
        lambda tx: _check_distinct({w.table: tables.get(tx, call.caller, w.table) for w in writes}, writes)
    )
    await _write_all(call, writes)
    answer: dict[str, Json] = {"UnprocessedItems": {}}
    spent: list[Json] = []
    for name in dict.fromkeys(write.table for write in writes):
        units = sum(write_units(item_size(w.item or w.key)) for w in writes if w.table == name)
        spent.extend(inputs.capacity(wanted.ReturnConsumedCapacity, name, units).values())
    if spent:
        answer["ConsumedCapacity"] = spent
    return answer


def _read(table: str, request: WriteRequest) -> _Write:
    put, delete = request.PutRequest, request.DeleteRequest
    if (put is None) == (delete is None):
        raise AwsRefusal(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes"
        )
    if put is not None:
        return _Write(table, read_item(put.Item or {}), {})
    assert delete is not None
    return _Write(table, None, read_item(delete.Key or {}))


def _check_distinct(found: Mapping[str, Table], writes: list[_Write]) -> None:
    seen = set()
    for write in writes:
        schema = found[write.table].schema
        keys = {key.name for key in schema.keys}
        # The words for a key, not those of PutItem for an item without one: so does AWS.
        place = key_of(schema, {name: value for name, value in (write.item or write.key).items() if name in keys})
        where = (write.table, place.hash, place.range)
        if where in seen:
            raise AwsRefusal("Provided list of item keys contains duplicates")
        seen.add(where)


async def _write_all(call: Call, writes: list[_Write]) -> None:
    def write_ordinary(tx: Transaction) -> None:
        for write in puts + deletes:
            if write.item is not None:
                put_ordinary(tx, call, write.table, write.item)
            else:
                tables.delete_item(tx, call.caller, tables.get(tx, call.caller, write.table), write.key)

    taken: list[Kept] = []
    try:
        puts = [write for write in writes if write.item is not None and not await _put(call, write, taken)]
        deletes = [write for write in writes if write.item is None and not await _delete(call, write)]
        if puts or deletes:
            await call.house.write(write_ordinary)
    except BaseException:
        for kept in taken:
            if kept.taken is not None:
                try:
                    await call.house.locking.withdraw(
                        call.caller, kept.address, kept.taken, "another of its batch was refused"
                    )
                except Problem as problem:  # the others are to be given back all the same
                    _log.warning(
                        "Cannot give back a lock of a refused batch namespace=%r key=%r error=%s",
                        *kept.address,
                        problem,
                    )
        raise


async def _put(call: Call, write: _Write, taken: list[Kept]) -> bool:
    """Whether this was a lock or digest item; then it is done."""
    assert write.item is not None
    try:
        kept = await put_kept(call, write.table, write.item)
    except ConditionRefused:
        what = f"cannot lock {write.item.get(LOCK_ID)!r}: somebody else holds it"
        raise RequestInvalid(f"One or more parameter values were invalid: {what}", hint="lockhouse lock list") from None
    if kept is not None:
        taken.append(kept)
    return kept is not None


async def _delete(call: Call, write: _Write) -> bool:
    """As `_put`."""
    name, key = write.table, write.key
    address = await call.house.read(
        lambda tx: lock_items.address_of(tx, tables.get(tx, call.caller, name), inputs.string_key(key, LOCK_ID))
    )
    if address is None:
        return False
    await delete_item.delete_any(call, name, key)
    return True
