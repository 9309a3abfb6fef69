"""What a team allows: `--forbid`, `--allow-only`, review.toml, a committed baseline, and what a change adds.

Pure: a review in, violations out. A rule is USER:SERVICE (`app:aws/dynamodb`, `any:stripe`, `application:aws/*`).
"""

from __future__ import annotations

import fnmatch
import json
import tomllib
from dataclasses import dataclass, field

from lockhouse.errors import Problem
from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import Review, ServiceReview, Status, User

_USERS = {
    "app": User.APPLICATION,
    "infra": User.PLATFORM,
    "terraform": User.TOOLING,
    "ci": User.DELIVERY,
    "cd": User.DELIVERY,
}


class RuleInvalid(Problem):
    """A rule names no user or service that exists."""

    code = "review.rule_invalid"


@dataclass(frozen=True, slots=True)
class Rule:
    """`user` None is anybody; `service` may end in `/*`."""

    user: User | None
    service: str

    def matches(self, user: User, service: str) -> bool:
        return (self.user is None or self.user is user) and fnmatch.fnmatchcase(service, self.service)

    def __str__(self) -> str:
        return f"{self.user.value if self.user else 'any'}:{self.service}"


@dataclass(frozen=True, slots=True)
class Violation:
    rule: str
    message: str
    service: str = ""
    user: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What a change adds and removes against `base`: (user, service, sentence)."""

    base: str
    added: tuple[tuple[str, str, str], ...] = ()
    removed: tuple[tuple[str, str, str], ...] = ()


@dataclass(slots=True)
class Rules:
    forbid: list[Rule] = field(default_factory=list)
    allow_only: list[Rule] = field(default_factory=list)
    fail_on: frozenset[str] = frozenset()
    """Finding rules or levels that fail the run."""
    ignore: list[tuple[str, str]] = field(default_factory=list)
    """(rule or service, file pattern) that are not reported as violations."""
    baseline: str = ""
    strict: bool = False
    """Whether an unknown counts as use."""
    fail_on_new: bool = False


def parse_rule(text: str) -> Rule:
    """A rule from `USER:SERVICE` or `SERVICE`. Raises RuleInvalid."""
    who, separator, what = text.strip().partition(":")
    if not separator:
        who, what = "any", text.strip()
    user: User | None = None
    if who.lower() not in {"any", "*", ""}:
        found = _USERS.get(who.lower())
        try:
            user = found or User(who.lower())
        except ValueError:
            raise RuleInvalid(
                f"cannot use the rule {text!r}: {who!r} is no user",
                hint="users are app(lication), platform, tooling, delivery and any",
            ) from None
    if what.endswith("*"):
        return Rule(user, what.lower())
    service = catalogue().find(what)
    if service is None:
        raise RuleInvalid(
            f"cannot use the rule {text!r}: no service {what!r} in the catalogue",
            hint="write it as the review prints it",
        )
    return Rule(user, service)


def parse_all(texts: list[str]) -> list[Rule]:
    """Rules from repeated options, each of which may hold several after one user: `app:aws/s3,supabase`."""
    out = []
    for text in texts:
        who, separator, rest = text.partition(":")
        for part in (rest if separator else text).split(","):
            if part.strip():
                out.append(parse_rule(f"{who}:{part.strip()}" if separator and ":" not in part else part.strip()))  # noqa: PERF401 reads better whole
    return out


def _list(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value)] if isinstance(value, str) else []


def parse_file(text: str) -> Rules:
    """Rules from review.toml. Raises RuleInvalid."""
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        raise RuleInvalid(f"cannot read review.toml: {error}", hint="see docs/reference/review.md") from error
    allow: list[str] = []
    given = document.get("allow_only", [])
    if isinstance(given, dict):
        allow = [f"{user}:{service}" for user, services in given.items() for service in _list(services)]
    else:
        allow = _list(given)
    ignores = document.get("ignore", [])
    return Rules(
        parse_all(_list(document.get("forbid", []))),
        parse_all(allow),
        frozenset(_list(document.get("fail_on", []))),
        [(str(i.get("rule", i.get("service", "*"))), str(i.get("file", "*"))) for i in ignores if isinstance(i, dict)],
        str(document.get("baseline", "")),
        bool(document.get("strict", False)),
        bool(document.get("fail_on_new", False)),
    )


def check(review: Review, rules: Rules) -> tuple[Violation, ...]:
    """Every broken rule, by service and user."""
    out: list[Violation] = []
    for service in review.services:
        for user in _users(service, rules):
            for rule in rules.forbid:
                if rule.matches(user, service.service):
                    out.append(_violation(f"forbid {rule}", service, user, "is forbidden"))  # noqa: PERF401 reads better whole
            limits = [r for r in rules.allow_only if r.user is user or r.user is None]
            if limits and not any(r.matches(user, service.service) for r in limits):
                out.append(_violation(f"allow-only {user.value}", service, user, "is not among what is allowed"))
    for finding in review.findings:
        if finding.rule in rules.fail_on or finding.level in rules.fail_on:
            out.append(Violation(finding.rule, finding.message, finding.service, "", finding.file, finding.line))  # noqa: PERF401 reads better whole
    return tuple(v for v in out if not _ignored(v, rules))


def _users(service: ServiceReview, rules: Rules) -> tuple[User, ...]:
    if service.status is Status.UNKNOWN and rules.strict:
        return tuple({r.user for r in rules.forbid if r.user is not None} or {User.APPLICATION})
    return service.users


def _violation(rule: str, service: ServiceReview, user: User, what: str) -> Violation:
    first = next((e for e in service.evidence if e.user is user), service.evidence[0] if service.evidence else None)
    place = f" ({first.file}:{first.line})" if first else ""
    return Violation(
        rule,
        f"{service.name} in the {user.value} {what}{place}",
        service.service,
        user.value,
        first.file if first else "",
        first.line if first else 0,
    )


def _ignored(violation: Violation, rules: Rules) -> bool:
    return any(
        fnmatch.fnmatchcase(violation.file, pattern) and (name in {"*", violation.rule, violation.service})
        for name, pattern in rules.ignore
    )


# Baseline and change


def pairs(review: Review) -> set[tuple[str, str]]:
    return {(user.value, s.service) for s in review.services for user in s.users}


def baseline_text(review: Review) -> str:
    """The uses of today as a file to commit: what is in it is no news tomorrow."""
    uses = [{"user": u, "service": s} for u, s in sorted(pairs(review))]
    found = sorted({f"{f.rule} {f.file}" for f in review.findings if f.level != "note"})
    return json.dumps({"schema": "lockhouse.review-baseline/1", "uses": uses, "findings": found}, indent=2) + "\n"


def against_baseline(review: Review, text: str) -> tuple[Violation, ...]:
    """Uses and findings (warnings and errors) that the baseline does not hold. Raises RuleInvalid."""
    try:
        document = json.loads(text)
        known = {(str(u["user"]), str(u["service"])) for u in document["uses"]}
        findings = {str(f) for f in document.get("findings", [])}
    except (ValueError, KeyError, TypeError) as error:
        raise RuleInvalid("cannot read the baseline", hint="write it again with --write-baseline FILE") from error
    out = []
    for user, name in sorted(pairs(review) - known):
        service = review.service(name)
        if service is not None:
            out.append(_violation("baseline", service, User(user), "is new since the baseline"))
    for finding in review.findings:
        if finding.level != "note" and f"{finding.rule} {finding.file}" not in findings:
            out.append(  # noqa: PERF401 reads better whole
                Violation(
                    finding.rule,
                    f"new since the baseline: {finding.message}",
                    finding.service,
                    "",
                    finding.file,
                    finding.line,
                )
            )
    return tuple(out)


def compare(before: Review, after: Review, base: str) -> Changes:
    """What `after` uses that `before` does not, and the other way round, as sentences."""
    old, new = pairs(before), pairs(after)
    name = catalogue().name
    return Changes(
        base,
        tuple((u, s, f"this change adds {name(s)} to the {_where(u)}") for u, s in sorted(new - old)),
        tuple((u, s, f"this change takes {name(s)} out of the {_where(u)}") for u, s in sorted(old - new)),
    )


def _where(user: str) -> str:
    return {"tooling": "Terraform tooling", "delivery": "delivery"}.get(user, user)
