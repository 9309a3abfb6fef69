"""Scan: every item that the caller may see; in a lock table, held locks and digests follow the ordinary items."""

from __future__ import annotations

from collections.abc import Mapping

from lockhouse.core.attributes import Item, item_size
from lockhouse.core.conditions import Condition, holds
from lockhouse.core.items import MAX_PAGE_BYTES, Table, key_of, read_units
from lockhouse.core.ports import Reader
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import inputs, legacy, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.operations.pages import Answered, write_page
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_items import LOCK_ID
from lockhouse.service.tables import Page, Window

_MAX_SEGMENTS = 1_000_000
_MAX_KEPT = 500
"""Lock and digest items of one page: each is computed, and others wait meanwhile."""


class Scan(inputs.Search, kw_only=True):
    """Scan."""

    ScanFilter: dict[str, legacy.FilterCondition] | None = None
    Segment: int | None = None
    TotalSegments: int | None = None


async def scan(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, Scan)
    name = table_name(inputs.check_search(wanted, {"scanFilter": wanted.ScanFilter}))
    inputs.check_parameters(
        wanted,
        {"ProjectionExpression": wanted.ProjectionExpression, "FilterExpression": wanted.FilterExpression},
        {
            "AttributesToGet": wanted.AttributesToGet,
            "ScanFilter": wanted.ScanFilter,
            "ConditionalOperator": wanted.ConditionalOperator,
        },
        with_values=["FilterExpression"],
    )
    _check_segments(wanted)
    after = inputs.start_of(wanted)
    page = await call.house.read(lambda tx: _scan(tx, call, name, wanted, after))
    units = read_units(page.page.size, consistent=bool(wanted.ConsistentRead))
    return write_page(page, wanted.Select, inputs.capacity(wanted.ReturnConsumedCapacity, name, units))


def _check_segments(wanted: Scan) -> None:
    rules = Constraints()
    rules.between(wanted.Segment, "segment", 0, _MAX_SEGMENTS - 1)
    rules.between(wanted.TotalSegments, "totalSegments", 1, _MAX_SEGMENTS)
    rules.check()
    if wanted.Segment is not None and wanted.TotalSegments is None:
        raise AwsRefusal(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is "
            "present"
        )
    if wanted.TotalSegments is None:
        return
    if wanted.Segment is None:
        raise AwsRefusal(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is "
            "present"
        )
    if wanted.Segment >= wanted.TotalSegments:
        raise AwsRefusal(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {wanted.Segment} is not less than TotalSegments: {wanted.TotalSegments}"
        )


def _scan(tx: Reader, call: Call, name: str, wanted: Scan, after: Item | None) -> Answered:
    placeholders = inputs.placeholders_of(wanted)
    table = tables.get(tx, call.caller, name)
    keep = inputs.filter_of(wanted, wanted.ScanFilter, placeholders)
    paths = inputs.projection_of(wanted.ProjectionExpression, wanted.AttributesToGet, placeholders, table.schema)
    placeholders.check_used()
    first = wanted.Segment in (None, 0)
    window = Window(
        limit=wanted.Limit or 0,
        after=after,
        keep=keep,
        segment=wanted.Segment or 0,
        segments=wanted.TotalSegments or 1,
    )
    resumed = _resumed_at(tx, table, after)
    page = Page((), 0, 0) if resumed else tables.scan(tx, call.caller, table, window)
    if page.last is None and first and table.schema.is_lock_table:
        page = _add_kept(tx, call, page, resumed, wanted.Limit or 0, keep)
    return Answered(page, paths)


def _resumed_at(tx: Reader, table: Table, after: Item | None) -> str:
    """The LockID of a lock or digest item after which to go on; empty while ordinary items are being shown."""
    if after is None:
        return ""
    lock_id = after.get(LOCK_ID)
    if lock_items.address_of(tx, table, lock_id) is None:
        return ""
    place = key_of(table.schema, after)
    ordinary = tx.item(table.name, place.hash, place.range) is not None
    return lock_id if isinstance(lock_id, str) and not ordinary else ""


def _add_kept(tx: Reader, call: Call, page: Page, resumed: str, limit: int, keep: Condition | None) -> Page:
    items, scanned, size = list(page.items), page.scanned, page.size
    end = min(limit or _MAX_KEPT + scanned, _MAX_KEPT + scanned)
    for item in lock_items.every(tx, call.caller, resumed):
        scanned += 1
        size += item_size(item)
        if keep is None or holds(keep, item):
            items.append(item)
        if scanned == end or size >= MAX_PAGE_BYTES:
            return Page(tuple(items), scanned, size, {LOCK_ID: item[LOCK_ID]})
    return Page(tuple(items), scanned, size)
