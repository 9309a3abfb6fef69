"""Measures the review against the verdicts written by hand in tests/review_fixtures, mutations included.

A positive is a (service, user) pair that a fixture's expected.toml names or that the review says of a service named
there. `python scripts/review_figures.py`, run in the repository, prints the table of docs/reference/review-figures.md.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "unit"))

from review.fixtures import cases


def main() -> int:
    counts: Counter[str] = Counter()
    users: dict[str, Counter[str]] = {}
    for case in cases():
        with tempfile.TemporaryDirectory() as folder:
            found = case.review(Path(folder))
        counts["mutations" if case.mutation else "repositories"] += 1
        for name, expected in case.expected.items():
            verdict = found.service(name)
            said = {u.value for u in verdict.users} if verdict else set()
            meant = {str(u) for u in expected["users"]}  # type: ignore[attr-defined]
            counts["verdicts"] += 1
            counts["statuses right"] += verdict is not None and verdict.status == expected["status"]
            for user in said | meant:
                kind = "both" if user in said & meant else "said" if user in said else "meant"
                users.setdefault(user, Counter())[kind] += 1
    print(
        f"{counts['repositories']} repositories, {counts['mutations']} mutations, {counts['verdicts']} verdicts; ",
        end="",
    )
    print(f"{counts['statuses right']} statuses right ({counts['statuses right'] / counts['verdicts']:.1%})\n")
    print("| user | found | wrongly | missed | precision | recall |\n|---|---|---|---|---|---|")
    for user in ("application", "platform", "tooling", "delivery"):
        row = users.get(user, Counter())
        precision = row["both"] / max(1, row["both"] + row["said"])
        recall = row["both"] / max(1, row["both"] + row["meant"])
        print(f"| {user} | {row['both']} | {row['said']} | {row['meant']} | {precision:.1%} | {recall:.1%} |")
    return 0 if counts["statuses right"] == counts["verdicts"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
