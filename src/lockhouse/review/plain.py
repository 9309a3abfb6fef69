"""Files without a grammar here: prose, markup, templates, and languages read line by line.

Prose gives mentions only. Other languages get their imports from one table of patterns; to read one thoroughly, give
it a grammar instead (see `languages`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import Certainty, FileFacts, Role, User
from lockhouse.review.policies import add_policy_text
from lockhouse.review.prefilter import HOST, SCHEME, TEXT, WORD, Hit
from lockhouse.review.sdk import host_use, services_in_text, string_use

_PER_SERVICE = 40


class Lines:
    """Line numbers of byte offsets, and the lines themselves."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._starts: list[int] = []

    @property
    def starts(self) -> list[int]:
        if not self._starts:
            self._starts = [0, *(m.end() for m in re.finditer(b"\n", self.data))]
        return self._starts

    def of(self, offset: int) -> tuple[int, int]:
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            if self.starts[middle] <= offset:
                low = middle
            else:
                high = middle
        return low + 1, offset - self.starts[low] + 1

    def text(self, line: int) -> str:
        start = self.starts[line - 1]
        end = self.starts[line] if line < len(self.starts) else len(self.data)
        return self.data[start : min(end, start + 2000)].decode("utf-8", "replace")


def mentions(facts: FileFacts, data: bytes, hits: list[Hit], role: Role) -> None:
    """Every line of a document that names a service."""
    lines = Lines(data)
    seen: set[tuple[str, int]] = set()
    counts: dict[str, int] = {}

    def add(service: str, line: int, column: int) -> None:
        if (service, line) in seen or counts.get(service, 0) >= _PER_SERVICE:
            return
        seen.add((service, line))
        counts[service] = counts.get(service, 0) + 1
        facts.add(service, role, role.value, line, lines.text(line), column=column)

    for hit in hits:
        line, column = lines.of(hit.start)
        if hit.kind in {WORD, HOST} and hit.service:
            add(hit.service, line, column)
        elif hit.token in {"@aws-sdk", "aws_", "aws::", '.client("', ".client('"}:
            for service in services_in_text(lines.text(line)):
                add(service, line, column)


def comments_by_line(facts: FileFacts, data: bytes, hits: list[Hit], hash_comments: bool) -> None:
    """Words in the comments of a source file that nothing else in it makes worth parsing."""
    lines = Lines(data)
    seen: set[tuple[str, int]] = set()
    for hit in hits:
        if hit.kind != WORD:
            continue
        number, column = lines.of(hit.start)
        text = lines.text(number)
        if (hit.service, number) in seen or not in_comment(text, column, hash_comments=hash_comments):
            continue
        seen.add((hit.service, number))
        if sum(1 for f in facts.facts if f.service == hit.service) < 8:
            facts.add(hit.service, Role.COMMENT, "comment", number, text, column=column)


def in_comment(text: str, column: int, *, hash_comments: bool) -> bool:
    """Whether column `column` of a line lies in a comment, by the line alone."""
    before = text[: column - 1]
    if hash_comments:
        position = before.find("#")
        return position >= 0 and before[:position].count('"') % 2 == 0 and before[:position].count("'") % 2 == 0
    position = before.find("//")
    if position >= 0 and not before[:position].endswith(":"):
        return True
    return before.lstrip().startswith(("*", "/*", "<!--", "--"))


_OTHER: dict[str, tuple[tuple[re.Pattern[str], Callable[[str], str | None]], ...]] = {}


def _csharp(name: str) -> str | None:
    known = catalogue()
    if name.startswith("Amazon."):
        part = re.sub(r"v\d+$", "", name.split(".")[1])
        return known.aws_class_named(part) or known.boto_like(part)
    return {
        "StackExchange": "redis",
        "Npgsql": "postgresql",
        "Stripe": "stripe",
        "Twilio": "twilio",
        "SendGrid": "sendgrid",
        "MongoDB": "mongodb",
        "Sentry": "sentry",
        "OpenAI": "openai",
    }.get(name.split(".", maxsplit=1)[0])


def _php(name: str) -> str | None:
    known = catalogue()
    parts = name.strip("\\").split("\\")
    if parts[0] == "Aws" and len(parts) > 1:
        return known.aws_class_named(parts[1]) or known.boto_like(parts[1])
    return {
        "Stripe": "stripe",
        "Twilio": "twilio",
        "SendGrid": "sendgrid",
        "Predis": "redis",
        "MongoDB": "mongodb",
        "Sentry": "sentry",
        "WorkOS": "workos",
        "OpenAI": "openai",
    }.get(parts[0])


