"""`lockhouse lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import Key, Namespace
from lockhouse.cli.commands import maintenance
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import ago, columns, facts, short
from lockhouse.core.addresses import Address
from lockhouse.core.agents import program
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire import HolderDocument, LockDocumentView
    from lockhouse.protocols.api.wire_locks import StalePolicyDocument

group = typer.Typer(no_args_is_help=True, help="Locks: who holds what, who waits, and taking one away.")
policy = typer.Typer(no_args_is_help=True, help="What is done about locks whose holders are gone.")
group.add_typer(policy, name="policy")
Prefix = Annotated[str, typer.Option("--prefix", help="Only keys that start with this; without it, all.")]


@command(group, "list")
def list_held(
    run: Run,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Only of this one.")] = "",
    *,
    prefix: Annotated[str, typer.Option("--prefix", help="Only keys that start with this.")] = "",
    stale: Annotated[bool, typer.Option("--stale", help="Only those whose holder is gone, by evidence.")] = False,
) -> None:
    """List held locks: who holds each, from where, when the holder was last seen, and how many wait.

    Example: lockhouse lock list terraform-state
    """
    found = run.client.locks(namespace, prefix, stale=stale)
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
    least = ("through", "kind", "lock id", "from", "job", "last seen", "operation", "who")
    stands = "" if run.as_json else maintenance.table(run.client.maintenances(namespace))
    run.show(
        found,
        columns(titles, rows, "no locks are held that you may see", least=least, prose=("evidence",))
        + (f"\n\n{stands}" if stands else ""),
    )


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


@command(group, "release")
def release(
    run: Run,
    namespace: Namespace,
    key: Key,
    *,
    stale: Annotated[bool, typer.Option("--stale", help="By the evidence that its holder is gone. Needed.")] = False,
    lock_id: Annotated[str, typer.Option("--id", help="Only if this is the lock.")] = "",
) -> None:
    """Take a lock away from a holder that is gone, with the evidence as the reason. A holder that was seen since the
    evidence was found keeps its lock.

    Example: lockhouse lock release --stale terraform-state app/terraform.tfstate
    """
    if not stale:
        raise RequestInvalid(
            f"cannot release the lock of {namespace}/{key} without a reason",
            hint=f"lockhouse lock release --stale {Address(namespace, key).words}, or lockhouse lock force-unlock "
            f"{Address(namespace, key).words} --reason TEXT",
        )
    done = run.client.release_stale(namespace, key, lock_id)
    run.show(done, f"unlocked {namespace}/{key}: {done.holder} held it with lock id {done.id}; stale: {done.why}")


@command(policy, "show")
def show_policy(run: Run, namespace: Namespace) -> None:
    """Show what is done about stale locks.

    Example: lockhouse lock policy show terraform-state
    """
    _show_policy(run, run.client.stale_policy(namespace))


@command(policy, "set")
def set_policy(
    run: Run,
    namespace: Namespace,
    act: Annotated[str, typer.Argument(metavar="show|ask|auto-release", show_default=False)],
    *,
    prefix: Prefix = "",
) -> None:
    """Say what is done about locks whose holder is gone, by evidence: `show` it, `ask` for one command
    (`lock release --stale`), or `auto-release` them. The longest prefix that covers a key counts.

    Example: lockhouse lock policy set terraform-state ask --prefix prod/
    """
    from lockhouse.core.staleness import Act

    try:
        chosen = Act(act)
    except ValueError:
        raise RequestInvalid(
            f"cannot use {act!r}: it must be {' or '.join(Act)}",
            hint="lockhouse lock policy set NAMESPACE ask",
            argument="act",
        ) from None
    _show_policy(run, run.client.set_stale_rule(namespace, prefix, chosen))


@command(policy, "remove")
def remove_policy(run: Run, namespace: Namespace, *, prefix: Prefix = "") -> None:
    """Remove the rule of a namespace, or of a prefix in it.

    Example: lockhouse lock policy remove terraform-state --prefix prod/
    """
    _show_policy(run, run.client.remove_stale_rule(namespace, prefix))


def _show_policy(run: Run, found: StalePolicyDocument) -> None:
    rows = [(each.prefix or "(all keys)", each.act) for each in found.rules]
    run.show(found, columns(("prefix", "stale locks"), rows, f"no rules in {found.namespace}: stale locks are shown"))


def _text(found: LockDocumentView) -> str:
    held = found.held
    parts = [facts((("state", f"{found.namespace}/{found.key}"), ("locked", "" if held else "no")))]
    if held is not None:
        parts.append(_holder(held))
    if found.maintenance is not None:
        parts.append(maintenance.table([found.maintenance]))
    if found.waiters:
        rows = [(each.name, short(each.since), "polls" if each.polls else "waits", each.peer) for each in found.waiters]
        parts.append(columns(("waiting", "since", "how", "from"), rows, ""))
    if found.fences:
        names = {each.lock_id: each.name for each in found.history if each.lock_id}
        rows = [
            (
                next((names[lock_id] for lock_id in each.lock_ids if lock_id in names), each.credential),
                short(each.at),
                each.by,
                each.reason,
            )
            for each in found.fences
        ]
        parts.append(columns(("fenced", "at", "by", "reason"), rows, "", prose=("reason",)))
    if found.history:
        titles = ("when", "what", "through", "by", "operation", "reason")
        lines = [
            (short(each.at), each.verb, each.facet, each.name, each.operation, each.reason or each.job)
            for each in found.history
        ]
        parts.append(columns(titles, lines, "", least=("through", "operation"), prose=("reason",)))
    return "\n".join(parts)


def _holder(held: HolderDocument) -> str:
    stale = held.stale
    lines = [
        ("locked by", f"{held.name} ({held.kind})" if held.kind else held.name),
        ("who", held.who),
        ("operation", held.operation),
        ("since", ago(held.since)),
        ("last seen", ago(held.last_seen)),
        ("through", " + ".join(held.facets)),
        ("from", f"{held.peer} {program(held.agent)}".strip()),
        ("credential", held.credential),
        ("lock id", held.id),
    ]
    if held.job:
        lines.insert(1, ("job", held.job))
    where = Address(held.namespace, held.key).words
    if stale is not None:
        lines += [
            ("stale", f"{stale.why} (found {short(stale.at)})"),
            ("release it", f"lockhouse lock release --stale {where}"),
        ]
    else:
        lines += [("if it is gone", f"lockhouse lock force-unlock {where} --reason TEXT")]
    return facts(lines)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="lock")
