"""The review for a terminal: the verdict first, one line for each service, grouped by who uses it."""

from __future__ import annotations

from lockhouse.review.model import Finding, Review, ServiceReview, Status, User
from lockhouse.review.reports.words import LANES, STATUS_WORDS, not_used, used_by, verdict
from lockhouse.review.rules import Changes, Violation
from lockhouse.review.verdicts import purpose_for

_BOLD, _DIM, _END = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_LEVELS = {"error": "\x1b[31m", "warning": "\x1b[33m", "note": "\x1b[36m"}


class _Paint:
    def __init__(self, *, color: bool) -> None:
        self.color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{style}{text}{_END}" if self.color else text


def render(
    review: Review, violations: tuple[Violation, ...] = (), changes: Changes | None = None, *, color: bool = False
) -> str:
    paint = _Paint(color=color)
    out: list[str] = []
    for asked in [s for s in review.services if s.service == review.asked]:
        out += [paint(_BOLD, verdict(asked)), ""]
    width = max((len(s.name) for s in review.services), default=10) + 2
    for user, title in LANES.items():
        services = used_by(review, user)
        if services:
            out.append(paint(_BOLD, title))
            out += [_line(s, user, width, paint) for s in services]
            out.append("")
    rest = not_used(review)
    if rest:
        out.append(paint(_BOLD, "Not used"))
        out += [f"  {s.name:<{width}}{STATUS_WORDS[s.status]:<28}{paint(_DIM, _place(s))}" for s in rest]
        out.append("")
    if not review.services:
        out += ["No cloud service and no third party was found.", ""]
    if changes is not None:
        out.append(paint(_BOLD, f"Against {changes.base}"))
        out += [f"  {m}" for _, _, m in (*changes.added, *changes.removed)] or ["  no change in who uses what"]
        out.append("")
    notable = [f for f in review.findings if f.level != "note"] + [f for f in review.findings if f.level == "note"]
    if notable:
        out.append(paint(_BOLD, f"Findings ({len(notable)})"))
        out += [_finding(f, paint) for f in notable[:40]]
        if len(notable) > 40:
            out.append(f"  … and {len(notable) - 40} more (--json has all)")
        out.append("")
    for violation in violations:
        out.append(paint(_LEVELS["error"], f"violated: {violation.rule}: {violation.message}"))
    searched = review.searched
    out.append(
        paint(
            _DIM,
            f"Searched {searched.files} files ({searched.source} source, {searched.infrastructure} infrastructure, "
            f"{searched.manifests} manifests, {searched.lock_files} lock files, {searched.documents} documents) for "
            f"{searched.tokens} names; {searched.skipped} left out.",
        )
    )
    return "\n".join(out) + "\n"


def _line(service: ServiceReview, user: User, width: int, paint: _Paint) -> str:
    first = next((e for e in service.evidence if e.user is user), None)
    purpose = purpose_for(user, service.evidence)
    place = f"{first.file}:{first.line}" if first else ""
    count = sum(1 for e in service.evidence if e.user is user)
    more = f" (+{count - 1})" if count > 1 else ""
    return f"  {service.name:<{width}}{purpose:<40} {paint(_DIM, place + more)}"


def _place(service: ServiceReview) -> str:
    if service.because:
        return service.because
    return f"{service.evidence[0].file}:{service.evidence[0].line}" if service.evidence else ""


def _finding(finding: Finding, paint: _Paint) -> str:
    place = f"{finding.file}:{finding.line}" if finding.file else ""
    hint = f" — {finding.hint}" if finding.hint else ""
    return f"  {paint(_LEVELS[finding.level], finding.level):<8} {place}: {finding.message}{hint}  [{finding.rule}]"


def used(service: ServiceReview) -> bool:
    return service.status is Status.USED
