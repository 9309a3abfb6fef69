"""One self-contained HTML page: no script, font or image from elsewhere; what comes from the repository is escaped."""

from __future__ import annotations

from html import escape

from lockhouse.review.model import Evidence, Review, ServiceReview
from lockhouse.review.reports.pictures import svg_costs, svg_lanes
from lockhouse.review.reports.words import LANES, STATUS_WORDS, verdict
from lockhouse.review.rules import Changes, Violation

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid var(--line);padding:.35rem .6rem;text-align:left;vertical-align:top}
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
details{border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:.5rem .8rem}
summary{cursor:pointer;font-weight:600}.tag{background:var(--soft);border-radius:4px;padding:0 .4rem;font-weight:400}
.error{color:#c0392b}.warning{color:#b9770e}svg{max-width:100%;height:auto}
"""


def _evidence(item: Evidence) -> str:
    who = LANES[item.user] if item.user else "not a use"
    link = f"<br><small>{escape(item.link)}</small>" if item.link else ""
    return (
        f"<tr><td>{escape(who)}</td><td>{escape(item.role.value.replace('_', ' '))}</td>"
        f"<td><code>{escape(item.file)}:{item.line}</code></td><td><code>{escape(item.snippet)}</code>{link}</td></tr>"
    )


def _service(service: ServiceReview) -> str:
    users = ", ".join(LANES[u] for u in service.users) or STATUS_WORDS[service.status]
    rows = "".join(_evidence(e) for e in service.evidence)
    table = f"<table><tr><th>who</th><th>what</th><th>where</th><th>text</th></tr>{rows}</table>" if rows else ""
    steps = "".join(f"<li>{escape(s)}</li>" for s in service.removable.steps)
    return (
        f"<details><summary>{escape(service.name)} <span class='tag'>{escape(users)}</span></summary>"
        f"<p>{escape(verdict(service))}</p><p>Cost: {escape(service.cost.text)}.</p>"
        f"<p>Can it be deleted? {escape(service.removable.reason)}.</p>{'<ol>' + steps + '</ol>' if steps else ''}{table}</details>"  # noqa: E501 reads better whole
    )


def render(review: Review, violations: tuple[Violation, ...] = (), changes: Changes | None = None) -> str:
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Cloud services: {escape(review.root)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Cloud services of <code>{escape(review.root)}</code></h1>",
        (
            f"<p>{'Commit <code>' + escape(review.commit[:12]) + '</code>. ' if review.commit else ''}"
            f"{review.searched.files} files searched for {review.searched.tokens} names.</p>"
        ),
        svg_lanes(review),
    ]
    if changes is not None:
        items = "".join(f"<li>{escape(m)}</li>" for _, _, m in (*changes.added, *changes.removed))
        parts.append(
            f"<h2>Against <code>{escape(changes.base)}</code></h2><ul>{items or '<li>no change in who uses what</li>'}</ul>"  # noqa: E501 reads better whole
        )
    if violations:
        parts.append(
            "<h2>Violated rules</h2><ul>"
            + "".join(f"<li class='error'>{escape(v.message)}</li>" for v in violations)
            + "</ul>"
        )
    parts.append("<h2>Services</h2>" + "".join(_service(s) for s in review.services))
    bars = svg_costs(list(review.services))
    if bars:
        parts.append("<h2>What Terraform's own use costs a month</h2>" + bars)
    if review.findings:
        rows = "".join(
            f"<tr><td class='{f.level}'>{f.level}</td><td><code>{escape(f.file)}:{f.line}</code></td>"
            f"<td>{escape(f.message)}<br><small>{escape(f.hint)}</small></td></tr>"
            for f in review.findings
        )
        parts.append(f"<h2>Findings</h2><table>{rows}</table>")
    return "\n".join([*parts, "</body></html>"]) + "\n"
