"""`lockhouse retention`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import Namespace
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, optional, short, size

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire_history import RetentionDocument, RuleAsk

group = typer.Typer(no_args_is_help=True, help="Retention: how many old versions are kept, and for how long.")
Prefix = Annotated[str, typer.Option("--prefix", help="Only keys that start with this; without it, all.")]
Versions = Annotated[int, typer.Option("--keep-versions", metavar="N", help="Keep the N newest versions.", min=0)]
Days = Annotated[float, typer.Option("--keep-days", metavar="D", help="Keep versions for D days.", min=0)]
Tagged = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-tagged",
        metavar="NAME[=VALUE]",
        help="Keep versions with this tag. May be given several times.",
        show_default=False,
    ),
]


@command(group, "set")
def set_rule(
    run: Run,
    namespace: Namespace,
    *,
    prefix: Prefix = "",
    keep_versions: Versions = 0,
    keep_days: Days = 0.0,
    keep_tagged: Tagged = None,
) -> None:
    """Set the rule of a namespace, or of a prefix in it.

    A version goes only when every rule that covers its key lets it go, and within a rule every condition. The newest
    version never goes. What goes lies in the trash for a while: `state trash`, `state undelete`.

    Example: lockhouse retention set terraform-state --keep-versions 50 --keep-days 90 --keep-tagged release
    """
    _show(run, run.client.set_retention(namespace, _rule(prefix, keep_versions, keep_days, keep_tagged)))


@command(group, "show")
def show(run: Run, namespace: Namespace) -> None:
    """Show the rules of a namespace.

    Example: lockhouse retention show terraform-state
    """
    _show(run, run.client.retention(namespace))


@command(group, "remove")
def remove(run: Run, namespace: Namespace, *, prefix: Prefix = "") -> None:
    """Remove the rule of a namespace, or of a prefix in it. Where no rule is left, everything is kept.

    Example: lockhouse retention remove terraform-state --prefix prod/
    """
    _show(run, run.client.remove_retention(namespace, prefix))


@command(group, "preview")
def preview(
    run: Run,
    namespace: Namespace,
    *,
    prefix: Prefix = "",
    keep_versions: Versions = 0,
    keep_days: Days = 0.0,
    keep_tagged: Tagged = None,
) -> None:
    """List what would go now; with conditions, as if that rule were set already. Nothing is changed.

    Example: lockhouse retention preview terraform-state --keep-versions 20
    """
    tried = prefix or keep_versions or keep_days or keep_tagged
    rule = _rule(prefix, keep_versions, keep_days, keep_tagged) if tried else None
    found = run.client.preview_retention(namespace, rule)
    rows = [
        (
            each.key,
            each.id,
            "delete marker" if each.deleted else optional(each.serial),
            short(each.created_at),
            size(each.size) if not each.deleted else "",
        )
        for each in found
    ]
    text = columns(("key", "version", "serial", "created", "size"), rows, "nothing would go", least=("size", "created"))
    if found:
        text += f"{len(found)} versions, {size(sum(each.size for each in found))}\n"
    run.show(found, text)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="retention")


def _rule(prefix: str, versions: int, days: float, tagged: list[str] | None) -> RuleAsk:
    from lockhouse.protocols.api.wire_history import RuleAsk

    return RuleAsk(prefix=prefix, keep_versions=versions, keep_days=days, keep_tagged=tuple(tagged or ()))


def _show(run: Run, found: RetentionDocument) -> None:
    rows = [
        (
            each.prefix or "(all keys)",
            str(each.keep_versions) if each.keep_versions else "",
            f"{each.keep_days:g}" if each.keep_days else "",
            " ".join(each.keep_tagged),
        )
        for each in found.rules
    ]
    titles = ("prefix", "keep versions", "keep days", "keep tagged")
    run.show(found, columns(titles, rows, f"no rules in {found.namespace}: every version is kept"))
