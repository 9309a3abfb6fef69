"""Scan: every item that the caller may see; in a lock table, held locks and digests among the ordinary items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lockhouse.core.attributes import Item
from lockhouse.core.items import Table, key_of, read_units
from lockhouse.core.ports import Reader
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import inputs, legacy, wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.operations.pages import Answered, write_page
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import lock_items, tables
from lockhouse.service.lock_items import LOCK_ID
from lockhouse.service.tables import Others, Window

_MAX_SEGMENTS = 1_000_000


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
    window = Window(
        limit=wanted.Limit or 0,
        after=after,
        keep=keep,
        segment=wanted.Segment or 0,
        segments=wanted.TotalSegments or 1,
    )
    return Answered(tables.scan(tx, call.caller, table, window, _computed(tx, call, table, after)), paths)


def _computed(tx: Reader, call: Call, table: Table, after: Item | None) -> Others | None:
    cover = lock_items.covers(tx, call.caller, table)
    if cover is None:
        return None
    lock_id = inputs.string_key(after or {}, LOCK_ID)

    def walk() -> Iterator[tuple[bytes, Item]]:
        for item in lock_items.every(tx, call.caller, lock_id or ""):
            yield key_of(table.schema, tables.key_attributes(table, item)).hash, item

    return Others(walk, cover)
