"""Pictures as plain text: the lanes (Mermaid and SVG), the sequence of a lock (Mermaid), and cost bars (SVG)."""

from __future__ import annotations

import re
from html import escape

from lockhouse.review.model import Review, ServiceReview, User
from lockhouse.review.reports.words import LANES, used_by

_COLORS = {User.APPLICATION: "#1b7f5c", User.PLATFORM: "#2f5fa8", User.TOOLING: "#a86a12", User.DELIVERY: "#6c4a9e"}
_THREE = (User.APPLICATION, User.PLATFORM, User.TOOLING)


def _label(text: str) -> str:
    return re.sub(r"[\"\[\]{}<>|`]", " ", text)


def mermaid_lanes(review: Review) -> str:
    """A flowchart with one lane for each user; delivery only when something is in it."""
    lanes = [*_THREE, *([User.DELIVERY] if used_by(review, User.DELIVERY) else [])]
    out = ["flowchart LR"]
    for user in lanes:
        out.append(f'  subgraph {user.value}["{LANES[user]}"]')
        services = used_by(review, user)
        for index, service in enumerate(services):
            out.append(f'    {user.value}{index}["{_label(service.name)}"]')
        if not services:
            out.append(f'    {user.value}none["no service"]')
        out.append("  end")
    seen: dict[str, str] = {}
    for user in lanes:
        for index, service in enumerate(used_by(review, user)):
            node = f"{user.value}{index}"
            if service.service in seen:
                out.append(f"  {seen[service.service]} -.- {node}")
            seen.setdefault(service.service, node)
    return "\n".join(out) + "\n"


def mermaid_sequence(review: Review) -> str:
    """What two developers' runs do with the lock, as far as the backends say."""
    table = next((b.setting("dynamodb_table") for b in review.backends if b.setting("dynamodb_table")), None)
    bucket = next((b.setting("bucket") for b in review.backends if b.setting("bucket")), None)
    lock = f"lock table {_label(table)}" if table else "lock file in the bucket"
    return (
        "sequenceDiagram\n"
        "  participant A as Developer 1\n  participant B as Developer 2\n"
        f"  participant L as {lock}\n  participant S as state in {_label(bucket or 'the bucket')}\n"
        "  A->>L: take the lock (conditional write)\n  L-->>A: granted\n  A->>S: read the state\n"
        "  B->>L: take the lock\n  L-->>B: refused, held by Developer 1\n"
        "  A->>S: write the new state\n  A->>L: give the lock back\n  B->>L: take the lock\n  L-->>B: granted\n"
    )


def svg_lanes(review: Review) -> str:
    """The lanes as a self-contained SVG with a text alternative."""
    lanes = [*_THREE, *([User.DELIVERY] if used_by(review, User.DELIVERY) else [])]
    height = 90 + 34 * max([len(used_by(review, u)) for u in lanes] + [1])
    width = 240 * len(lanes) + 20
    words = "; ".join(f"{LANES[u]}: {', '.join(s.name for s in used_by(review, u)) or 'no service'}" for u in lanes)
    out = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(words)}" '  # noqa: E501 reads better whole
            'font-family="system-ui, sans-serif" font-size="14">'
        ),
        f"<title>{escape(words)}</title>",
    ]
    for index, user in enumerate(lanes):
        x = 20 + 240 * index
        color = _COLORS[user]
        out.append(
            f'<rect x="{x}" y="10" width="220" height="{height - 20}" rx="8" fill="none" stroke="{color}" stroke-width="2"/>'  # noqa: E501 reads better whole
        )
        out.append(f'<text x="{x + 14}" y="38" font-weight="bold" fill="{color}">{LANES[user]}</text>')
        services = used_by(review, user)
        for row, service in enumerate(services):
            y = 54 + 34 * row
            out.append(
                f'<rect x="{x + 12}" y="{y}" width="196" height="26" rx="5" fill="{color}" fill-opacity="0.12"/>'
            )
            out.append(f'<text x="{x + 22}" y="{y + 18}" fill="currentColor">{escape(_short(service.name))}</text>')
        if not services:
            out.append(f'<text x="{x + 14}" y="72" fill="currentColor" fill-opacity="0.6">no service</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:23] + "…"


def svg_costs(services: list[ServiceReview]) -> str:
    """Bars of what Terraform's own use costs a month, largest first; empty when nothing has a number."""
    priced = sorted((s for s in services if s.cost.monthly_usd), key=lambda s: -(s.cost.monthly_usd or 0))
    if not priced:
        return ""
    most = priced[0].cost.monthly_usd or 1
    height = 20 + 34 * len(priced)
    out = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" role="img" aria-label="cost a month" '
            'font-family="system-ui, sans-serif" font-size="13">'
        )
    ]
    for row, service in enumerate(priced):
        y = 10 + 34 * row
        bar = max(2, int(280 * (service.cost.monthly_usd or 0) / most))
        out.append(f'<text x="0" y="{y + 18}" fill="currentColor">{escape(_short(service.name))}</text>')
        out.append(f'<rect x="190" y="{y + 4}" width="{bar}" height="18" rx="3" fill="#2f5fa8"/>')
        out.append(
            f'<text x="{200 + bar}" y="{y + 18}" fill="currentColor">{escape(_amount(service.cost.monthly_usd or 0))}</text>'  # noqa: E501 reads better whole
        )
    return "\n".join([*out, "</svg>"]) + "\n"


def _amount(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.01 else "below one cent"
