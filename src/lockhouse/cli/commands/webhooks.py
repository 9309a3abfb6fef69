"""`lockhouse webhook`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short
from lockhouse.core.webhooks import ACTIONS, DEFAULT, Form
from lockhouse.errors import Refusal

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire_webhooks import WebhookDocument

group = typer.Typer(no_args_is_help=True, help="Webhooks: who is told of what happens here.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The webhook.", show_default=False)]


@command(group, "create")
def create(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="How to call it.", show_default=False)],
    *,
    url: Annotated[str, typer.Option("--url", help="Where to POST to: https://HOST/…", show_default=False)],
    event: Annotated[
        list[str] | None,
        typer.Option("--event", help=f"What to tell of; see `events`. [default: {', '.join(DEFAULT)}]"),
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", help="Only of this one.")] = "",
    prefix: Annotated[str, typer.Option("--prefix", help="Only of keys that start with this.")] = "",
    form: Annotated[Form, typer.Option("--format", help="json, or slack for Slack and its likes.")] = Form.JSON,
    shrink_percent: Annotated[
        int, typer.Option("--shrink-percent", min=1, max=100, help="Tell of state.shrunk from this much on.")
    ] = 50,
) -> None:
    """Tell somebody of what happens from now on. Its signing secret is shown once.

    Example: lockhouse webhook create oncall --url https://hooks.example.com/lockhouse --event lock.forced
    """
    from lockhouse.protocols.api.wire_webhooks import WebhookAsk

    made = run.client.create_webhook(
        WebhookAsk(
            name=name,
            url=url,
            events=tuple(event or ()),
            namespace=namespace,
            prefix=prefix,
            form=form,
            shrink_percent=shrink_percent,
        )
    )
    run.show(made, _text(made.webhook) + facts((("secret", made.secret),)))


@command(group, "list")
def list_all(run: Run) -> None:
    """List webhooks and how each is doing.

    Example: lockhouse webhook list
    """
    found = run.client.webhooks()
    rows = [
        (
            each.name,
            each.url,
            each.namespace + (f"/{each.prefix}" if each.prefix else ""),
            ", ".join(each.events),
            "on" if each.enabled else "off",
            str(each.delivered),
            each.problem,
        )
        for each in found
    ]
    titles = ("name", "url", "only", "events", "state", "delivered", "problem")
    run.show(
        found, columns(titles, rows, "no webhooks", least=("only", "delivered", "events"), prose=("events", "problem"))
    )


@command(group, "show")
def show(run: Run, name: Name) -> None:
    """Show a webhook: what it wants, how far it has been told, what went wrong last.

    Example: lockhouse webhook show oncall
    """
    found = run.client.webhook(name)
    run.show(found, _text(found))


@command(group, "events", connects=False)
def events(run: Run) -> None:
    """List the events that a webhook can be told of.

    Example: lockhouse webhook events
    """
    run.show(ACTIONS, columns(("event", "when"), tuple(ACTIONS.items()), "", prose=("when",)))


@command(group, "test")
def test(run: Run, name: Name) -> None:
    """Send a made-up event now, and say what came of it.

    Example: lockhouse webhook test oncall
    """
    done = run.client.test_webhook(name)
    if done.problem:
        raise Refusal("webhook.failed", f"cannot tell {name}: {done.problem}", "look at the receiver's log")
    run.show(done, f"{name} took it")


@command(group, "replay")
def replay(
    run: Run,
    name: Name,
    *,
    after: Annotated[
        int, typer.Option("--after", min=0, help="A number of the audit log: tell it of all that came later.")
    ],
) -> None:
    """Tell a webhook again of what it was told of before.

    Example: lockhouse webhook replay oncall --after 1200
    """
    found = run.client.replay_webhook(name, after)
    run.show(found, f"{name} is told again of everything after entry {found.told_up_to}")


@command(group, "enable")
def enable(run: Run, name: Name) -> None:
    """Go on telling a webhook, from where it was stopped.

    Example: lockhouse webhook enable oncall
    """
    run.show(run.client.enable_webhook(name, enabled=True), f"{name} is on")


@command(group, "disable")
def disable(run: Run, name: Name) -> None:
    """Stop telling a webhook; its place is kept.

    Example: lockhouse webhook disable oncall
    """
    run.show(run.client.enable_webhook(name, enabled=False), f"{name} is off")


@command(group, "delete")
def delete(run: Run, name: Name) -> None:
    """Delete a webhook.

    Example: lockhouse webhook delete oncall
    """
    run.client.delete_webhook(name)
    run.done(name=name, text=f"deleted {name}")


def _text(found: WebhookDocument) -> str:
    return facts(
        (
            ("name", found.name),
            ("url", found.url),
            ("events", ", ".join(found.events)),
            ("only", found.namespace + (f"/{found.prefix}" if found.prefix else "")),
            ("format", found.form),
            ("state", "on" if found.enabled else "off"),
            ("told up to", str(found.told_up_to)),
            ("delivered", f"{found.delivered} {short(found.delivered_at)}".strip()),
            ("failures", str(found.failures) if found.failures else ""),
            ("next try", short(found.next_at)),
            ("problem", found.problem),
            ("given up", str(found.skipped) if found.skipped else ""),
        )
    )


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="webhook")
