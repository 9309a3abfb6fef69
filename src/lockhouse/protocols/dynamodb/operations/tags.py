"""TagResource, UntagResource and ListTagsOfResource, by table ARN."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lockhouse.core.items import Table
from lockhouse.errors import AwsRefusal
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.call import Call
from lockhouse.protocols.dynamodb.constraints import Constraints, table_name
from lockhouse.protocols.dynamodb.descriptions import MAX_TAGS, Tag, read_tags
from lockhouse.protocols.dynamodb.values import Json
from lockhouse.service import tables


class TagResource(msgspec.Struct, kw_only=True):
    """TagResource."""

    ResourceArn: str | None = None
    Tags: list[Tag] | None = None


class UntagResource(msgspec.Struct, kw_only=True):
    """UntagResource."""

    ResourceArn: str | None = None
    TagKeys: list[str] | None = None


class ListTagsOfResource(msgspec.Struct, kw_only=True):
    """ListTagsOfResource."""

    ResourceArn: str | None = None


async def tag_resource(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, TagResource)
    name = _name(wanted.ResourceArn, wanted.Tags, "tags")
    if not wanted.Tags:
        raise AwsRefusal("Atleast one Tag needs to be provided as Input.")
    added = read_tags(wanted.Tags)

    def edit(table: Table) -> Table:
        tags = {**table.tags, **added}
        if len(tags) > MAX_TAGS:
            raise AwsRefusal("Too many tags: a table has at most 50")
        return msgspec.structs.replace(table, tags=tags)

    return await _change(call, name, edit)


async def untag_resource(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, UntagResource)
    name = _name(wanted.ResourceArn, wanted.TagKeys, "tagKeys")
    if not wanted.TagKeys:
        raise AwsRefusal("Atleast one Tag Key needs to be provided as Input.")
    removed = frozenset(wanted.TagKeys)

    def edit(table: Table) -> Table:
        kept = {key: value for key, value in table.tags.items() if key not in removed}
        return msgspec.structs.replace(table, tags=kept)

    return await _change(call, name, edit)


async def list_tags_of_resource(call: Call, body: bytes) -> Mapping[str, Json]:
    """Errors: ResourceNotFound, Validation, AccessDenied."""
    wanted = wire.read(body, ListTagsOfResource)
    name = _name(wanted.ResourceArn, (), "tags")
    table = await call.house.read(lambda tx: tables.get(tx, call.caller, name))
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(table.tags.items())]}


async def _change(call: Call, name: str, edit: Callable[[Table], Table]) -> Mapping[str, Json]:
    await call.house.write(lambda tx: tables.change(tx, call.caller, name, edit))
    return {}


def _name(arn: str | None, given: object, field: str) -> str:
    rules = Constraints()
    rules.required(arn, "resourceArn")
    rules.required(given, field)
    rules.check()
    assert arn is not None
    if not arn.startswith("arn:") or ":table/" not in arn:
        raise AwsRefusal(f"Invalid TableArn: Invalid ResourceArn provided as input {arn[:300]}")
    return table_name(arn)
