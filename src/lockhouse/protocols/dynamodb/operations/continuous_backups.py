"""DescribeContinuousBackups and UpdateContinuousBackups: the wish is kept; the server's own backups do the work."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.core.items import Table
from lockhouse.errors import TableNotFound
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.faults import Fault, Refusal
from lockhouse.protocols.dynamodb.operations.describe_table import read_name
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables

_RECOVERY_DAYS = 35


class PointInTimeRecoverySpecification(msgspec.Struct, kw_only=True):
    """On or off."""

    PointInTimeRecoveryEnabled: bool | None = None


class UpdateContinuousBackups(msgspec.Struct, kw_only=True):
    """UpdateContinuousBackups."""

    TableName: str | None = None
    PointInTimeRecoverySpecification: PointInTimeRecoverySpecification | None = None


async def describe_continuous_backups(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: TableNotFound, Validation, AccessDenied."""
    name = read_name(body)
    try:
        return _describe(call, await call.house.read(lambda tx: tables.get(tx, call.caller, name)))
    except TableNotFound:
        raise _no_table(name) from None


async def update_continuous_backups(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: TableNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, UpdateContinuousBackups)
    given = wanted.PointInTimeRecoverySpecification
    rules = Constraints()
    rules.own_table_name(wanted.TableName)
    rules.required(given, "pointInTimeRecoverySpecification")
    if given is not None:
        rules.required(given.PointInTimeRecoveryEnabled, "pointInTimeRecoverySpecification.pointInTimeRecoveryEnabled")
    rules.check()
    assert wanted.TableName is not None
    enabled = bool(given and given.PointInTimeRecoveryEnabled)

    def edit(table: Table) -> Table:
        since = table.backups_at if table.backups == enabled else call.caller.now
        return msgspec.structs.replace(table, backups=enabled, backups_at=since)

    name = table_name(wanted.TableName)
    try:
        return _describe(call, await call.house.write(lambda tx: tables.change(tx, call.caller, name, edit)))
    except TableNotFound:
        raise _no_table(name) from None


def _no_table(name: str) -> Refusal:
    """The actions on backups have a fault of their own for this."""
    return Refusal(Fault.NO_TABLE, f"Table not found: {name}")


def _describe(call: Call, table: Table) -> Mapping[str, Json]:
    recovery: dict[str, Json] = {"PointInTimeRecoveryStatus": "ENABLED" if table.backups else "DISABLED"}
    if table.backups:
        recovery["RecoveryPeriodInDays"] = _RECOVERY_DAYS
        recovery["EarliestRestorableDateTime"] = round(table.backups_at, 3)
        recovery["LatestRestorableDateTime"] = round(max(table.backups_at, call.caller.now), 3)
    return {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": recovery,
        }
    }
