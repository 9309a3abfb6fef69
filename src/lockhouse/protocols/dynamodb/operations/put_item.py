"""PutItem: take a lock, accept a digest, or store an ordinary item."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from lockhouse.core.addresses import Address, parse_lock_id
from lockhouse.core.attributes import Item, item_size
from lockhouse.core.conditions import Condition, holds
from lockhouse.core.items import MAX_ITEM_BYTES, Table, check_size, write_units
from lockhouse.core.locks import Facet
from lockhouse.core.ports import Reader, Transaction
from lockhouse.errors import AwsRefusal, LockHeld, NamespaceNotFound, RequestInvalid, StorageUnavailable
from lockhouse.protocols.dynamodb import inputs, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import table_name
from lockhouse.protocols.dynamodb.faults import ConditionRefused
from lockhouse.protocols.dynamodb.values import Json, read_item, write_item
from lockhouse.runtime.recollections import Asker
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_documents import read_document
from lockhouse.service.lock_items import DIGEST, INFO, LOCK_ID
from lockhouse.service.locks import TakeLock, Taken
from lockhouse.service.tables import Written

_TABLE = Facet.TABLE
_LOCK_ATTRIBUTES = frozenset({LOCK_ID, INFO})
_DIGEST_ATTRIBUTES = frozenset({LOCK_ID, DIGEST})
_MAX_TEXT_ID = 256
_LONG_INFO = MAX_ITEM_BYTES // 2
"""Bytes from which on it is worth to ask whether the item is too large."""


_log = logging.getLogger("lockhouse.dynamodb")


async def put_item(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ConditionalCheckFailed, ResourceNotFound, Validation, AccessDenied; the lock may be waited for."""
    quick = wire.read_take(body)
    if quick is not None and quick.info:
        meant = parse_lock_id(quick.lock_id)
        if meant is not None:
            taken = await take(call, meant, quick.info, lambda tx: _keeps(tx, call, quick.table, meant))
            if taken is not None:
                return {}
    wanted = wire.read(body, inputs.PutItem)
    name = table_name(inputs.check_write(wanted, wanted.Item, "item"))
    assert wanted.Item is not None
    inputs.check_parameters(
        wanted,
        {"ConditionExpression": wanted.ConditionExpression},
        {"Expected": wanted.Expected},
        with_values=["ConditionExpression"],
    )
    item = read_item(wanted.Item)
    if wanted.ReturnValues not in (None, "NONE", "ALL_OLD"):
        raise AwsRefusal("ReturnValues can only be ALL_OLD or NONE")
    placeholders = inputs.placeholders_of(wanted)
    condition = inputs.condition_of(wanted, placeholders)
    placeholders.check_used()
    kept = await put_kept(call, name, item, condition, wants_item=wanted.wants_item)
    if kept is not None:
        return inputs.capacity(wanted.ReturnConsumedCapacity, name, write_units(item_size(item)))
    written = await call.house.write(lambda tx: put_ordinary(tx, call, name, item, condition))
    if not written.applied:
        raise ConditionRefused(written.old if wanted.wants_item else None)
    size = max(item_size(item), item_size(written.old or {}))
    spent = inputs.capacity(wanted.ReturnConsumedCapacity, name, write_units(size))
    if wanted.ReturnValues == "ALL_OLD" and written.old is not None:
        return {"Attributes": write_item(written.old), **spent}
    return spent


def put_ordinary(tx: Transaction, call: Call, name: str, item: Item, condition: Condition | None = None) -> Written:
    """Put an ordinary item, unless what is kept here stands at its key. Errors: `storage.unavailable` for a lock or
    digest item: when it was looked at, its namespace was not there yet."""
    table = tables.get(tx, call.caller, name)
    address = lock_items.address_of(tx, table, item.get(LOCK_ID)) if INFO in item or DIGEST in item else None
    if address is not None:
        raise StorageUnavailable(
            f"cannot put {address.lock_id}: its namespace was made in the same moment",
            hint="send the same request again",
        )
    return tables.put_item(tx, call.caller, table, item, condition, lock_items.covers(tx, call.caller, table))


def take(
    call: Call, address: Address, info: str, kept: Callable[[Reader], bool] | None = None
) -> Awaitable[Taken | None]:
    """Take the lock of an address with this document. A text that is no lock document is its own id, a long one by its
    digest. `kept`, None and errors: as `House.take_lock`."""
    raw = info.encode()
    if len(raw) > _LONG_INFO:
        check_size({LOCK_ID: address.lock_id, INFO: info})
    document = read_document(raw)
    lock_id = ""
    if not document.id:
        lock_id = info if len(info) <= _MAX_TEXT_ID else hashlib.sha256(raw).hexdigest()
    command = TakeLock(address, _TABLE, raw, lock_id, document=document)
    return call.house.locking.take(call.caller, command, call.gone, kept)


class Kept(msgspec.Struct, frozen=True):
    """A lock or digest item that was put."""

    address: Address
    taken: Taken | None = None
    """The lock, where it is one."""


async def put_kept(
    call: Call, name: str, item: Item, condition: Condition | None = None, *, wants_item: bool = False
) -> Kept | None:
    """Put a lock or digest item; None when the item is an ordinary one."""
    if INFO not in item and DIGEST not in item:
        return None
    address = await call.house.read(lambda tx: _address(tx, call, name, item.get(LOCK_ID)))
    if address is None:
        return None
    info = item.get(INFO)
    if item.keys() == _DIGEST_ATTRIBUTES:
        target = lock_items.digest_address(address)
        if target is not None:
            lock_items.check_digest(call.caller, target)
            current = await call.house.read(lambda tx: lock_items.show_digest(tx, call.caller, target))
            if current is not None and current[DIGEST] != item[DIGEST]:
                _log.warning("Digest is not that of the current version namespace=%r key=%r", *target)
            return Kept(address)
    if item.keys() != _LOCK_ATTRIBUTES or not isinstance(info, str) or not info:
        raise RequestInvalid(
            f"One or more parameter values were invalid: {address.lock_id} is the lock of a state that is kept here, "
            "so its item has LockID and Info (a string) only",
            hint=f"leave the other attributes out; lockhouse lock show {address.words}",
        )
    shown = await call.house.read(lambda tx: lock_items.show_lock(tx, call.caller, address))
    if condition is not None and not _is_not_exists(condition, shown.item) and not holds(condition, shown.item or {}):
        raise ConditionRefused(shown.item if wants_item else None)
    try:
        return Kept(address, await take(call, address, info))
    except LockHeld as problem:
        if wants_item:
            await call.house.recollections.told(Asker.of(call.caller), address)
        raise ConditionRefused(lock_items.lock_item(address, problem.info) if wants_item else None) from None


def _is_not_exists(condition: Condition, shown: Item | None) -> bool:
    """Whether only "nobody holds it" is asked: then the lock's own rule decides, and the request may wait."""
    return shown is not None and holds(condition, {}) and not holds(condition, shown)


def _keeps(tx: Reader, call: Call, name: str, address: Address) -> bool:
    try:
        return lock_items.keeps(tx, tables.get(tx, call.caller, table_name(name)), address)
    except NamespaceNotFound:
        return False


def _address(tx: Reader, call: Call, name: str, lock_id: object) -> Address | None:
    try:
        table: Table = tables.get(tx, call.caller, table_name(name))
        return lock_items.address_of(tx, table, lock_id)
    except NamespaceNotFound:
        return None
