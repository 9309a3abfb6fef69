"""The small repositories with their expected verdicts, written by hand before the code, and their mutations."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from lockhouse.review.model import Review
from lockhouse.review.review import known_service, review

FOLDER = Path(__file__).resolve().parents[2] / "review_fixtures"


@dataclass(frozen=True)
class Case:
    """One fixture, or one mutation of it, with what must come out."""

    fixture: str
    mutation: str
    expected: dict[str, dict[str, object]]
    move: tuple[str, str] | None = None
    edit: tuple[str, str, str] | None = None
    findings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.fixture}{': ' + self.mutation if self.mutation else ''}"

    def prepare(self, folder: Path) -> Path:
        target = folder / "repo"
        shutil.copytree(FOLDER / self.fixture / "repo", target)
        if self.move:
            before, after = self.move
            (target / after).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(target / before, target / after)
        if self.edit:
            name, old, new = self.edit
            text = (target / name).read_text()
            assert old in text, f"the mutation of {self.fixture} no longer fits"
            (target / name).write_text(text.replace(old, new))
        return target

    def review(self, folder: Path) -> Review:
        return review(self.prepare(folder), tuple(known_service(s) for s in self.expected))


def cases() -> list[Case]:
    out = []
    for path in sorted(FOLDER.glob("*/expected.toml")):
        data = tomllib.loads(path.read_text())
        name = path.parent.name
        out.append(
            Case(
                name,
                "",
                data["services"],
                findings=tuple(data.get("findings", ())),
                secrets=tuple(data.get("secrets", ())),
            )
        )
        for mutation in data.get("mutations", ()):
            move, edit = mutation.get("move"), mutation.get("edit")
            out.append(
                Case(
                    name,
                    mutation["name"],
                    mutation["expect"],
                    tuple(move) if move else None,
                    tuple(edit) if edit else None,
                )
            )
    return out
