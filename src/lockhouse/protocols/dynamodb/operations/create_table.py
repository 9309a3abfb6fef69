"""CreateTable: a hash key, perhaps a range key, ready at once."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec

from lockhouse.core.items import Table
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.dynamodb import descriptions as parts
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables

BILLING_MODES = ("PROVISIONED", "PAY_PER_REQUEST")
TABLE_CLASSES = ("STANDARD", "STANDARD_INFREQUENT_ACCESS")


class CreateTable(msgspec.Struct, kw_only=True):
    """CreateTable."""

    TableName: str | None = None
    AttributeDefinitions: list[parts.AttributeDefinition] | None = None
    KeySchema: list[parts.KeySchemaElement] | None = None
    BillingMode: str | None = None
    ProvisionedThroughput: parts.ProvisionedThroughput | None = None
    LocalSecondaryIndexes: list[msgspec.Raw] | None = None
    GlobalSecondaryIndexes: list[msgspec.Raw] | None = None
    StreamSpecification: parts.StreamSpecification | None = None
    SSESpecification: parts.SSESpecification | None = None
    Tags: list[parts.Tag] | None = None
    TableClass: str | None = None
    DeletionProtectionEnabled: bool | None = None


async def create_table(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceInUse when it exists, Validation, AccessDenied."""
    wanted = wire.read(body, CreateTable)
    rules = Constraints()
    rules.own_table_name(wanted.TableName)
    rules.required(wanted.AttributeDefinitions, "attributeDefinitions")
    parts.check_definitions(rules, wanted.AttributeDefinitions)
    rules.required(wanted.KeySchema, "keySchema")
    rules.length(wanted.KeySchema, "keySchema", 1, 2)
    for at, each in enumerate(wanted.KeySchema or (), 1):
        rules.required(each.AttributeName, f"keySchema.{at}.member.attributeName")
        rules.required(each.KeyType, f"keySchema.{at}.member.keyType")
        rules.one_of(each.KeyType, f"keySchema.{at}.member.keyType", ("HASH", "RANGE"))
    rules.one_of(wanted.BillingMode, "billingMode", BILLING_MODES)
    rules.one_of(wanted.TableClass, "tableClass", TABLE_CLASSES)
    parts.check_throughput(rules, wanted.ProvisionedThroughput)
    rules.check()
    assert wanted.TableName is not None
    if wanted.TableName.startswith("arn:"):
        raise RequestInvalid(
            "Invalid table name: a new table is named, not addressed by an ARN",
            hint="give the name alone",
            argument="TableName",
        )
    parts.refuse_indexes(wanted.LocalSecondaryIndexes, wanted.GlobalSecondaryIndexes, wanted.StreamSpecification, None)
    schema = parts.read_schema(wanted.AttributeDefinitions or [], wanted.KeySchema or [])
    billing, reads, writes = parts.read_billing(wanted.BillingMode, wanted.ProvisionedThroughput)
    sse = wanted.SSESpecification
    table = Table(
        name=wanted.TableName,
        id=_random_id(call),
        schema=schema,
        at=call.caller.now,
        billing=billing,
        read_units=reads,
        write_units=writes,
        table_class=wanted.TableClass or "",
        deletion_protection=bool(wanted.DeletionProtectionEnabled),
        sse=bool(sse and sse.Enabled),
        kms_key=(sse.KMSMasterKeyId or "") if sse else "",
        tags=parts.read_tags(wanted.Tags),
    )
    made = await call.house.write(lambda tx: tables.create(tx, call.caller, table))
    return {"TableDescription": parts.describe(call, made)}


def _random_id(call: Call) -> str:
    nonce = (call.house.engine.nonce() + call.house.engine.nonce()).encode()
    return str(UUID(bytes=nonce[:16].ljust(16, b"0"), version=4))
