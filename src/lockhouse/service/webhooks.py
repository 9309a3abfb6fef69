"""Webhooks: make, list, change, delete, send again. Who makes one administers all that it would be told of."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, allows, require, way_in
from lockhouse.core.webhooks import ACTIONS, Progress, Webhook
from lockhouse.errors import AccessDenied, RequestInvalid, WebhookExists, WebhookNotFound
from lockhouse.service import audit, namespaces
from lockhouse.service.callers import Caller

MAX_WEBHOOKS = 100
MAX_URL = 2000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KINDS = frozenset(ACTIONS) | {each.partition(".")[0] for each in ACTIONS}


def create(tx: Transaction, caller: Caller, wanted: Webhook) -> Webhook:
    """A new webhook, told of what happens from now on.

    Needs `admin` on its namespace and prefix, or on everything. Errors: `request.invalid` (name, address, events, too
    many), `webhook.exists`, `access.denied`, `namespace.not_found`."""
    _require(caller, wanted)
    if wanted.namespace:
        namespaces.get(tx, caller, wanted.namespace)
    check(wanted)
    if tx.webhook_named(wanted.name) is not None:
        raise WebhookExists(f"cannot create the webhook {wanted.name}: it is there", hint="lockhouse webhook list")
    if len(tx.webhooks()) >= MAX_WEBHOOKS:
        raise RequestInvalid(
            f"cannot keep more than {MAX_WEBHOOKS} webhooks",
            hint="lockhouse webhook list; lockhouse webhook delete NAME",
            argument="name",
        )
    webhook = msgspec.structs.replace(wanted, at=caller.now, by=caller.who.name)
    newest = tx.last_segment()
    tx.save_webhook(webhook, Progress(number=newest.last if newest is not None else 0))
    audit.note(tx, caller, "webhook.create", namespace=webhook.namespace, subject=webhook.name)
    return webhook


def list_all(tx: Reader, caller: Caller) -> Sequence[tuple[Webhook, Progress]]:
    """Those that the caller administers, by name."""
    return [pair for pair in tx.webhooks() if _may(caller, pair[0])]


def get(tx: Reader, caller: Caller, name: str) -> tuple[Webhook, Progress]:
    """Errors: `access.denied`, whether or not there is one, for who neither administers it nor everything;
    `webhook.not_found`."""
    for pair in tx.webhooks():
        if pair[0].name == name and _may(caller, pair[0]):
            return pair
    if not allows(caller.who.grants, Right.ADMIN, audit.EVERYWHERE):
        raise AccessDenied(
            f"cannot see the webhook {name[:80]!r}: {caller.who.name} has no grant of 'admin' there",
            hint=way_in(caller.who, Right.ADMIN, "NAMESPACE"),
            right=str(Right.ADMIN),
        )
    raise WebhookNotFound(f"cannot find the webhook {name[:80]!r}", hint="lockhouse webhook list")


def enable(tx: Transaction, caller: Caller, name: str, *, enabled: bool) -> tuple[Webhook, Progress]:
    """Stop telling, or go on where it was stopped. Errors as `get`."""
    webhook, progress = get(tx, caller, name)
    webhook = msgspec.structs.replace(webhook, enabled=enabled)
    progress = msgspec.structs.replace(progress, failures=0, since=0.0, next_at=0.0)
    tx.save_webhook(webhook, progress)
    audit.note(tx, caller, "webhook.change", namespace=webhook.namespace, subject=name, detail=f"enabled={enabled}")
    return webhook, progress


def replay(tx: Transaction, caller: Caller, name: str, after: int) -> tuple[Webhook, Progress]:
    """Tell it again of everything after the entry with this number. Errors as `get`."""
    webhook, progress = get(tx, caller, name)
    progress = Progress(
        number=after, delivered=progress.delivered, delivered_at=progress.delivered_at, skipped=progress.skipped
    )
    tx.save_progress(webhook.id, progress)
    audit.note(tx, caller, "webhook.replay", namespace=webhook.namespace, subject=name, detail=f"after {after}")
    return webhook, progress


def delete(tx: Transaction, caller: Caller, name: str) -> Webhook:
    """Errors as `get`."""
    webhook, _ = get(tx, caller, name)
    tx.delete_webhook(webhook.id)
    audit.note(tx, caller, "webhook.delete", namespace=webhook.namespace, subject=name)
    return webhook


def check(webhook: Webhook) -> None:
    """RequestInvalid (`request.invalid`) unless the values make sense."""
    if _NAME.fullmatch(webhook.name) is None:
        raise RequestInvalid(
            f"cannot use {webhook.name[:80]!r} as the name of a webhook: 1 to 64 letters, digits, dots, dashes",
            hint="for example: lockhouse webhook create chat --url https://HOST/PATH",
            argument="name",
        )
    unknown = sorted(set(webhook.events) - _KINDS)
    if unknown or not webhook.events:
        raise RequestInvalid(
            f"cannot tell of {unknown[0]!r}: there is no such event" if unknown else "cannot tell of nothing",
            hint=f"events are: {', '.join(ACTIONS)}",
            argument="events",
        )
    if len(webhook.url) > MAX_URL or not webhook.url.startswith(("https://", "http://")):
        raise RequestInvalid(
            f"cannot use the address of the webhook {webhook.name}: it must be https://HOST/…",
            hint="for example: https://hooks.example.com/lockhouse",
            argument="url",
        )
    if not 1 <= webhook.shrink_percent <= 100:
        raise RequestInvalid(
            f"cannot use {webhook.shrink_percent} %: 1 to 100", hint="--shrink-percent 50", argument="shrink_percent"
        )


def _where(webhook: Webhook) -> tuple[str, str]:
    return webhook.namespace or audit.EVERYWHERE, webhook.prefix


def _may(caller: Caller, webhook: Webhook) -> bool:
    return allows(caller.who.grants, Right.ADMIN, *_where(webhook))


def _require(caller: Caller, webhook: Webhook) -> None:
    require(caller.who, Right.ADMIN, *_where(webhook))
