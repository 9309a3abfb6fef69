"""The page of rights is what the tables say."""

from __future__ import annotations

from pathlib import Path

from tests.unit.docs import rights

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "rights.md"


def test_the_page_of_rights_is_written_from_the_tables():
    assert PAGE.read_text(encoding="utf-8") == rights.page()
