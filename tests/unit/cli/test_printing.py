"""Text for people."""

from __future__ import annotations

import pytest

from lockhouse.cli import printing


def test_columns_are_aligned_and_never_cut():
    text = printing.columns(("key", "size"), [("a" * 200, "1"), ("b", "22")], "none")
    lines = text.splitlines()
    assert lines[0].split() == ["KEY", "SIZE"]
    assert [line.index(number) for line, number in zip(lines[1:], ("1", "22"), strict=True)] == [202, 202]
    assert printing.columns(("key",), [], "none") == "none"


def test_no_control_character_of_a_name_reaches_the_terminal():
    for text in (
        printing.columns(("key",), [("a\x1b[31m\nb\u202e",)], ""),
        printing.facts([("key", "a\x1b[31m\nb\u202e")]),
    ):
        assert "a?[31m?b?" in text


def test_empty_facts_are_left_out():
    assert printing.facts([("one", "1"), ("nothing", ""), ("three", "3")]) == "one    1\nthree  3\n"


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB")])
def test_sizes(count: int, text: str):
    assert printing.size(count) == text


def test_times_are_shown_without_fractions():
    assert printing.short("2026-01-01T10:00:00.123Z") == "2026-01-01T10:00:00Z"
    assert printing.short("2026-01-01T10:00:00Z") == "2026-01-01T10:00:00Z"
    assert printing.short("") == ""


def test_progress_passes_every_piece_on_and_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]):
    pieces = [b"a" * 10, b"b"]
    assert list(printing.progress(iter(pieces), 11, "downloading")) == pieces
    assert capsys.readouterr().err == ""
