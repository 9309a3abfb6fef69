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


class _Terminal:
    """Standard output as a terminal of some width."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, width: int) -> None:
        self._patch.setattr(printing, "terminal_width", lambda: width)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> _Terminal:
    return _Terminal(monkeypatch)


def test_a_table_that_fits_the_terminal_is_whole_with_its_empty_columns(terminal: _Terminal):
    rows = [("one", "", "3")]
    whole = printing.columns(("key", "note", "size"), rows, "", least=("note", "size"))
    terminal(15)
    assert printing.columns(("key", "note", "size"), rows, "", least=("note", "size")) == whole


def test_a_narrow_terminal_loses_empty_columns_without_a_word_and_then_the_least_ones_with_one(terminal: _Terminal):
    titles, rows = ("key", "note", "size", "by"), [("a" * 10, "", "1.0 KiB", "ann"), ("b", "", "2 B", "bob")]
    terminal(24)
    assert printing.columns(titles, rows, "", least=("size",)).splitlines() == [
        "KEY         SIZE     BY",
        "aaaaaaaaaa  1.0 KiB  ann",
        "b           2 B      bob",
    ]
    terminal(23)
    assert printing.columns(titles, rows, "", least=("size",)).splitlines() == [
        "KEY         BY",
        "aaaaaaaaaa  ann",
        "b           bob",
        "(too narrow for size;",
        "--json has all)",
    ]


def test_a_least_column_that_fits_after_all_stays(terminal: _Terminal):
    terminal(20)
    text = printing.columns(("key", "n", "job"), [("a" * 10, "1", "j" * 30)], "", least=("n", "job"))
    assert text.splitlines()[:2] == ["KEY         N", "aaaaaaaaaa  1"]


def test_a_key_that_leaves_no_room_has_lines_of_its_own_once_for_each_run_of_rows(terminal: _Terminal):
    long = "k" * 40
    rows = [("1", long, "ann"), ("2", long, "bob"), ("3", "", "eve"), ("4", "short", "joe")]
    terminal(40)
    assert printing.columns(("id", "key", "by"), rows, "").splitlines() == [
        "KEY",
        "  ID  BY",
        long,
        "  1   ann",
        "  2   bob",
        "-",
        "  3   eve",
        "short",
        "  4   joe",
    ]


def test_prose_is_broken_into_lines_and_never_cut(terminal: _Terminal):
    reason = "the runner was destroyed in the night, and nobody knows why"
    terminal(40)
    lines = printing.columns(("key", "reason"), [("a" * 10, reason), ("b", "")], "", prose=("reason",)).splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(line[12:] for line in lines[1:-1]) == reason
    assert lines[-1] == "b"


@pytest.mark.parametrize("width", range(1, 120))
def test_every_width_shows_every_key_whole(terminal: _Terminal, width: int):
    rows = [("acme/" + "x" * n, "ann", "2026-01-01T00:00:00Z", "why " * n, "id" * 9) for n in (0, 3, 30)]
    terminal(width)
    text = printing.columns(
        ("state", "by", "since", "reason", "id"), rows, "", least=("id", "since"), prose=("reason",)
    )
    for key, by, *_ in rows:
        assert any(line.strip().startswith(key) for line in text.splitlines())
        assert by in text
    if width >= 60:
        assert max(map(len, text.splitlines())) <= width


def test_what_is_not_a_terminal_has_no_width(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "33")
    assert printing.terminal_width() is None
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert printing.terminal_width() == 33


def test_an_age_is_shown_in_its_largest_unit_and_never_for_a_time_to_come():
    def age(seconds: float) -> str:
        return printing.ago("1970-01-12T13:46:40.25Z", 1_000_000.25 + seconds)

    assert age(-5) == age(1) == "1970-01-12T13:46:40Z"
    assert age(119) == "1970-01-12T13:46:40Z (119 seconds ago)"
    assert age(120) == "1970-01-12T13:46:40Z (2 minutes ago)"
    assert age(3 * 3600 + 1800) == "1970-01-12T13:46:40Z (3 hours ago)"
    assert age(50 * 3600) == "1970-01-12T13:46:40Z (2 days ago)"
    assert printing.ago("") == ""


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
