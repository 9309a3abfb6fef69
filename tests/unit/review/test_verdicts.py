"""Every small repository, and every mutation of it, gets the verdict that was written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockhouse.review.reports import as_json, ask, html, markdown, sarif, terminal

from .fixtures import Case, cases

CASES = cases()


def test_there_are_at_least_forty_small_repositories():
    assert len({c.fixture for c in CASES}) >= 40


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_verdict_is_the_one_written_by_hand(case: Case, tmp_path: Path):
    found = case.review(tmp_path)
    for name, expected in case.expected.items():
        verdict = found.service(name)
        assert verdict is not None
        proof = [(e.user, e.role, f"{e.file}:{e.line}") for e in verdict.evidence]
        assert (verdict.status, [u.value for u in verdict.users]) == (expected["status"], expected["users"]), (
            name,
            proof,
        )
        assert str(expected.get("purpose", "")) in verdict.purpose
        assert str(expected.get("place", "")) in verdict.because
        if "component" in expected:
            assert expected["component"] in [e.component for e in verdict.evidence if e.live]
    assert set(case.findings) <= {f.rule for f in found.findings}


@pytest.mark.parametrize("case", [c for c in CASES if not c.mutation], ids=str)
def test_the_same_repository_gives_the_same_bytes_twice(case: Case, tmp_path: Path):
    first = as_json.render(case.review(tmp_path / "a")).replace(str(tmp_path / "a"), "")
    second = as_json.render(case.review(tmp_path / "b")).replace(str(tmp_path / "b"), "")
    assert first == second


@pytest.mark.parametrize("case", [c for c in CASES if c.secrets], ids=str)
def test_no_secret_value_is_in_any_report(case: Case, tmp_path: Path):
    found = case.review(tmp_path)
    reports = [
        as_json.render(found),
        terminal.render(found),
        markdown.render(found),
        html.render(found),
        sarif.render(found),
    ]
    reports += [ask.render(found, s) for s in found.services]
    for secret in case.secrets:
        assert all(secret not in report for report in reports)


def test_every_piece_of_evidence_points_at_a_line_that_exists(tmp_path: Path):
    for case in [c for c in CASES if not c.mutation]:
        folder = tmp_path / case.fixture
        found = case.review(folder)
        for service in found.services:
            for item in service.evidence:
                lines = (folder / "repo" / item.file).read_text(errors="replace").split("\n")
                assert 1 <= item.line <= len(lines), (case.fixture, item)
