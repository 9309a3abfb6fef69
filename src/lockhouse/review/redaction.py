"""What may be shown of a line: everything but a secret's value.

A pure function from text to text. Where in doubt it hides: a snippet is there to find a place again, not to copy
from. It also takes the terminal's control characters out, so that a hostile file cannot drive somebody's screen.
"""

from __future__ import annotations

import functools
import re

LIMIT = 160
HIDDEN = "[hidden]"

_SECRET = re.compile(
    r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{12,}\b|\b[srp]k_(?:live|test)_[0-9A-Za-z]+|\bwhsec_[0-9A-Za-z]+|"
    r"\bsk-[A-Za-z0-9_-]{12,}|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|npm_|pypi-|dop_v1_|SG\.|re_|hf_|shpat_|lin_api_)"
    r"[A-Za-z0-9_.-]{10,}|\bAIza[0-9A-Za-z_-]{20,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?|"
    r"-----BEGIN [A-Z ]+-----.*|\b(?:AC|SK)[0-9a-f]{32}\b"
)
_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@\"'`]*@")
_ASSIGNED = re.compile(
    r"(?i)([\"']?[\w.-]*(?:secret|passw(?:or)?d|passphrase|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|auth[_-]?key|"
    r"dsn|signing[_-]?key)[\w.-]*[\"']?\s*(?:[:=]|=>|:=)\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|`[^`]*`|[^\s,;)}\]]+)"
)
_HARMLESS = re.compile(
    r"(?i)^[\"']?(?:$|\$|process\.env|os\.|env[\[.(]|var\.|local\.|data\.|aws_|module\.|!|\{\{|<|true\b|false\b|null\b|none\b|nil\b|"
    r"string\b|str\b|await\b|new\b|get|config|settings|secrets?\.|self\.|this\.|arn:|[A-Za-z_]\w*\(|[a-z_][\w]*\.[\w.]+$)"
)
_LONG = re.compile(
    r"(?<![\w/.-])(?=[A-Za-z0-9+/=_-]*\d)(?=[A-Za-z0-9+/=_-]*[A-Z])(?=[A-Za-z0-9+/=_-]*[a-z])[A-Za-z0-9+/=_]{32,}(?![\w/.-])"
)
_HEX = re.compile(r"\b[0-9a-fA-F]{32,}\b")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def _hide_assigned(match: re.Match[str]) -> str:
    value = match["value"]
    if _HARMLESS.match(value):
        return match[0]
    return match[1] + HIDDEN


_KEYWORDS = ("secret", "passw", "passphrase", "token", "key", "credential", "dsn")
_RUN = re.compile(r"[A-Za-z0-9+/=_]{32}")


@functools.lru_cache(maxsize=20_000)
def redact(text: str) -> str:
    """`text` as one line of at most 160 characters without secret values or control characters."""
    line = _SECRET.sub(HIDDEN, text.strip()[: LIMIT * 4].replace("\t", " "))
    if "://" in line:
        line = _USERINFO.sub(rf"\1{HIDDEN}@", line)
    low = line.lower()
    if any(word in low for word in _KEYWORDS):
        line = _ASSIGNED.sub(_hide_assigned, line)
    if _RUN.search(line):
        line = _HEX.sub(HIDDEN, _LONG.sub(HIDDEN, line))
    line = shown(line)
    return line if len(line) <= LIMIT else line[: LIMIT - 1] + "…"


def shown(name: str) -> str:
    """A name (path, resource) that is safe to print: control characters and broken encodings become escapes."""
    if name.isascii() and name.isprintable():
        return name
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", name)
