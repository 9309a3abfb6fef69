"""DescribeTimeToLive and UpdateTimeToLive. Ended items go with the next sweep, as in AWS some time later."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.core.ports import Transaction
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.operations.describe_table import read_name
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables


class TimeToLiveSpecification(msgspec.Struct, kw_only=True):
    """On or off, and by which attribute."""

    Enabled: bool | None = None
    AttributeName: str | None = None


class UpdateTimeToLive(msgspec.Struct, kw_only=True):
    """UpdateTimeToLive."""

    TableName: str | None = None
    TimeToLiveSpecification: TimeToLiveSpecification | None = None


async def describe_time_to_live(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    name = read_name(body)
    table = await call.house.read(lambda tx: tables.get(tx, call.caller, name))
    if not table.ttl_attribute:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": table.ttl_attribute}}


async def update_time_to_live(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, UpdateTimeToLive)
    given = wanted.TimeToLiveSpecification
    rules = Constraints()
    rules.own_table_name(wanted.TableName)
    rules.required(given, "timeToLiveSpecification")
    if given is not None:
        rules.required(given.Enabled, "timeToLiveSpecification.enabled")
        rules.required(given.AttributeName, "timeToLiveSpecification.attributeName")
        rules.length(given.AttributeName, "timeToLiveSpecification.attributeName", 1, 255)
    rules.check()
    assert wanted.TableName is not None
    assert given is not None
    name, attribute, enabled = table_name(wanted.TableName), given.AttributeName or "", bool(given.Enabled)

    def update(tx: Transaction) -> None:
        current = tables.get(tx, call.caller, name).ttl_attribute
        if enabled and current:
            raise AwsRefusal("TimeToLive is already enabled")
        if not enabled and not current:
            raise AwsRefusal("TimeToLive is already disabled")
        if not enabled and current != attribute:
            raise AwsRefusal("TimeToLive is active on a different AttributeName: current AttributeName is " + current)
        tables.set_ttl(tx, call.caller, name, attribute if enabled else "")

    await call.house.write(update)
    return {"TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": attribute}}
