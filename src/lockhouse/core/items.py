"""Ordinary tables and their items: schemas, keys, limits and time to live, with DynamoDB's semantics and wording.

People keep more than Terraform's lock in a lock table (the lock libraries do), so tables are real tables. What a lock
item is, is not decided here (`core.locks` has the lock). Functions raise RequestInvalid (`request.invalid`) with the
message that DynamoDB gives. Source: Amazon DynamoDB API reference, 2012-08-10, and "Service, account, and table
quotas".
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

import msgspec

from lockhouse.core.attributes import Item, Kind, encode_key, item_size, kind_of
from lockhouse.core.conditions import Path
from lockhouse.core.records import TableRecord
from lockhouse.errors import AwsRefusal, RequestInvalid

MAX_ITEM_BYTES = 400 * 1024
MAX_HASH_KEY_BYTES = 2048
MAX_RANGE_KEY_BYTES = 1024
MAX_PAGE_BYTES = 1024 * 1024
"""A page of Query or Scan ends here."""
TTL_MAX_AGE = 5 * 365.25 * 86400
"""Times to live further in the past than five years are ignored (developer guide, "Time to Live")."""
TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_INVALID = "One or more parameter values were invalid: "
_NO_MATCH = "The provided key element does not match the schema"


class KeyAttribute(msgspec.Struct, frozen=True):
    """One attribute of the primary key; its kind is S, N or B."""

    name: str
    kind: Kind


_STRING = Kind.S


class Schema(msgspec.Struct, frozen=True, omit_defaults=True):
    """The primary key: a hash key and perhaps a range key."""

    hash: KeyAttribute
    range: KeyAttribute | None = None

    @property
    def keys(self) -> tuple[KeyAttribute, ...]:
        return (self.hash,) if self.range is None else (self.hash, self.range)

    @property
    def is_lock_table(self) -> bool:
        """Only a table with the one string key `LockID` can hold Terraform's lock."""
        return self.range is None and self.hash.name == "LockID" and self.hash.kind is _STRING


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """A table as defined: everything that Describe answers except its counters."""

    name: str
    id: str
    """A UUID, new for every creation of the name."""
    schema: Schema
    at: float
    """Created, in seconds since 1970-01-01T00:00:00Z."""
    billing: str = "PROVISIONED"
    read_units: int = 0
    write_units: int = 0
    billing_at: float = 0.0
    table_class: str = ""
    deletion_protection: bool = False
    sse: bool = False
    kms_key: str = ""
    ttl_attribute: str = ""
    ttl_at: float = 0.0
    backups: bool = False
    """Point-in-time recovery, as asked for: the whole server's backups are Lockhouse's own."""
    backups_at: float = 0.0
    tags: dict[str, str] = {}
    owner: str = ""
    """The principal that created it."""


def lock_table(name: str, table_id: str, now: float) -> Table:
    """The table that `dynamodb_table` names. Errors: `request.invalid` for a name that no table can have."""
    if not TABLE_NAME.fullmatch(name):
        raise RequestInvalid(
            f"cannot make a lock table named '{name}': a table's name has 3 to 255 letters, digits, '_', '-' or '.'",
            hint="lockhouse namespace create NAMESPACE --lock-table TABLE",
        )
    schema = Schema(KeyAttribute("LockID", Kind.S))
    return Table(name=name, id=table_id, schema=schema, at=now, billing="PAY_PER_REQUEST", billing_at=now)


class ItemKey(msgspec.Struct, frozen=True):
    """Where an item is: the order-preserving bytes of its key attributes. `range` is empty without a range key."""

    hash: bytes
    range: bytes = b""


_decode_table = lru_cache(maxsize=256)(msgspec.msgpack.Decoder(Table).decode)


def encode_table(table: Table) -> TableRecord:
    """A definition as stored."""
    return TableRecord(name=table.name, body=msgspec.msgpack.encode(table))


@lru_cache(maxsize=256)
def decode_table(record: TableRecord) -> Table:
    """The inverse of `encode_table`. Every lock request asks what its table is, and hardly any table ever changes."""
    return _decode_table(record.body)


def key_of_item(schema: Schema, item: Item) -> ItemKey:
    """The key of an item to be put; the item must carry every key attribute with the right type."""
    for key in schema.keys:
        if key.name not in item:
            raise AwsRefusal(f"{_INVALID}Missing the key {key.name} in the item")
        actual = kind_of(item[key.name])
        if actual != key.kind:
            raise AwsRefusal(f"{_INVALID}Type mismatch for key {key.name} expected: {key.kind} actual: {actual}")
    return _encoded(schema, item)


def key_of(schema: Schema, key: Item) -> ItemKey:
    """The key that a request names; exactly the key attributes with the right types."""
    if len(key) != len(schema.keys) or any(
        part.name not in key or kind_of(key[part.name]) != part.kind for part in schema.keys
    ):
        raise AwsRefusal(_NO_MATCH)
    return _encoded(schema, key)


def _encoded(schema: Schema, item: Item) -> ItemKey:
    first = _encoded_part(schema.hash, item)
    if len(first) > MAX_HASH_KEY_BYTES and schema.hash.kind is not Kind.N:
        raise AwsRefusal(f"{_INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes")
    if schema.range is None:
        return ItemKey(first)
    second = _encoded_part(schema.range, item)
    if len(second) > MAX_RANGE_KEY_BYTES and schema.range.kind is not Kind.N:
        raise AwsRefusal(f"{_INVALID}Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
    return ItemKey(first, second)


def _encoded_part(part: KeyAttribute, item: Item) -> bytes:
    encoded = encode_key(item[part.name])
    if not encoded:
        what = "string" if part.kind is Kind.S else "binary"
        raise AwsRefusal(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty {what} value. Key: {part.name}"
        )
    return encoded


def check_size(item: Item, *, updated: bool = False) -> None:
    """Refuse an item of more than 400 KB."""
    if item_size(item, MAX_ITEM_BYTES) > MAX_ITEM_BYTES:
        raise item_too_large(updated=updated)


def item_too_large(*, updated: bool) -> AwsRefusal:
    return AwsRefusal(
        "Item size to update has exceeded the maximum allowed size"
        if updated
        else "Item size has exceeded the maximum allowed size"
    )


def check_paths(schema: Schema, paths: tuple[Path, ...]) -> None:
    """Refuse document paths that go inside a key attribute."""
    names = {key.name for key in schema.keys}
    for path in paths:
        if len(path) > 1 and path[0] in names:
            raise AwsRefusal(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
                f"Key: {path[0]}"
            )


def check_changes(schema: Schema, names: frozenset[str]) -> None:
    """Refuse updates of key attributes."""
    for key in schema.keys:
        if key.name in names:
            raise AwsRefusal(f"{_INVALID}Cannot update attribute {key.name}. This attribute is part of the key")


def expires_at(table: Table, item: Item, now: float) -> float:
    """When the item ends by the table's time to live, in seconds since 1970; 0: never.

    A time that is absurdly long ago means that the number is not a time in seconds.
    """
    if not table.ttl_attribute:
        return 0.0
    value = item.get(table.ttl_attribute)
    if not isinstance(value, Decimal) or value <= 0 or value <= now - TTL_MAX_AGE:
        return 0.0
    return float(value)


def read_units(size: int, *, consistent: bool) -> float:
    """Capacity units of reading `size` bytes: one for each 4 KB, half for an eventually consistent read."""
    units = max(1, -(-size // 4096))
    return float(units) if consistent else units / 2


def write_units(size: int) -> float:
    """Capacity units of writing an item of `size` bytes: one for each KB."""
    return float(max(1, -(-size // 1024)))
