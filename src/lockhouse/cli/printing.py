"""Text for people: columns that fit a terminal, sizes, and progress that appears only when something takes longer than
a second. Every table of every command is made here."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest
from textwrap import fill, wrap

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_AGES = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
_PATIENCE = 1.0
_GAP = 2
_PROSE = 20


def columns(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    nothing: str,
    *,
    least: Sequence[str] = (),
    prose: Sequence[str] = (),
) -> str:
    """Aligned columns; `nothing` when there are no rows. On a terminal they fit its width where they can.

    Nothing is ever cut short: a name that is not whole is of no use. Texts in the columns `prose` are broken into
    several lines; columns in `least` are left out when there is no room, the first one first, and a last line names
    them. When the rest is still too wide, the widest column (a long key) has a line of its own above the others. What
    is not written to a terminal is always whole, each row on one line.
    """
    cells = [[_one_line(cell) for cell in row] for row in rows]
    if not cells:
        return nothing
    width = terminal_width()
    table = _Table([title.upper() for title in titles], cells, list(range(len(titles))))
    if width is None or table.width() <= width:
        return table.lines(None)
    lost = [titles.index(title) for title in least]
    broken = frozenset(titles.index(title) for title in prose)
    return _fitted(table, width, lost, broken)


def terminal_width() -> int | None:
    """How many letters fit on a line of standard output; none when that is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


@dataclass(frozen=True)
class _Table:
    """Titles, rows, and which columns are shown, in order."""

    titles: list[str]
    rows: list[list[str]]
    shown: list[int]

    def without(self, gone: Iterable[int]) -> _Table:
        left_out = set(gone)
        return replace(self, shown=[index for index in self.shown if index not in left_out])

    def wide(self, index: int) -> int:
        return max(len(self.titles[index]), *(len(row[index]) for row in self.rows))

    def width(self, broken: frozenset[int] = frozenset()) -> int:
        """The whole line, with the columns of `broken` as narrow as they may become."""
        wide = (min(self.wide(index), _PROSE) if index in broken else self.wide(index) for index in self.shown)
        return sum(wide) + _GAP * (len(self.shown) - 1)

    def lines(self, room: int | None, broken: frozenset[int] = frozenset(), above: int | None = None) -> str:
        """All lines; the columns of `broken` share what the others leave of the room; `above` has lines of its own."""
        widths = {index: self.wide(index) for index in self.shown}
        over = self.width() - room if room is not None else 0
        for index in sorted(broken & widths.keys(), key=lambda each: -widths[each]):
            less = max(0, min(over, widths[index] - _PROSE))
            widths[index], over = widths[index] - less, over - less
        margin, last, made = "" if above is None else " " * _GAP, "", []
        for row in (self.titles, *self.rows):
            if above is not None and row[above] != last:
                made.append(row[above] or "-")
                last = row[above]
            cells = [
                wrap(row[index], widths[index], break_on_hyphens=False) if index in broken else [row[index]]
                for index in self.shown
            ]
            for parts in zip_longest(*cells, fillvalue=""):
                line = (" " * _GAP).join(
                    part.ljust(widths[index]) for index, part in zip(self.shown, parts, strict=True)
                )
                made.append(f"{margin}{line}".rstrip())
        return "".join(f"{line}\n" for line in made)


def _fitted(table: _Table, width: int, least: list[int], broken: frozenset[int]) -> str:
    """A table that is too wide, as it fits."""
    table = table.without(index for index in table.shown if not any(row[index] for row in table.rows))
    if table.without(least).width(broken) <= width:
        rest, left_out = _narrower(table, width, least, broken)
        return rest.lines(width, broken) + _left_out(table, left_out, width)
    above = max((index for index in table.shown if index not in broken and index not in least), key=table.wide)
    if len(table.shown) == 1:
        return table.lines(None)
    inner = width - _GAP
    rest, left_out = _narrower(table.without([above]), inner, least, broken)
    return rest.lines(inner, broken, above) + _left_out(table, left_out, width)


def _narrower(table: _Table, width: int, least: list[int], broken: frozenset[int]) -> tuple[_Table, list[int]]:
    """The table without as few of the least columns as possible, and those."""
    gone: list[int] = []
    for index in (index for index in least if index in table.shown):
        if table.without(gone).width(broken) <= width:
            break
        gone.append(index)
    for index in reversed(gone.copy()):
        fewer = [each for each in gone if each != index]
        if table.without(fewer).width(broken) <= width:
            gone = fewer
    return table.without(gone), gone


def _left_out(table: _Table, gone: list[int], width: int) -> str:
    if not gone:
        return ""
    names = ", ".join(table.titles[index].lower() for index in sorted(gone))
    return fill(f"(too narrow for {names}; --json has all)", width) + "\n"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values, one pair on each line; empty values are left out."""
    shown = [(name, _one_line(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    return "".join(f"{name.ljust(width)}  {value}\n" for name, value in shown)


def size(count: int) -> str:
    """A size as people read it."""
    number, unit = float(count), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def optional(number: int | None) -> str:
    return "" if number is None else str(number)


def short(time_text: str) -> str:
    """RFC 3339 without fractions of a second."""
    return time_text.partition(".")[0].removesuffix("Z") + "Z" if time_text else ""


def ago(time_text: str, now: float | None = None) -> str:
    """The time, and how long ago that is by this machine's clock; a clock that is behind the server's says nothing."""
    if not time_text:
        return ""
    passed = (time.time() if now is None else now) - datetime.fromisoformat(time_text).timestamp()
    for unit, seconds in _AGES:
        if passed >= 2 * seconds:
            return f"{short(time_text)} ({passed // seconds:.0f} {unit} ago)"
    return short(time_text)


def progress(pieces: Iterator[bytes], total: int, what: str) -> Iterator[bytes]:
    """The pieces; on a terminal, once a second has passed, a line on standard error says how far it is."""
    watched = sys.stderr.isatty()
    began = shown = time.monotonic()
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        now = time.monotonic()
        if watched and now - began > _PATIENCE and now - shown > 0.2:
            shown = now
            part = f"{100 * done // total} %" if total else size(done)
            sys.stderr.write(f"\r{what}: {part} of {size(total)}   " if total else f"\r{what}: {part}   ")
            sys.stderr.flush()
    if watched and shown > began:
        sys.stderr.write("\r\033[K")


def _one_line(text: str) -> str:
    """No control character of somebody's name or reason reaches the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
