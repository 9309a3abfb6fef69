"""Webhooks and who has read what, in SQL. Specification: `core.ports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lockhouse.core.webhooks import Progress, Webhook
from lockhouse.storage.sql.records import Row, encode

_webhook = msgspec.msgpack.Decoder(Webhook).decode
_progress = msgspec.msgpack.Decoder(Progress).decode


class WebhookReads:
    """The part of `Reader` about webhooks."""

    _fetch: Callable[..., list[Row]]

    def webhook_named(self, name: str) -> Webhook | None:
        rows = self._fetch("SELECT record FROM webhooks WHERE name = ?", (name,))
        return _webhook(rows[0][0]) if rows else None

    def webhooks(self) -> Sequence[tuple[Webhook, Progress]]:
        rows = self._fetch("SELECT record, progress FROM webhooks ORDER BY name", ())
        return [(_webhook(row[0]), _progress(row[1])) for row in rows]


class WebhookWrites(WebhookReads):
    """The part of `Transaction` about webhooks."""

    _grow: Callable[[str, Row], int]
    _change: Callable[[str, Row], int]

    def save_webhook(self, webhook: Webhook, progress: Progress) -> None:
        self._grow(
            "INSERT INTO webhooks (id, name, record, progress) VALUES (?, ?, ?, ?) ON CONFLICT (id) "
            "DO UPDATE SET name = excluded.name, record = excluded.record, progress = excluded.progress",
            (webhook.id, webhook.name, encode(webhook), encode(progress)),
        )

    def save_progress(self, webhook_id: str, progress: Progress) -> None:
        self._change("UPDATE webhooks SET progress = ? WHERE id = ?", (encode(progress), webhook_id))

    def delete_webhook(self, webhook_id: str) -> None:
        self._change("DELETE FROM webhooks WHERE id = ?", (webhook_id,))

    def saw_reader(self, namespace: str, key: str, principal: str) -> bool:
        changed = self._change(
            "INSERT INTO readers (namespace, key, principal) VALUES (?, ?, ?) "
            "ON CONFLICT (namespace, key, principal) DO NOTHING",
            (namespace, key, principal),
        )
        return changed == 1
