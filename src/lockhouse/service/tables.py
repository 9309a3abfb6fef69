"""Tables and their ordinary items: create, describe, change and delete tables; put, get, update, query and scan items.

Rights: a grant names a table as it names a namespace, and the hash key (where it is a string) as it names a key. Items
are read with `read`, `lock` or `write` there and written with `lock` or `write`; changing a table needs `admin`; any
grant at all is enough to describe one. What of an address Lockhouse keeps itself (lock and digest items) is not decided
here: see `service.lock_items`.

Conditions that do not hold are results, not problems, so that the caller can be given the item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from zlib import crc32

import msgspec

from lockhouse.core.addresses import parse_lock_id
from lockhouse.core.attributes import Item, Kind, decode_item, encode_item, item_size
from lockhouse.core.conditions import Condition, holds
from lockhouse.core.items import (
    MAX_PAGE_BYTES,
    ItemKey,
    Table,
    check_size,
    decode_table,
    encode_table,
    expires_at,
    key_of,
    key_of_item,
)
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, allows, way_in
from lockhouse.core.records import ItemRecord
from lockhouse.core.updates import Change, apply, only_takes_away
from lockhouse.errors import AccessDenied, AwsRefusal, RequestInvalid, TableExists, TableNotFound
from lockhouse.service import audit, namespaces
from lockhouse.service.callers import Caller

_BATCH = 256
MAX_COMPUTED = 500
"""Items of one page where some are computed: others wait meanwhile."""
_READ = (Right.READ, Right.LOCK, Right.WRITE)
_WRITE = (Right.LOCK, Right.WRITE)


class Written(msgspec.Struct, frozen=True):
    """What became of a put, update or delete. `applied` is false when the condition did not hold: nothing changed."""

    applied: bool
    old: Item | None
    new: Item | None = None


class Page(msgspec.Struct, frozen=True):
    """One page of a query or scan."""

    items: tuple[Item, ...]
    scanned: int
    """Items looked at, before the filter."""
    size: int
    """Bytes of the items looked at."""
    last: Item | None = None
    """The key to go on after; None when this was the last page."""


Cover = Callable[[Item], "Item | None"]
"""What stands in the place of the stored item of a key (`service.lock_items.cover`)."""


class Others(msgspec.Struct, frozen=True):
    """Items of a table that are computed and not stored."""

    walk: Callable[[], Iterator[tuple[bytes, Item]]]
    """All of them from where the page begins, each with its hash key, in the order of those."""
    cover: Cover


class Window(msgspec.Struct, frozen=True):
    """Which part of a query or scan to answer."""

    limit: int = 0
    """Items to look at; 0: as many as fit in a page."""
    after: Item | None = None
    keep: Condition | None = None
    """The filter."""
    descending: bool = False
    segment: int = 0
    segments: int = 1


def create(tx: Transaction, caller: Caller, table: Table) -> Table:
    """A new table, ready at once. Needs `admin` on its name. Errors: `table.exists`, `access.denied`."""
    _require(caller, (Right.ADMIN,), table.name)
    if tx.table(table.name) is not None:
        raise TableExists(
            f"Table already exists: {table.name}", hint=f"aws dynamodb describe-table --table-name {table.name}"
        )
    table = msgspec.structs.replace(table, at=caller.now, owner=caller.who.principal)
    tx.save_table(encode_table(table))
    audit.note(tx, caller, "table.create", subject=table.name)
    return table


def ensure_lock_table(tx: Transaction, caller: Caller, table: Table) -> None:
    """That lock table, made unless it is there. Errors: as `create`; `table.exists` where one of that name has another
    key and can hold no lock."""
    known = tx.table(table.name)
    if known is None:
        create(tx, caller, table)
    elif not decode_table(known).schema.is_lock_table:
        raise TableExists(
            f"cannot make the lock table {table.name}: a table of that name has another key than the string LockID",
            hint="name another one",
        )


def get(tx: Reader, caller: Caller, name: str) -> Table:
    """The definition. Errors: `table.not_found`, `access.denied` without any grant."""
    if not caller.who.grants:
        raise AccessDenied(
            f"cannot see table {name}: {caller.who.name} has no grants",
            hint=way_in(caller.who, Right.READ, name),
            right=str(Right.READ),
        )
    record = tx.table(name)
    if record is None:
        raise TableNotFound(
            f"Requested resource not found: Table: {name} not found",
            hint=f"aws dynamodb create-table --table-name {name} --billing-mode PAY_PER_REQUEST "
            "--attribute-definitions AttributeName=LockID,AttributeType=S "
            "--key-schema AttributeName=LockID,KeyType=HASH",
        )
    return decode_table(record)


def list_names(tx: Reader, caller: Caller, after: str = "", limit: int = 100) -> tuple[Sequence[str], str]:
    """(names in order, where to go on or the empty string)."""
    if not caller.who.grants:
        raise AccessDenied(
            f"cannot list tables: {caller.who.name} has no grants",
            hint=way_in(caller.who, Right.READ, "NAMESPACE"),
            right=str(Right.READ),
        )
    names = [record.name for record in tx.tables(after, limit + 1)]
    return names[:limit], names[limit - 1] if len(names) > limit else ""


def change(tx: Transaction, caller: Caller, name: str, edit: Callable[[Table], Table]) -> Table:
    """The definition after `edit`. Needs `admin` on the table. Errors as `get`, and those of `edit`."""
    table = get(tx, caller, name)
    _require(caller, (Right.ADMIN,), name)
    changed = edit(table)
    if changed != table:
        tx.save_table(encode_table(changed))
        audit.note(tx, caller, "table.change", subject=name)
    return changed


def set_ttl(tx: Transaction, caller: Caller, name: str, attribute: str) -> Table:
    """Items end at the time in this attribute (empty: never), those already there too. Needs `admin`."""
    before = get(tx, caller, name)

    def edit(table: Table) -> Table:
        return msgspec.structs.replace(table, ttl_attribute=attribute, ttl_at=caller.now)

    if before.ttl_attribute == attribute:
        return before
    table = change(tx, caller, name, edit)
    for record in _walk(tx, table, None, None, descending=False):
        ends = expires_at(table, decode_item(record.body), caller.now)
        if ends != record.expires_at:
            tx.put_item(name, msgspec.structs.replace(record, expires_at=ends))
    return table


def delete(tx: Transaction, caller: Caller, name: str) -> Table:
    """Remove the table with its ordinary items; held locks are not the table's and stay. Needs `admin`.

    Errors as `get`; `request.invalid` under deletion protection.
    """
    table = get(tx, caller, name)
    _require(caller, (Right.ADMIN,), name)
    if table.deletion_protection:
        raise AwsRefusal(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection "
            "first."
        )
    tx.delete_table(name)
    audit.note(tx, caller, "table.delete", subject=name)
    return table


def get_item(tx: Reader, caller: Caller, table: Table, key: Item) -> Item | None:
    """The item at a key. Errors: `access.denied`, `request.invalid` when the key does not fit the schema."""
    place = key_of(table.schema, key)
    _require_item(caller, _READ, table, key)
    return _load(tx, table, place)


def put_item(
    tx: Transaction,
    caller: Caller,
    table: Table,
    item: Item,
    condition: Condition | None = None,
    cover: Cover | None = None,
) -> Written:
    """Store a whole item if the condition holds on what is there. Errors as `get_item`, and its size; with a `cover`
    that stands in its place `request.invalid`, whatever the condition, unless that does not hold."""
    place = key_of_item(table.schema, item)
    check_size(item)
    _require_item(caller, _WRITE, table, item)
    if cover is not None and (covering := cover(item)) is not None:
        return _covered(covering, condition)
    old = _load(tx, table, place)
    if condition is not None and not holds(condition, old or {}):
        return Written(applied=False, old=old)
    _save(tx, caller, table, place, item)
    return Written(applied=True, old=old, new=item)


def update_item(
    tx: Transaction,
    caller: Caller,
    table: Table,
    key: Item,
    changes: Sequence[Change] = (),
    condition: Condition | None = None,
    cover: Cover | None = None,
) -> Written:
    """Apply changes to the item, or to a new one with only its key; one that is not there is not made by taking away.

    Errors as `put_item`, and those of the changes."""
    place = key_of(table.schema, key)
    _require_item(caller, _WRITE, table, key)
    if cover is not None and (covering := cover(key)) is not None:
        return _covered(covering, condition)
    old = _load(tx, table, place)
    if condition is not None and not holds(condition, old or {}):
        return Written(applied=False, old=old)
    if old is None and only_takes_away(changes):
        return Written(applied=True, old=None)
    new = apply(changes, old if old is not None else key)
    check_size(new, updated=True)
    _save(tx, caller, table, place, new)
    return Written(applied=True, old=old, new=new)


def delete_item(
    tx: Transaction, caller: Caller, table: Table, key: Item, condition: Condition | None = None
) -> Written:
    """Remove the item if the condition holds; without one it is a success even where there is none."""
    place = key_of(table.schema, key)
    _require_item(caller, _WRITE, table, key)
    old = _load(tx, table, place)
    if condition is not None and not holds(condition, old or {}):
        return Written(applied=False, old=old)
    if old is not None:
        tx.delete_item(table.name, place.hash, place.range)
        audit.note(tx, caller, "item.delete", subject=table.name, detail=_key_text(table, key))
    return Written(applied=True, old=old)


def query(
    tx: Reader, caller: Caller, table: Table, hash_key: Item, range_condition: Condition | None, window: Window
) -> Page:
    """Items of one hash key in the order of their range keys. `hash_key` holds just the hash attribute."""
    _require_item(caller, _READ, table, hash_key)
    first = key_of(msgspec.structs.replace(table.schema, range=None), hash_key).hash
    after = _place_after(table, window)
    if after is not None and after[0] != first:
        raise AwsRefusal("The provided starting key is outside query boundaries based on provided conditions")

    items = (decode_item(record.body) for record in _walk(tx, table, first, after, descending=window.descending))
    return _page(table, (item for item in items if range_condition is None or holds(range_condition, item)), window)


def scan(tx: Reader, caller: Caller, table: Table, window: Window, others: Others | None = None) -> Page:
    """All items that the caller may read, in the order of their keys, and the others of the table."""
    after = _place_after(table, window)
    if after is not None and crc32(after[0]) % window.segments != window.segment:
        raise AwsRefusal(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with "
            f"correct Segment. TotalSegments: {window.segments} Segment: {window.segment}"
        )

    def is_meant(hash_key: bytes) -> bool:
        return window.segments == 1 or crc32(hash_key) % window.segments == window.segment

    own = (
        (record.hash_key, item)
        for record in _walk(tx, table, None, after, descending=False)
        if is_meant(record.hash_key) and _may(caller, _READ, table, item := decode_item(record.body))
    )
    if others is None:
        return _page(table, (item for _, item in own), window)
    computed = ((hash_key, item) for hash_key, item in others.walk() if is_meant(hash_key))
    return _page(table, _merged(own, computed, others.cover), window, MAX_COMPUTED)


def _covered(covering: Item, condition: Condition | None) -> Written:
    if condition is not None and not holds(condition, covering):
        return Written(applied=False, old=covering)
    lock_id = str(covering["LockID"])
    raise RequestInvalid(
        f"One or more parameter values were invalid: {lock_id!r} is kept here and its item is computed, no other can "
        "be written there now",
        hint="choose another key; where it is a lock: lockhouse lock list",
    )


def may_read(caller: Caller, table: Table, key: Item) -> bool:
    """Whether the caller may read the ordinary item at this key."""
    return _may(caller, _READ, table, key)


def key_attributes(table: Table, item: Item) -> Item:
    """Only the key of an item."""
    return {key.name: item[key.name] for key in table.schema.keys}


def page_of(table: Table, items: Iterable[Item], window: Window) -> Page:
    """The page that these items make, all of them from where the window begins."""
    return _page(table, iter(items), window)


def _merged(
    own: Iterator[tuple[bytes, Item]],
    others: Iterator[tuple[bytes, Item]],
    cover: Cover,
) -> Iterator[Item]:
    """Both in the order of their keys; of two with one key that of the others."""
    mine, other = next(own, None), next(others, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine[0] < other[0]):
            assert mine is not None
            yield cover(mine[1]) or mine[1]
            mine = next(own, None)
            continue
        yield other[1]
        if mine is not None and mine[0] == other[0]:
            mine = next(own, None)
        other = next(others, None)


def _page(table: Table, items: Iterator[Item], window: Window, most: int = 0) -> Page:
    kept: list[Item] = []
    scanned = size = 0
    for item in items:
        scanned += 1
        size += item_size(item)
        if window.keep is None or holds(window.keep, item):
            kept.append(item)
        if scanned in (window.limit, most) or size >= MAX_PAGE_BYTES:
            return Page(tuple(kept), scanned, size, key_attributes(table, item))
    return Page(tuple(kept), scanned, size)


def _walk(
    tx: Reader, table: Table, hash_key: bytes | None, after: tuple[bytes, bytes] | None, *, descending: bool
) -> Iterator[ItemRecord]:
    while True:
        records = tx.items(table.name, hash_key, after, _BATCH, descending=descending)
        yield from records
        if len(records) < _BATCH:
            return
        after = (records[-1].hash_key, records[-1].range_key)


def _place_after(table: Table, window: Window) -> tuple[bytes, bytes] | None:
    if window.after is None:
        return None
    try:
        place = key_of(table.schema, window.after)
    except RequestInvalid as problem:
        raise AwsRefusal(f"The provided starting key is invalid: {problem.message}") from None
    return place.hash, place.range


def _load(tx: Reader, table: Table, place: ItemKey) -> Item | None:
    record = tx.item(table.name, place.hash, place.range)
    return None if record is None else decode_item(record.body)


def _save(tx: Transaction, caller: Caller, table: Table, place: ItemKey, item: Item) -> None:
    ends = expires_at(table, item, caller.now)
    tx.put_item(table.name, ItemRecord(place.hash, place.range, encode_item(item), ends))
    audit.note(tx, caller, "item.write", subject=table.name, detail=_key_text(table, item))


def _key_text(table: Table, key: Item) -> str:
    value = key.get(table.schema.hash.name)
    return value if table.schema.hash.kind is Kind.S and isinstance(value, str) else ""


def _may(caller: Caller, rights: tuple[Right, ...], table: Table, key: Item) -> bool:
    text = _key_text(table, key)
    return any(allows(caller.who.grants, right, table.name, text) for right in rights)


def _require_item(caller: Caller, rights: tuple[Right, ...], table: Table, key: Item) -> None:
    text = _key_text(table, key)
    address = parse_lock_id(text) if table.schema.is_lock_table else None
    if address is not None and not _may(caller, rights, table, key):
        # In the words for an address of a namespace, so that nobody learns from a refusal which namespaces there are.
        namespaces.require_sight(caller, address.namespace)
    _require(caller, rights, table.name, text)


def _require(caller: Caller, rights: tuple[Right, ...], table: str, key: str = "") -> None:
    if not any(allows(caller.who.grants, right, table, key) for right in rights):
        where = f"{table} {key}".rstrip()
        raise AccessDenied(
            f"cannot use table {where}: {caller.who.name} has no grant of '{rights[0]}' there",
            hint=way_in(caller.who, rights[0], table),
            right=str(rights[0]),
        )
