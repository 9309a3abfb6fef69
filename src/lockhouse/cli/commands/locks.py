"""`lockhouse lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import Key, Namespace
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire import HolderDocument, LockDocumentView

group = typer.Typer(no_args_is_help=True, help="Locks: who holds what, who waits, and taking one away.")


@command(group, "list")
def list_held(
    run: Run,
    namespace: Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Only of this one.")] = "",
    *,
    prefix: Annotated[str, typer.Option("--prefix", help="Only keys that start with this.")] = "",
) -> None:
    """List held locks and how many wait for each."""
    found = run.client.locks(namespace, prefix)
    rows = [
        (
            f"{each.namespace}/{each.key}",
            each.name,
            each.kind,
            each.who,
            each.operation,
            each.peer,
            short(each.since),
            short(each.last_seen),
            "+".join(each.facets),
            str(each.waiters) if each.waiters else "",
            each.id,
            f"stale: {each.stale.why}" if each.stale else "",
            each.job,
        )
        for each in found
    ]
    titles = (
        "state", "holder", "kind", "who", "operation", "from", "since", "last seen", "through", "waiting", "lock id",
        "evidence", "job",
    )  # fmt: skip
    run.show(found, columns(titles, rows, "no locks are held"))


@command(group, "show")
def show(run: Run, namespace: Namespace, key: Key) -> None:
    """Show who holds a lock, who waits for it, and what happened to it before.

    Example: lockhouse lock show terraform-state app/terraform.tfstate
    """
    found = run.client.lock(namespace, key)
    run.show(found, _text(found))


@command(group, "force-unlock")
def force_unlock(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the lock's history.", show_default=False)],
    lock_id: Annotated[str, typer.Option("--id", help="Only if this is the lock.")] = "",
) -> None:
    """Take a lock away from its holder. What that run still writes is refused and parked.

    Example: lockhouse lock force-unlock terraform-state app/terraform.tfstate --reason "runner was destroyed"
    """
    done = run.client.force_unlock(namespace, key, reason, lock_id)
    run.show(done, f"unlocked {namespace}/{key}: {done.holder} held it with lock id {done.id}")


def _text(found: LockDocumentView) -> str:
    held = found.held
    parts = [facts((("state", f"{found.namespace}/{found.key}"), ("locked", "" if held else "no")))]
    if held is not None:
        parts.append(_holder(held))
    if found.waiters:
        rows = [(each.name, short(each.since), "polls" if each.polls else "waits", each.peer) for each in found.waiters]
        parts.append(columns(("waiting", "since", "how", "from"), rows, ""))
    if found.fences:
        rows = [(each.credential, short(each.at), each.by, each.reason) for each in found.fences]
        parts.append(columns(("fenced", "at", "by", "reason"), rows, ""))
    if found.history:
        lines = [
            (short(each.at), each.verb, each.facet, each.name, each.operation, each.reason or each.job)
            for each in found.history
        ]
        parts.append(columns(("when", "what", "through", "by", "operation", "reason"), lines, ""))
    return "\n".join(parts)


def _holder(held: HolderDocument) -> str:
    stale = held.stale
    lines = [
        ("locked by", f"{held.name} ({held.kind})" if held.kind else held.name),
        ("who", held.who),
        ("operation", held.operation),
        ("since", short(held.since)),
        ("last seen", short(held.last_seen)),
        ("through", " + ".join(held.facets)),
        ("from", f"{held.peer} {held.agent}".strip()),
        ("credential", held.credential),
        ("lock id", held.id),
    ]
    if held.job:
        lines.insert(1, ("job", held.job))
    if stale is not None:
        lines += [("stale", f"{stale.why} (found {short(stale.at)})")]
    return facts(lines)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="lock")
