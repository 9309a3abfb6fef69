"""Retention policies, the trash, and the tags that keep versions."""

from __future__ import annotations

from lockhouse.core.addresses import Address
from lockhouse.core.policies import Policy
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.retention import DAY_SECONDS, Rule, check_rule
from lockhouse.core.trash import Discarded
from lockhouse.core.versions import Version
from lockhouse.protocols.api import views, wire
from lockhouse.protocols.api import wire_history as documents
from lockhouse.protocols.api.call import Call
from lockhouse.service import objects, retention, trash
from lockhouse.service.retention import POLICIES

_STATES = 200
"""Addresses looked at by one preview."""
_MAX_SEQ = 2**62


async def show(call: Call) -> documents.RetentionDocument:
    return _policy(call, await call.house.read(lambda tx: POLICIES.show(tx, call.caller, call.path["namespace"])))


async def set_rule(call: Call) -> documents.RetentionDocument:
    rule = _rule(call.document(documents.RuleAsk))
    name = call.path["namespace"]
    return _policy(call, await call.house.write(lambda tx: POLICIES.set_rule(tx, call.caller, name, rule)))


async def remove_rule(call: Call) -> documents.RetentionDocument:
    name, prefix = call.path["namespace"], call.query.get("prefix", "")
    return _policy(call, await call.house.write(lambda tx: POLICIES.remove_rule(tx, call.caller, name, prefix)))


async def preview(call: Call) -> documents.PreviewDocument:
    asked = call.document(documents.PreviewAsk)
    rule = _rule(asked.rule) if asked.rule is not None else None
    floor = call.api.settings.retention_floor * DAY_SECONDS

    def query(tx: Reader) -> documents.PreviewDocument:
        found, after = retention.preview(
            tx, call.caller, call.path["namespace"], rule, after=asked.after, limit=_STATES, floor=floor
        )
        lines = tuple(_due(state.address.key, version) for state, gone in found for version in gone)
        return documents.PreviewDocument(due=lines, next=after)

    return await call.house.read(query)


async def list_trash(call: Call) -> documents.TrashDocument:
    address, limit = call.address(), call.limit()
    before = call.number("before", 0, _MAX_SEQ)
    _, found = await call.house.read(lambda tx: trash.list_trash(tx, call.caller, address, before, limit))
    return documents.TrashDocument(
        trash=tuple(_trashed(call, each) for each in found),
        next=found[-1].version.seq if len(found) == limit else 0,
    )


async def undelete(call: Call) -> wire.VersionDocument:
    asked = call.document(documents.UndeleteAsk)
    address = Address(call.path["namespace"], asked.key)
    state, version = await call.house.write(lambda tx: trash.undelete(tx, call.caller, address, asked.version))
    return views.version(version, state.current)


async def purge(call: Call) -> documents.TrashedDocument:
    address, version = call.address(), call.query.get("version", "")
    state, _ = await call.house.read(lambda tx: trash.may_purge(tx, call.caller, address, version))
    if call.api.repacking is not None:
        await call.api.repacking.release(state)  # what is packed against it is packed against another one first
    return _trashed(call, await call.house.write(lambda tx: trash.purge(tx, call.caller, address, version)))


async def set_tags(call: Call) -> wire.VersionDocument:
    asked = call.document(documents.TagsAsk)
    address = Address(call.path["namespace"], asked.key)

    def command(tx: Transaction) -> wire.VersionDocument:
        tagged = objects.set_tags(tx, call.caller, address, asked.version, dict(asked.tags))
        state = tx.state(address)
        return views.version(tagged, state.current if state is not None else 0)

    return await call.house.write(command)


def _rule(asked: documents.RuleAsk) -> Rule:
    return check_rule(Rule(asked.prefix, asked.keep_versions, asked.keep_days, asked.keep_tagged))


def _policy(call: Call, policy: Policy[Rule]) -> documents.RetentionDocument:
    settings = call.api.settings
    return documents.RetentionDocument(
        namespace=call.path["namespace"],
        rules=tuple(
            documents.RuleDocument(
                prefix=rule.prefix,
                keep_versions=rule.keep_versions,
                keep_days=rule.keep_days,
                keep_tagged=rule.keep_tagged,
            )
            for rule in policy.rules
        ),
        floor_days=settings.retention_floor,
        restore_window_days=settings.restore_window,
    )


def _due(key: str, version: Version) -> documents.DueDocument:
    return documents.DueDocument(
        key=key,
        id=version.id,
        number=version.seq,
        created_at=wire.when(version.at),
        deleted=version.is_delete_marker,
        serial=version.facts.serial if version.facts else None,
        size=version.size,
        tags=version.tags,
    )


def _trashed(call: Call, found: Discarded) -> documents.TrashedDocument:
    return documents.TrashedDocument(
        version=views.version(found.version, 0),
        discarded_at=wire.when(found.at),
        reason=found.reason,
        by=found.by,
        until=wire.when(found.at + call.api.settings.restore_window * DAY_SECONDS),
    )
