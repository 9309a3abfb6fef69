"""How tables are described on the wire, and the parts of their definitions that requests bring.

Source: Amazon DynamoDB API reference, TableDescription, CreateTable, UpdateTable. A table is ACTIVE at once, so waiters
return after one request. Secondary indexes, streams and global tables are refused with a clear ValidationException.
"""

from __future__ import annotations

import msgspec

from lockhouse.core.attributes import Kind
from lockhouse.core.items import KeyAttribute, Schema, Table
from lockhouse.errors import AwsRefusal, RequestInvalid
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints
from lockhouse.protocols.dynamodb.values import Json

_INVALID = "One or more parameter values were invalid: "
MAX_TAGS = 50
_TAG_SIGNS = "_.:/=+-@"


class AttributeDefinition(msgspec.Struct, kw_only=True):
    """One attribute of the key schema and its type."""

    AttributeName: str | None = None
    AttributeType: str | None = None


class KeySchemaElement(msgspec.Struct, kw_only=True):
    """HASH or RANGE."""

    AttributeName: str | None = None
    KeyType: str | None = None


class ProvisionedThroughput(msgspec.Struct, kw_only=True):
    """Capacity units; kept and answered, never enforced."""

    ReadCapacityUnits: int | None = None
    WriteCapacityUnits: int | None = None


class StreamSpecification(msgspec.Struct, kw_only=True):
    """Only "off" is served."""

    StreamEnabled: bool | None = None


class SSESpecification(msgspec.Struct, kw_only=True):
    """Server-side encryption as asked for; bodies are sealed by Lockhouse's own key either way."""

    Enabled: bool | None = None
    SSEType: str | None = None
    KMSMasterKeyId: str | None = None


class Tag(msgspec.Struct, kw_only=True):
    """A tag."""

    Key: str | None = None
    Value: str | None = None


def refuse_indexes(local: object, secondary: object, stream: StreamSpecification | None, replicas: object) -> None:
    """What a lock service does not do, said plainly."""
    for given, what in ((local, "local secondary indexes"), (secondary, "global secondary indexes")):
        if given:
            raise RequestInvalid(
                f"{_INVALID}{what} are not supported: this is a lock service's table",
                hint="leave them out; docs/reference/dynamodb.md says what a table here has",
            )
    if stream is not None and stream.StreamEnabled:
        raise RequestInvalid(
            f"{_INVALID}streams are not supported: this is a lock service's table",
            hint="leave them out; docs/reference/dynamodb.md says what a table here has",
        )
    if replicas:
        raise RequestInvalid(
            f"{_INVALID}global tables are not supported: this is a lock service's table",
            hint="leave them out; docs/reference/dynamodb.md says what a table here has",
        )


def check_definitions(rules: Constraints, attributes: list[AttributeDefinition] | None) -> None:
    for at, each in enumerate(attributes or (), 1):
        rules.required(each.AttributeName, f"attributeDefinitions.{at}.member.attributeName")
        rules.length(each.AttributeName, f"attributeDefinitions.{at}.member.attributeName", 1, 255)
        rules.required(each.AttributeType, f"attributeDefinitions.{at}.member.attributeType")
        rules.one_of(each.AttributeType, f"attributeDefinitions.{at}.member.attributeType", ("B", "N", "S"))


def check_throughput(rules: Constraints, units: ProvisionedThroughput | None) -> None:
    if units is None:
        return
    for value, name in (
        (units.ReadCapacityUnits, "readCapacityUnits"),
        (units.WriteCapacityUnits, "writeCapacityUnits"),
    ):
        rules.required(value, f"provisionedThroughput.{name}")
        rules.between(value, f"provisionedThroughput.{name}", 1, 1_000_000_000_000)


