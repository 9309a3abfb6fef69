"""The review as Markdown: the verdicts, the lanes, the evidence, the findings."""

from __future__ import annotations

import re

from lockhouse.review.cost import money
from lockhouse.review.model import Evidence, Review
from lockhouse.review.reports.pictures import mermaid_lanes
from lockhouse.review.reports.words import LANES, STATUS_WORDS, not_used, used_by, verdict
from lockhouse.review.rules import Changes, Violation
from lockhouse.review.verdicts import purpose_for


def code(text: str) -> str:
    """Inline code that its content cannot break out of."""
    ticks = "`" * (max((len(m) for m in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def cell(text: str) -> str:
    return re.sub(r"[<>]", lambda m: {"<": "&lt;", ">": "&gt;"}[m[0]], text).replace("|", "\\|").replace("\n", " ")


def place(item: Evidence) -> str:
    return code(f"{item.file}:{item.line}")


def render(review: Review, violations: tuple[Violation, ...] = (), changes: Changes | None = None) -> str:
    out = ["# Cloud services of this repository", ""]
    if review.commit:
        out += [f"Commit {code(review.commit[:12])}.", ""]
    for user, title in LANES.items():
        services = used_by(review, user)
        if not services:
            continue
        out += [f"## {title}", "", "| service | for what | first place | evidence |", "|---|---|---|---|"]
        for service in services:
            mine = [e for e in service.evidence if e.user is user]
            out.append(f"| {cell(service.name)} | {cell(purpose_for(user, mine))} | {place(mine[0])} | {len(mine)} |")
        out.append("")
    rest = not_used(review)
    if rest:
        out += ["## Not used", "", "| service | status | place |", "|---|---|---|"]
        for service in rest:
            where = service.because or (
                f"{service.evidence[0].file}:{service.evidence[0].line}" if service.evidence else "—"
            )
            out.append(f"| {cell(service.name)} | {STATUS_WORDS[service.status]} | {code(where)} |")
        out.append("")
    out += ["## Picture", "", "```mermaid", mermaid_lanes(review).rstrip(), "```", ""]
    priced = [s for s in review.services if s.cost.monthly_usd]
    if priced:
        out += ["## What Terraform's own use costs", ""]
        out += [f"- {s.name}: {money(s.cost.monthly_usd or 0)} a month" for s in priced] + [""]
    if changes is not None:
        out += [f"## Against {code(changes.base)}", ""]
        out += [f"- {m}" for _, _, m in (*changes.added, *changes.removed)] or ["No change in who uses what."]
        out.append("")
    if violations:
        out += ["## Violated rules", "", *[f"- **{cell(v.rule)}**: {cell(v.message)}" for v in violations], ""]
    if review.findings:
        out += ["## Findings", ""]
        for item in review.findings:
            where = code(f"{item.file}:{item.line}") if item.file else "—"
            hint = f" *{cell(item.hint)}*" if item.hint else ""
            out.append(f"- **{item.level}** {where} {cell(item.message)}{hint} ({item.rule})")
        out.append("")
    out += ["## Verdicts", ""]
    out += [f"- {cell(verdict(s))}" for s in review.services]
    searched = review.searched
    out += [
        "",
        f"Searched {searched.files} files for {searched.tokens} names; {searched.skipped} files were left out.",
        "",
    ]
    return "\n".join(out)
