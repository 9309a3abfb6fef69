"""Webhooks and who has read what."""

from __future__ import annotations

import msgspec

from lockhouse.core.ports import Store
from lockhouse.core.webhooks import Progress, Webhook
from tests.contract.samples import refused


def webhook(name: str, **fields) -> Webhook:
    return Webhook(f"id-{name}", name, "https://example.com", ("lock",), 1.0, "ann", b"nonce", **fields)


def test_webhooks_are_kept_by_name_with_their_place(store: Store):
    one, two = webhook("b"), webhook("a", prefix="app/")
    store.write(lambda tx: tx.save_webhook(one, Progress(5)))
    store.write(lambda tx: tx.save_webhook(two, Progress()))
    assert store.read(lambda r: r.webhooks()) == [(two, Progress()), (one, Progress(5))]
    assert store.read(lambda r: (r.webhook_named("b"), r.webhook_named("c"))) == (one, None)
    moved = Progress(9, failures=2, since=1.5, next_at=3.5, problem="down")
    store.write(lambda tx: tx.save_progress(one.id, moved))
    store.write(lambda tx: tx.save_progress("id-none", moved))
    off = msgspec.structs.replace(two, enabled=False)
    store.write(lambda tx: tx.save_webhook(off, Progress(1)))
    assert store.read(lambda r: r.webhooks()) == [(off, Progress(1)), (one, moved)]
    store.write(lambda tx: tx.delete_webhook(one.id))
    store.write(lambda tx: tx.delete_webhook(one.id))
    assert store.read(lambda r: r.webhooks()) == [(off, Progress(1))]


def test_a_name_is_given_once(store: Store):
    store.write(lambda tx: tx.save_webhook(webhook("a"), Progress()))
    twin = msgspec.structs.replace(webhook("a"), id="other")
    assert refused(store, lambda tx: tx.save_webhook(twin, Progress()))
    assert store.read(lambda r: r.webhooks()) == [(webhook("a"), Progress())]


def test_the_first_reading_of_a_state_is_told_from_the_next(store: Store):
    def saw(*place: str) -> bool:
        return store.write(lambda tx: tx.saw_reader(*place))

    assert saw("acme", "a", "p1")
    assert not saw("acme", "a", "p1")
    assert saw("acme", "a", "p2")
    assert saw("acme", "b", "p1")
    assert saw("other", "a", "p1")
    assert not saw("acme", "a", "p2")
