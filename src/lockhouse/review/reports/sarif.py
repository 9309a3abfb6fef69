"""SARIF 2.1.0 (OASIS): findings and broken rules for code scanning. Paths are relative to the reviewed root."""

from __future__ import annotations

import json
from urllib.parse import quote

from lockhouse.review.findings import RULES
from lockhouse.review.model import Review
from lockhouse.review.rules import Violation

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _location(file: str, line: int) -> list[dict[str, object]]:
    if not file:
        return []
    return [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": quote(file, safe="/"), "uriBaseId": "ROOT"},
                "region": {"startLine": max(1, line)},
            }
        }
    ]


def document(review: Review, violations: tuple[Violation, ...] = ()) -> dict[str, object]:
    rules = [
        {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": level}}
        for name, (level, text) in RULES.items()
    ]
    rules.append(
        {
            "id": "review.rule",
            "shortDescription": {"text": "A rule of review.toml or of the command line is broken."},
            "defaultConfiguration": {"level": "error"},
        }
    )
    results: list[dict[str, object]] = []
    for item in review.findings:
        text = item.message + (f". {item.hint}" if item.hint else "")
        results.append(
            {
                "ruleId": item.rule,
                "level": item.level,
                "message": {"text": text},
                "locations": _location(item.file, item.line),
            }
        )
    for broken in violations:
        results.append(  # noqa: PERF401 reads better whole
            {
                "ruleId": "review.rule",
                "level": "error",
                "message": {"text": f"{broken.rule}: {broken.message}"},
                "locations": _location(broken.file, broken.line),
            }
        )
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lockhouse review",
                        "rules": rules,
                    }
                },
                "originalUriBaseIds": {"ROOT": {"description": {"text": "the reviewed repository"}}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def render(review: Review, violations: tuple[Violation, ...] = ()) -> str:
    return json.dumps(document(review, violations), indent=2, ensure_ascii=False) + "\n"
