"""Webhooks and who has read what, in the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockhouse.core.webhooks import Progress, Webhook


@dataclass
class WebhookMaps:
    """The maps that webhooks need."""

    webhooks: dict[str, tuple[Webhook, Progress]] = field(default_factory=dict)
    readers: dict[tuple[str, str, str], bool] = field(default_factory=dict)


class WebhookReads:
    """The part of `Reader` about webhooks."""

    _maps: WebhookMaps

    def webhook_named(self, name: str) -> Webhook | None:
        return next((each for each, _ in self._maps.webhooks.values() if each.name == name), None)

    def webhooks(self) -> Sequence[tuple[Webhook, Progress]]:
        return sorted(self._maps.webhooks.values(), key=lambda each: each[0].name.encode())


class WebhookWrites(WebhookReads):
    """The part of `Transaction` about webhooks."""

    def save_webhook(self, webhook: Webhook, progress: Progress) -> None:
        other = self.webhook_named(webhook.name)
        if other is not None and other.id != webhook.id:
            raise ValueError(f"webhook {webhook.name!r} is there already")
        self._maps.webhooks[webhook.id] = webhook, progress

    def save_progress(self, webhook_id: str, progress: Progress) -> None:
        if webhook_id in self._maps.webhooks:
            self._maps.webhooks[webhook_id] = self._maps.webhooks[webhook_id][0], progress

    def delete_webhook(self, webhook_id: str) -> None:
        self._maps.webhooks.pop(webhook_id, None)

    def saw_reader(self, namespace: str, key: str, principal: str) -> bool:
        new = (namespace, key, principal) not in self._maps.readers
        self._maps.readers[namespace, key, principal] = True
        return new
