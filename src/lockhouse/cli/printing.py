"""Text for people: columns, sizes, and progress that appears only when something takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_PATIENCE = 1.0


def columns(titles: Sequence[str], rows: Iterable[Sequence[str]], nothing: str) -> str:
    """Aligned columns, never cut off: a name that is not whole is of no use. `nothing` when there are no rows."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    if not cells:
        return nothing
    lines = [[title.upper() for title in titles], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(titles))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


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