def read_schema(attributes: list[AttributeDefinition], keys: list[KeySchemaElement]) -> Schema:
    """The primary key. RequestInvalid with AWS's message when it does not fit together."""
    names = [each.AttributeName or "" for each in keys]
    kinds = {each.AttributeName or "": each.AttributeType or "S" for each in attributes}
    if len(set(names)) != len(names):
        raise AwsRefusal("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    if keys[0].KeyType != "HASH":
        raise AwsRefusal("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if len(keys) > 1 and keys[1].KeyType != "RANGE":
        raise AwsRefusal("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
    if any(name not in kinds for name in names):
        raise AwsRefusal(
            f"{_INVALID}Some index key attributes are not defined in AttributeDefinitions. Keys: "
            f"[{', '.join(names)}], AttributeDefinitions: [{', '.join(kinds)}]"
        )
    if len(kinds) != len(names) or len(attributes) != len(kinds):
        raise AwsRefusal(
            f"{_INVALID}Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
        )
    parts = [KeyAttribute(name, Kind(kinds[name])) for name in names]
    return Schema(parts[0], parts[1] if len(parts) > 1 else None)


def read_billing(mode: str | None, units: ProvisionedThroughput | None) -> tuple[str, int, int]:
    """(billing mode, read units, write units)."""
    if mode == "PAY_PER_REQUEST":
        if units is not None:
            raise AwsRefusal(
                f"{_INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
                "PAY_PER_REQUEST"
            )
        return mode, 0, 0
    if units is None:
        raise AwsRefusal(
            f"{_INVALID}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
        )
    return "PROVISIONED", units.ReadCapacityUnits or 0, units.WriteCapacityUnits or 0


def read_tags(tags: list[Tag] | None) -> dict[str, str]:
    """Tags by key."""
    found: dict[str, str] = {}
    for tag in tags or ():
        if not tag.Key or tag.Value is None or len(tag.Key) > 128 or len(tag.Value) > 256:
            raise RequestInvalid(
                f"{_INVALID}a tag has a key of 1 to 128 characters and a value of at most 256", hint="shorten it"
            )
        for text in (tag.Key, tag.Value):
            if not all(each.isalnum() or each.isspace() or each in _TAG_SIGNS for each in text):
                raise RequestInvalid(
                    f"{_INVALID}a tag has letters, digits, spaces and {_TAG_SIGNS} only: {text}",
                    hint="leave the other signs out",
                )
        if tag.Key in found:
            raise AwsRefusal(f"{_INVALID}Duplicate tag keys found: {tag.Key}")
        found[tag.Key] = tag.Value
    if len(found) > MAX_TAGS:
        raise AwsRefusal("Too many tags: a table has at most 50")
    return found


def describe(call: Call, table: Table, status: str = "ACTIVE") -> dict[str, Json]:
    """The TableDescription."""
    units: dict[str, Json] = {
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": table.read_units,
        "WriteCapacityUnits": table.write_units,
    }
    keys = zip(table.schema.keys, ("HASH", "RANGE"), strict=False)
    found: dict[str, Json] = {
        "AttributeDefinitions": [
            {"AttributeName": key.name, "AttributeType": str(key.kind)} for key in table.schema.keys
        ],
        "TableName": table.name,
        "KeySchema": [{"AttributeName": key.name, "KeyType": role} for key, role in keys],
        "TableStatus": status,
        "CreationDateTime": round(table.at, 3),
        "ProvisionedThroughput": units,
        "TableSizeBytes": 0,
        "ItemCount": 0,
        "TableArn": call.table_arn(table.name),
        "TableId": table.id,
        "DeletionProtectionEnabled": table.deletion_protection,
    }
    if table.billing == "PAY_PER_REQUEST":
        found["BillingModeSummary"] = {
            "BillingMode": table.billing,
            "LastUpdateToPayPerRequestDateTime": round(table.billing_at or table.at, 3),
        }
        found["TableThroughputModeSummary"] = {"TableThroughputMode": table.billing}
    if table.table_class:
        found["TableClassSummary"] = {"TableClass": table.table_class}
    if table.sse:
        found["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": _key_arn(call, table.kms_key),
        }
    return found


def _key_arn(call: Call, key: str) -> str:
    if key.startswith("arn:"):
        return key
    resource = key if key.startswith("alias/") else f"key/{key}" if key else "alias/aws/dynamodb"
    return f"arn:aws:kms:{call.region}:{call.account}:{resource}"
