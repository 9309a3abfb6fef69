"""What must and what must not change every verdict: another folder, a folder of examples, everything commented out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lockhouse.review.model import Status
from lockhouse.review.review import known_service, review

from .fixtures import FOLDER, Case, cases

PLAIN = [c for c in cases() if not c.mutation]
MARKS = {".ts": "//", ".tsx": "//", ".js": "//", ".mjs": "//", ".go": "//", ".java": "//", ".py": "#", ".rb": "#", ".tf": "#", ".hcl": "#",
         ".tfbackend": "#", ".yml": "#", ".yaml": "#", ".sh": "#", "Dockerfile": "#", "Gemfile": "#", ".env": "#"}  # fmt: skip


def copied(case: Case, folder: Path, below: str) -> Path:
    shutil.copytree(FOLDER / case.fixture / "repo", folder / below)
    return folder


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_another_folder_changes_no_verdict(case: Case, tmp_path: Path):
    found = review(copied(case, tmp_path, "services/thing"), tuple(known_service(s) for s in case.expected))
    for name, expected in case.expected.items():
        verdict = found.service(name)
        assert verdict is not None
        assert (verdict.status, [u.value for u in verdict.users]) == (expected["status"], expected["users"]), name


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_in_a_folder_of_examples_nothing_is_used(case: Case, tmp_path: Path):
    found = review(copied(case, tmp_path, "examples/thing"))
    assert [s.service for s in found.services if s.users or s.status is Status.UNKNOWN] == []
    assert found.unknowns == ()


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_what_is_commented_out_is_not_used(case: Case, tmp_path: Path):
    repo = copied(case, tmp_path, "repo") / "repo"
    for path in sorted(repo.rglob("*")):
        mark = MARKS.get(path.suffix) or MARKS.get(path.name)
        if mark and path.is_file():
            path.write_text("".join(f"{mark} {line}\n" for line in path.read_text().split("\n")))
    found = review(repo)
    for service in found.services:
        for item in service.evidence:
            commented = MARKS.get(Path(item.file).suffix) or MARKS.get(Path(item.file).name)
            assert not (item.live and commented), (service.service, item)
