"""Log lines: one event, one line, in both forms."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from lockhouse.cli import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    names = ("lockhouse", "uvicorn.error", "asyncio")
    before = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in names}
    yield
    for name, (handlers, level) in before.items():
        logger = logging.getLogger(name)
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = True


def test_a_text_line_has_its_time_level_logger_and_message(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "text")
    logging.getLogger("lockhouse.app").info("Started endpoint=%s", "http://127.0.0.1:1")
    logging.getLogger("lockhouse.app").debug("Not shown")
    said = capsys.readouterr()
    assert said.out == ""
    line = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO lockhouse\.app Started endpoint=http://127\.0\.0\.1:1\n"
    assert re.fullmatch(line, said.err)


def test_a_name_cannot_forge_a_line_or_colour_a_terminal(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "text")
    logging.getLogger("lockhouse").warning("Refused name=%s", "x\n2026 INFO forged\x1b[31m")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r"Refused name=x\n2026 INFO forged\x1b[31m")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_stays_with_its_line(capsys: pytest.CaptureFixture[str], form: str):
    logs.configure("info", form)
    try:
        json.loads("two\nlines")
    except ValueError:
        logging.getLogger("lockhouse").exception("Cannot serve request=%s", "R1")
    first, *rest = capsys.readouterr().err.splitlines()
    if form == "json":
        document = json.loads(first)
        assert rest == []
        assert (document["level"], document["message"]) == ("error", "Cannot serve request=R1")
        assert "JSONDecodeError" in document["traceback"]
    else:
        assert rest
        assert all(each.startswith("    ") for each in rest)
