"""Webhooks: make, list, show, change, send again, test, delete."""

from __future__ import annotations

from lockhouse.core.audit import Entry
from lockhouse.core.webhooks import DEFAULT, Progress, Webhook, document
from lockhouse.protocols.api import wire_webhooks as wire
from lockhouse.protocols.api.call import Call
from lockhouse.service import webhooks


async def create(call: Call) -> wire.CreatedWebhook:
    asked = call.document(wire.WebhookAsk)
    engine = call.house.engine
    wanted = Webhook(
        id=f"wh-{engine.nonce()}",
        name=asked.name,
        url=asked.url,
        events=asked.events or DEFAULT,
        at=0.0,
        by="",
        nonce=engine.nonce().encode(),
        namespace=asked.namespace,
        prefix=asked.prefix,
        form=asked.form,
        shrink_percent=asked.shrink_percent,
    )
    call.api.webhooks.check_address(asked.url)
    made = await call.house.write(lambda tx: webhooks.create(tx, call.caller, wanted))
    return wire.CreatedWebhook(webhook=wire.webhook(made, Progress()), secret=call.api.webhooks.secret_of(made))


async def list_all(call: Call) -> wire.Webhooks:
    found = await call.house.read(lambda tx: webhooks.list_all(tx, call.caller))
    return wire.Webhooks(webhooks=tuple(wire.webhook(*each) for each in found))


async def show(call: Call) -> wire.WebhookDocument:
    return wire.webhook(*await call.house.read(lambda tx: webhooks.get(tx, call.caller, call.path["name"])))


async def change(call: Call) -> wire.WebhookDocument:
    enabled = call.document(wire.WebhookChange).enabled
    name = call.path["name"]
    return wire.webhook(*await call.house.write(lambda tx: webhooks.enable(tx, call.caller, name, enabled=enabled)))


async def replay(call: Call) -> wire.WebhookDocument:
    after = call.document(wire.ReplayAsk).after
    name = call.path["name"]
    return wire.webhook(*await call.house.write(lambda tx: webhooks.replay(tx, call.caller, name, after)))


async def test(call: Call) -> wire.TestedWebhook:
    """Send one made-up event now; it has the number 0."""
    found, _ = await call.house.read(lambda tx: webhooks.get(tx, call.caller, call.path["name"]))
    entry = Entry(call.caller.now, "test", name=call.caller.who.name, protocol=call.caller.protocol)
    body = document(found.form, 0, entry, call.api.settings.public_url)
    return wire.TestedWebhook(problem=await call.api.webhooks.send(found, "test", 0, body))


async def delete(call: Call) -> None:
    await call.house.write(lambda tx: webhooks.delete(tx, call.caller, call.path["name"]))
