"""The review as JSON, schema `lockhouse.review/1` (docs/reference/review-schema.json): keys may come, none changes."""

from __future__ import annotations

import msgspec

from lockhouse.review.model import SCHEMA, Evidence, Finding, Review, ServiceReview
from lockhouse.review.rules import Changes, Violation
from lockhouse.review.traffic import ClientSeen

Json = dict[str, object]


def evidence(item: Evidence) -> Json:
    return {
        "user": item.user.value if item.user else None,
        "role": item.role.value,
        "file": item.file,
        "line": item.line,
        "column": item.column,
        "snippet": item.snippet,
        "rule": item.rule,
        "component": item.component,
        "link": item.link or None,
        "certainty": item.certainty.value,
        "purpose": item.purpose or None,
        "name": item.name or None,
        "operations": list(item.operations),
    }


def finding(item: Finding) -> Json:
    return {
        "rule": item.rule,
        "level": item.level,
        "message": item.message,
        "file": item.file,
        "line": item.line,
        "service": item.service or None,
        "hint": item.hint,
    }


def service(item: ServiceReview) -> Json:
    return {
        "service": item.service,
        "name": item.name,
        "users": [u.value for u in item.users],
        "status": item.status.value,
        "certainty": item.certainty.value,
        "purpose": item.purpose,
        "because": item.because or None,
        "evidence": [evidence(e) for e in item.evidence],
        "permissions": {
            "needed": list(item.permissions.needed),
            "granted": list(item.permissions.granted),
            "missing": list(item.permissions.missing),
            "excessive": list(item.permissions.excessive),
            "note": item.permissions.note,
        },
        "cost": {
            "monthly_usd": item.cost.monthly_usd,
            "text": item.cost.text,
            "as_of": item.cost.as_of,
            "lines": [
                {"what": c.what, "quantity": c.quantity, "price": c.price, "monthly_usd": round(c.monthly_usd, 6)}
                for c in item.cost.lines
            ],
            "assumptions": list(item.cost.assumptions),
            "warning": item.cost.warning or None,
        },
        "removable": {
            "answer": item.removable.answer,
            "reason": item.removable.reason,
            "steps": list(item.removable.steps),
            "places": [{"file": f, "line": n, "what": w} for f, n, w in item.removable.places],
        },
    }


def document(
    review: Review,
    violations: tuple[Violation, ...] = (),
    changes: Changes | None = None,
    clients: tuple[ClientSeen, ...] | None = None,
) -> Json:
    """The whole review as JSON values, in a deterministic order."""
    out: Json = {
        "schema": SCHEMA,
        "root": review.root,
        "commit": review.commit or None,
        "asked": review.asked or None,
        "services": [service(s) for s in review.services],
        "findings": [finding(f) for f in review.findings],
        "unknowns": [
            {"scope": p.scope, "file": p.file, "line": p.line, "rule": p.rule, "reason": p.reason, "snippet": p.snippet}
            for p in review.unknowns
        ],
        "searched": {
            "files": review.searched.files,
            "manifests": review.searched.manifests,
            "lock_files": review.searched.lock_files,
            "source": review.searched.source,
            "infrastructure": review.searched.infrastructure,
            "scripts": review.searched.scripts,
            "documents": review.searched.documents,
            "other": review.searched.other,
            "skipped": review.searched.skipped,
            "names": review.searched.tokens,
        },
        "skipped": [{"file": f, "reason": r} for f, r in review.skipped],
        "violations": [
            {"rule": v.rule, "message": v.message, "service": v.service, "user": v.user, "file": v.file, "line": v.line}
            for v in violations
        ],
    }
    if changes is not None:
        out["changes"] = {
            "base": changes.base,
            "added": [{"user": u, "service": s, "message": m} for u, s, m in changes.added],
            "removed": [{"user": u, "service": s, "message": m} for u, s, m in changes.removed],
        }
    if clients is not None:
        out["traffic"] = {
            "still_through_the_table": sorted({c.name for c in clients if c.facet == "table"}),
            "clients": [
                {"name": c.name, "facet": c.facet, "namespace": c.namespace, "key": c.key, "last": c.last}
                for c in clients
            ],
        }
    return out


def render(review: Review, violations: tuple[Violation, ...] = (), changes: Changes | None = None) -> str:
    return text_of(document(review, violations, changes))


def text_of(values: Json) -> str:
    """Indented JSON; by msgspec, because the standard library's indented writer takes seconds for large reviews."""
    return msgspec.json.format(msgspec.json.encode(values), indent=2).decode() + "\n"
