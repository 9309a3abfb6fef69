"""Log lines on standard error: one event on one line, as text or as JSON, whatever a client has put into a name.

Nothing else is written there by the server; standard output has only what `serve` announces.
"""

from __future__ import annotations

import json
import logging
import sys
import time

_LOGGERS = ("lockhouse", "uvicorn.error", "asyncio")


def configure(level: str, form: str) -> None:
    """Send all log lines from `level` on to standard error. `form`: `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        # uvicorn tells at level info what we announce ourselves.
        logger.setLevel(level.upper() if name == "lockhouse" else logging.WARNING)


class _Text(logging.Formatter):
    """`2026-01-01T00:00:00.000Z INFO lockhouse.app Message key=value`, a traceback indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_when(record)} {record.levelname} {record.name} {_one_line(record.getMessage())}"
        if record.exc_info:
            line += "".join(f"\n    {_one_line(each)}" for each in self.formatException(record.exc_info).splitlines())
        return line


class _Json(logging.Formatter):
    """One object on each line: `at`, `level`, `logger`, `message` and perhaps `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "at": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)


def _when(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
