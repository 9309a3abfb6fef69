"""What nobody asked for but everyone wants to know, each with its place and a hint.

One function for each finding; `RULES` is the whole list, also for SARIF and the documentation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from lockhouse.review.catalogue import catalogue, iam_actions
from lockhouse.review.cost import Prices
from lockhouse.review.joining import Joined
from lockhouse.review.model import Backend, Finding, Role, ServiceReview, Status, User
from lockhouse.review.permissions import covers, needed

RULES: dict[str, tuple[str, str]] = {
    "iam.unknown_prefix": ("error", "A policy allows actions of a service prefix that does not exist in IAM."),
    "iam.call_without_grant": ("warning", "Code calls an operation that no policy in the repository allows."),
    "iam.grant_without_call": ("note", "A policy allows a service that nothing in the repository uses."),
    "lock.wildcard_grant": ("warning", "A policy allows every action on the lock table."),
    "state.in_repository": ("error", "A Terraform state or plan is in the repository."),
    "lock.table_deprecated": (
        "note",
        "A backend names dynamodb_table, which Terraform deprecates in favour of use_lockfile.",
    ),
    "lock.double": ("note", "A backend locks twice, with dynamodb_table and with use_lockfile."),
    "lock.none": ("error", "A backend locks nothing: two runs at once can destroy the state."),
    "lock.names_differ": ("error", "Script, backend and policy name different lock tables."),
    "file.broken": ("note", "A file has a syntax error; it was read as far as possible."),
    "price.old": ("note", "The price data is old."),
    "place.unknown": ("note", "A place could hide a use of a service."),
}
_FLAGS = {"true", "1"}


def find(joined: Joined, services: list[ServiceReview], prices: Prices) -> tuple[Finding, ...]:
    """All findings, by file, line and rule."""
    out: list[Finding] = []
    out += _notes(joined)
    out += _backends(joined)
    out += _names(joined)
    out += _policies(joined)
    out += _gap(joined, services)
    for place in joined.places:
        out.append(_make("place.unknown", place.file, place.line, f"{place.reason} ({place.rule})"))
    if prices.warning:
        out.append(_make("price.old", "", 0, prices.warning, hint="give newer prices with --prices FILE"))
    return tuple(sorted(set(out), key=lambda f: (f.file, f.line, f.rule, f.message)))


def _make(rule: str, file: str, line: int, message: str, *, service: str = "", hint: str = "") -> Finding:
    return Finding(rule, RULES[rule][0], message, file, line, service, hint)


def _notes(joined: Joined) -> Iterable[Finding]:
    for file in joined.live():
        for rule, line, message in file.notes:
            hint = "take it out of the history and rotate what it holds" if rule == "state.in_repository" else ""
            yield _make(rule, file.file, line, message, hint=hint)


def _backends(joined: Joined) -> Iterable[Finding]:
    backends = [b for f in joined.live() for b in f.backends if b.kind == "s3" and b.form != "data"]
    elsewhere = any(b.form in {"flag", "file", "heredoc"} and b.setting("dynamodb_table") for b in backends)
    lockfile_elsewhere = any(
        b.form in {"flag", "file", "heredoc"} and b.setting("use_lockfile") in _FLAGS for b in backends
    )
    for backend in backends:
        table, lockfile = backend.setting("dynamodb_table"), backend.setting("use_lockfile") in _FLAGS
        line = next((at for key, _, at in backend.settings if key == "dynamodb_table"), backend.line)
        if table and lockfile:
            yield _make(
                "lock.double",
                backend.file,
                line,
                "the backend locks with the table and with the lock file",
                service="aws/dynamodb",
                hint="good on the way; remove dynamodb_table once every client is new enough",
            )
        if table:
            yield _make(
                "lock.table_deprecated",
                backend.file,
                line,
                "dynamodb_table is deprecated",
                service="aws/dynamodb",
                hint="add use_lockfile = true beside it first, then remove it everywhere",
            )
        if not table and not lockfile and not elsewhere and not lockfile_elsewhere and _whole(backend):
            yield _make(
                "lock.none",
                backend.file,
                backend.line,
                "the backend has neither dynamodb_table nor use_lockfile",
                service="aws/s3",
                hint="add use_lockfile = true",
            )


def _whole(backend: Backend) -> bool:
    return backend.form in {"block", "terragrunt", "heredoc", "generated"}


def _names(joined: Joined) -> Iterable[Finding]:
    """Lock tables that script, backend and policy name differently."""
    by_where: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
    for file in joined.live():
        for table in file.tables:
            if table.kind == "table":
                by_where[table.where].setdefault(table.name, (table.file, table.line))
        for fact in file.facts:
            if fact.service == "aws/dynamodb" and fact.role is Role.PERMISSION and fact.name and "*" not in fact.name:
                by_where["policy"].setdefault(fact.name, (fact.file, fact.line))
    backend = by_where.get("backend", {})
    if not backend:
        return
    expected = ", ".join(sorted(backend))
    for where in ("script", "resource", "policy"):
        for name, (path, line) in by_where.get(where, {}).items():
            if name not in backend and (where != "policy" or _close(name, backend)):
                yield _make(
                    "lock.names_differ",
                    path,
                    line,
                    f"the {where} names {name}, the backend {expected}",
                    service="aws/dynamodb",
                    hint="use one name everywhere",
                )


def _close(name: str, others: dict[str, tuple[str, int]]) -> bool:
    """Whether a policy's table is meant to be a backend's: alike, or a lock table by its own word."""
    flat = name.lower().replace("-", "").replace("_", "")
    return any(flat[:6] == o.lower().replace("-", "").replace("_", "")[:6] for o in others) or "lock" in flat


def _policies(joined: Joined) -> Iterable[Finding]:
    prefixes = set(iam_actions()) | set(catalogue().aws_iam)
    for file in joined.live():
        for grant in file.grants:
            prefix, _, action = grant.action.partition(":")
            if grant.action != "*" and prefix not in prefixes and prefix != "*":
                yield _make(
                    "iam.unknown_prefix",
                    grant.file,
                    grant.line,
                    f"{grant.action}: no service has the prefix {prefix!r}",
                    hint="the action allows nothing; correct its prefix",
                )
            if prefix == "dynamodb" and action == "*" and _on_lock_table(grant.resource, joined):
                yield _make(
                    "lock.wildcard_grant",
                    grant.file,
                    grant.line,
                    "dynamodb:* is allowed on the lock table",
                    service="aws/dynamodb",
                    hint="GetItem, PutItem, DeleteItem and DescribeTable are enough",
                )


def _on_lock_table(resource: str, joined: Joined) -> bool:
    if not joined.lock_names:
        return False
    name = resource.rpartition("table/")[2]
    return resource in {"*", ""} or name in joined.lock_names or name == "*" or "lock" in name.lower()


def _gap(joined: Joined, services: list[ServiceReview]) -> Iterable[Finding]:
    any_grant = any(f.grants for f in joined.live())
    if not any_grant:
        return
    for service in services:
        if not service.service.startswith("aws/"):
            continue
        granted = service.permissions.granted
        application = [e for e in service.evidence if e.live and e.user is User.APPLICATION and e.operations]
        if application and not service.permissions.note.startswith("a module"):
            missing = sorted(a for a in needed(service, User.APPLICATION) if not any(covers(g, a) for g in granted))
            if missing:
                yield _make(
                    "iam.call_without_grant",
                    application[0].file,
                    application[0].line,
                    f"calls need {', '.join(missing[:6])}, which no policy here allows",
                    service=service.service,
                    hint="add the actions to the role, or keep its policy in this repository",
                )
        if granted and service.status == Status.PERMISSION_ONLY and granted != ("*",):
            first = next(e for e in service.evidence if e.role is Role.PERMISSION)
            yield _make(
                "iam.grant_without_call",
                first.file,
                first.line,
                f"{', '.join(granted[:6])} is allowed, but nothing uses {service.name}",
                service=service.service,
                hint="remove the grant",
            )
