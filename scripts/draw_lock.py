"""Draw the picture of the lock in docs/reference/locks.md from `core.locks.TRANSITIONS`.

Usage: python scripts/draw_lock.py          rewrites the picture and the table
       python scripts/draw_lock.py --check  exits 1 when they are out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

from lockhouse.core.locks import TRANSITIONS, Condition

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "locks.md"
BEGIN = "<!-- drawn from core/locks.py: begin -->"
END = "<!-- drawn from core/locks.py: end -->"


def drawing() -> str:
    """The Mermaid state diagram and the table of every transition."""
    names = {condition: f"s{number}" for number, condition in enumerate(Condition)}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {name}: {condition}" for condition, name in names.items()]
    lines.append(f"    [*] --> {names[Condition.FREE]}")
    lines += [f"    {names[row.before]} --> {names[row.after]}: {row.request} → {row.verdict}" for row in TRANSITIONS]
    lines += ["```", "", "| the lock is | request | verdict | afterwards |", "|---|---|---|---|"]
    lines += [f"| {row.before} | {row.request} | {row.verdict} | {row.after} |" for row in TRANSITIONS]
    return "\n".join(lines)


def redrawn(page: str) -> str:
    """The page with the picture replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{drawing()}\n{END}{after}"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    new = redrawn(page)
    if "--check" in sys.argv[1:]:
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
