"""The documents of webhooks in the JSON API. Pure: values to bytes and back."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lockhouse.core.webhooks import Form, Progress, Webhook
from lockhouse.protocols.api.wire import Ask, Document, Key, Name, when

Url = Annotated[str, msgspec.Meta(max_length=2000)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]


class WebhookAsk(Ask, frozen=True, kw_only=True):
    name: Name
    url: Url
    events: tuple[Name, ...] = ()
    """Empty: those that people should look at."""
    namespace: Annotated[str, msgspec.Meta(max_length=63)] = ""
    prefix: Key = ""
    form: Form = Form.JSON
    shrink_percent: Percent = 50


class WebhookChange(Ask, frozen=True, kw_only=True):
    enabled: bool


class ReplayAsk(Ask, frozen=True, kw_only=True):
    after: Annotated[int, msgspec.Meta(ge=0)]
    """Tell it again of every entry of the audit log with a higher number."""


class WebhookDocument(Document, frozen=True, kw_only=True):
    name: str
    url: str
    events: tuple[str, ...]
    namespace: str
    prefix: str
    form: str
    shrink_percent: int
    enabled: bool
    created_at: str
    by: str
    told_up_to: int
    """Number of the last entry that it was told of or that it does not want."""
    delivered: int
    delivered_at: str
    failures: int
    next_at: str
    problem: str
    skipped: int


class CreatedWebhook(Document, frozen=True, kw_only=True):
    webhook: WebhookDocument
    secret: str
    """Signs what it is sent; it is not shown again."""


class Webhooks(Document, frozen=True, kw_only=True):
    webhooks: tuple[WebhookDocument, ...]


class TestedWebhook(Document, frozen=True, kw_only=True):
    problem: str
    """Empty: the receiver took it."""


def webhook(found: Webhook, progress: Progress) -> WebhookDocument:
    return WebhookDocument(
        name=found.name,
        url=found.url,
        events=found.events,
        namespace=found.namespace,
        prefix=found.prefix,
        form=str(found.form),
        shrink_percent=found.shrink_percent,
        enabled=found.enabled,
        created_at=when(found.at),
        by=found.by,
        told_up_to=progress.number,
        delivered=progress.delivered,
        delivered_at=when(progress.delivered_at) if progress.delivered_at else "",
        failures=progress.failures,
        next_at=when(progress.next_at) if progress.next_at else "",
        problem=progress.problem,
        skipped=progress.skipped,
    )