def _patterns(suffix: str) -> tuple[tuple[re.Pattern[str], Callable[[str], str | None]], ...]:
    if not _OTHER:
        known = catalogue()
        jvm = ((re.compile(r"^\s*import\s+(?:static\s+)?([\w.]+)"), known.java),)
        _OTHER.update({"kt": jvm, "kts": jvm, "scala": jvm, "groovy": jvm})
        _OTHER["cs"] = ((re.compile(r"^\s*(?:global\s+)?using\s+(?:static\s+)?([A-Z][\w.]+)\s*;"), _csharp),)
        _OTHER["php"] = (
            (re.compile(r"^\s*use\s+(\\?[A-Z]\w+(?:\\\w+)*)"), _php),
            (re.compile(r"new\s+(\\Aws\\\w+\\\w+)"), _php),
        )
        _OTHER["rs"] = (
            (
                re.compile(r"(?:^|\W)(aws_sdk_\w+|redis|sentry|tokio_postgres)::"),
                lambda n: known.crate(n.replace("_", "-")),
            ),
        )
    return _OTHER.get(suffix, ())


def read_other_source(facts: FileFacts, data: bytes, hits: list[Hit]) -> None:
    """Imports by pattern, endpoints and connection strings outside comments."""
    lines = Lines(data)
    text = data.decode("utf-8", "replace")
    for pattern, lookup in _patterns(facts.file.rpartition(".")[2]):
        done: set[str] = set()
        for number, line in enumerate(text.split("\n"), 1):
            match = pattern.search(line[:1000])
            service = lookup(match[1]) if match and not line.lstrip().startswith(("//", "*", "#")) else None
            if match is None or not service or service in done:
                continue
            done.add(service)
            last = re.split(r"[.\\]", match[1])[-1]
            used = facts.file.endswith((".cs", ".rs")) or len(re.findall(rf"\b{re.escape(last)}\b", text)) > 1
            role = Role.CLIENT if used else Role.IMPORT
            rule = "import.pattern" if used else "import.unused"
            facts.add(
                service, role, rule, number, line, User.APPLICATION if used else None, certainty=Certainty.PROBABLE
            )
    for hit in hits:
        number, column = lines.of(hit.start)
        line = lines.text(number)
        if hit.kind not in {HOST, SCHEME, TEXT} or in_comment(line, column, hash_comments=False):
            continue
        use = string_use(line[max(0, column - 120) : column + 200], hit)
        if use and not any(f.service == use[0] and f.line == number for f in facts.facts):
            facts.add(*use, number, line, User.APPLICATION, column=column, certainty=Certainty.PROBABLE)
    comments_by_line(facts, data, hits, hash_comments=facts.file.endswith((".ex", ".exs", ".php")))


def script_parts(data: bytes) -> bytes:
    """Markup with everything but its scripts blanked out, so that lines stay."""
    out = bytearray(re.sub(rb"[^\n]", b" ", data))
    for match in re.finditer(rb"<script\b[^>]*>(.*?)</script>|\A---\n(.*?)\n---", data, re.DOTALL | re.IGNORECASE):
        group = 1 if match[1] is not None else 2
        out[match.start(group) : match.end(group)] = match[group]
    return bytes(out)


def markup_hosts(facts: FileFacts, data: bytes, hits: list[Hit]) -> None:
    """Scripts and endpoints that markup names (`<script src="https://js.stripe.com/v3">`)."""
    lines = Lines(data)
    for hit in hits:
        number, column = lines.of(hit.start)
        line = lines.text(number)
        if hit.kind != HOST or in_comment(line, column, hash_comments=False):
            continue
        if re.search(r"(?:src|action|url|fetch|endpoint)\s*[=:(]", line, re.IGNORECASE):
            use = host_use(line)
            if use and not any(f.service == use[0] and f.line == number for f in facts.facts):
                facts.add(*use, number, line, User.APPLICATION, column=column, certainty=Certainty.PROBABLE)


def notebook_code(text: str) -> str:
    """The code cells of a notebook as one Python text; magics are blanked out."""
    try:
        document = json.loads(text)
        cells = document["cells"]
        parts = ["".join(c["source"]) for c in cells if isinstance(c, dict) and c.get("cell_type") == "code"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return re.sub(r"^[%!].*$", "", "\n".join(parts), flags=re.MULTILINE)


def read_template_text(facts: FileFacts, text: str) -> None:
    """A template (`policy.json.tpl`, `user_data.sh.tftpl`): policies in it are permissions."""
    add_policy_text(facts, text, 1)
