"""UpdateTable: billing, capacity, class, encryption and deletion protection."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lockhouse.core.items import Table
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import descriptions as parts
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.operations.create_table import BILLING_MODES, TABLE_CLASSES
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables


class UpdateTable(msgspec.Struct, kw_only=True):
    """UpdateTable."""

    TableName: str | None = None
    AttributeDefinitions: list[parts.AttributeDefinition] | None = None
    BillingMode: str | None = None
    ProvisionedThroughput: parts.ProvisionedThroughput | None = None
    GlobalSecondaryIndexUpdates: list[msgspec.Raw] | None = None
    ReplicaUpdates: list[msgspec.Raw] | None = None
    StreamSpecification: parts.StreamSpecification | None = None
    SSESpecification: parts.SSESpecification | None = None
    TableClass: str | None = None
    DeletionProtectionEnabled: bool | None = None


async def update_table(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, UpdateTable)
    rules = Constraints()
    rules.own_table_name(wanted.TableName)
    rules.one_of(wanted.BillingMode, "billingMode", BILLING_MODES)
    rules.one_of(wanted.TableClass, "tableClass", TABLE_CLASSES)
    parts.check_throughput(rules, wanted.ProvisionedThroughput)
    rules.check()
    assert wanted.TableName is not None
    parts.refuse_indexes(None, wanted.GlobalSecondaryIndexUpdates, wanted.StreamSpecification, wanted.ReplicaUpdates)
    given = (
        wanted.BillingMode,
        wanted.ProvisionedThroughput,
        wanted.SSESpecification,
        wanted.TableClass,
        wanted.DeletionProtectionEnabled,
        wanted.StreamSpecification,
    )
    if all(each is None for each in given):
        raise AwsRefusal(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
            "SSESpecification or ReplicaUpdates is required"
        )
    name = table_name(wanted.TableName)
    table = await call.house.write(
        lambda tx: tables.change(tx, call.caller, name, lambda table: _changed(call, table, wanted))
    )
    return {"TableDescription": parts.describe(call, table)}


def _changed(call: Call, table: Table, wanted: UpdateTable) -> Table:
    billing, reads, writes = table.billing, table.read_units, table.write_units
    if wanted.BillingMode is not None or wanted.ProvisionedThroughput is not None:
        billing, reads, writes = parts.read_billing(wanted.BillingMode or billing, wanted.ProvisionedThroughput)
    sse = wanted.SSESpecification
    protected = wanted.DeletionProtectionEnabled
    return msgspec.structs.replace(
        table,
        billing=billing,
        read_units=reads,
        write_units=writes,
        billing_at=table.billing_at if billing == table.billing else call.caller.now,
        table_class=wanted.TableClass or table.table_class,
        deletion_protection=table.deletion_protection if protected is None else protected,
        sse=table.sse if sse is None else bool(sse.Enabled),
        kms_key=table.kms_key if sse is None else sse.KMSMasterKeyId or "",
    )
