"""Verifies a document about a service: quoted paths, snippets, listed mentions, claims of absence and of cost.

Everything is looked up in the review and in the files themselves; commands that the document shows are never run: a
`grep` in it is repeated as a plain search for its words. Specification: docs/reference/review.md, "--check-doc".
"""

from __future__ import annotations

import difflib
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path

from lockhouse.review import cost
from lockhouse.review.catalogue import catalogue
from lockhouse.review.files import list_files, read_regular
from lockhouse.review.markdown_text import Block, Heading, Markdown, parse
from lockhouse.review.model import Finding, Review, Role, ServiceReview, Status, User
from lockhouse.review.redaction import redact
from lockhouse.review.reports.as_json import document as review_document
from lockhouse.review.reports.as_json import finding as finding_json
from lockhouse.review.reports.as_json import text_of

RULES = {
    "doc.path_missing": ("error", "A path that the document names does not exist."),
    "doc.snippet_differs": ("warning", "A quoted snippet is not in the file it is said to be from."),
    "doc.mention_missing": ("warning", "A place that names the service is not in the document's list."),
    "doc.mention_wrong": ("warning", "A listed place does not name the service."),
    "doc.absence_false": ("error", "The document says that something is not there, and it is."),
    "doc.claim_false": ("error", "The document's claim about who uses a service contradicts the review."),
    "doc.claim_unproven": ("warning", "The document's claim cannot be proven from the repository."),
    "doc.cost_wrong": ("error", "A cost does not follow from the document's own numbers or from the prices."),
    "doc.price_old": ("warning", "A unit price is not the current one."),
}
MAX_SEARCHED = 20_000
_PATH = re.compile(r"^(?:\.{1,2}/)*[\w.@-]+(?:/[\w.@-]+)*/?$")
_EXTENSION = re.compile(r"\.(?:md|tf|tfvars|hcl|sh|ts|tsx|js|mjs|jsx|py|go|java|rb|json|ya?ml|toml|sql|txt|html|env)$")
_ARROW = re.compile(r"\s*(?:←|<-|<--|⬅).*$")
_ABSENT = (
    re.compile(r"(?i)\bnot\b[^.\n]{0,40}\bused by\b[^.\n]{0,20}\bapp"),
    re.compile(r"(?i)\bonly\b[^.\n]{0,40}\bused (?:for|by)\b[^.\n]{0,30}\bterraform"),
    re.compile(r"(?i)\bapp\w*\b[^.\n]{0,30}\bnever (?:touches|uses|calls|reads)\b"),
    re.compile(r"(?i)\bno\b \w+ (?:used here|sdk)\b"),
    re.compile(r"(?i)\byour? (?:app\w*|code|backend) (?:does not|doesn't) (?:use|touch|call)"),
)


@dataclass(slots=True)
class _Checker:
    text: str
    name: str
    review: Review
    root: Path
    prices: cost.Prices
    paths: list[str]
    service: ServiceReview | None
    markdown: Markdown
    found: list[Finding] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)

    def add(self, rule: str, line: int, message: str, hint: str = "") -> None:
        service = self.service.service if self.service else ""
        self.found.append(
            Finding(rule, RULES[rule][0], redact_long(message), self.name, line, service, redact_long(hint))
        )

    # Paths and snippets

    def all_paths(self) -> None:
        for line, text in self.markdown.spans:
            self.path(line, text, None)
        for heading in self.markdown.headings:
            for path in _paths_in(heading.text):
                self.path(heading.line, path, self.markdown.block_after(heading.line))
        for block in self.markdown.blocks:
            first = block.lines[0].strip() if block.lines else ""
            match = re.match(r"^(?://|#|--|<!--)\s*([\w./@-]+\.\w+)(?:\s*\(.*\))?\s*(?:-->)?$", first)
            if match and "/" in match[1]:
                self.path(block.line, match[1], block)
                continue
            for path in _paths_in(self.markdown.text_before(block)):
                if _EXTENSION.search(path) and not any(path in h.text for h in self.markdown.headings):
                    self.path(block.line, path, block)

    def path(self, line: int, text: str, block: Block | None) -> None:
        found = self.resolve(text)
        if found is None:
            if text not in self.named:
                self.named[text] = line
                near = self.nearest(text, block)
                self.add("doc.path_missing", line, f"{text} does not exist", f"did you mean {near}?" if near else "")
            return
        self.named.setdefault(found, line)
        if block is not None:
            self.snippet(block, found)

    def resolve(self, text: str) -> str | None:
        """The repository path that a document's path means, or None."""
        if not _PATH.match(text):
            return text
        bare = posixpath.normpath(re.sub(r"^(?:\.{1,2}/)+", "", text)).rstrip("/")
        folders = {posixpath.dirname(p) for p in self.paths}
        if bare in self.paths or any(f == bare or f.startswith(bare + "/") for f in folders):
            return bare
        ends = [p for p in self.paths if p.endswith("/" + bare)]
        if "/" not in bare and ends:
            return min(ends, key=lambda p: (p.count("/"), p))
        return ends[0] if len(ends) == 1 else None

    def nearest(self, text: str, block: Block | None) -> str:
        """The file that holds most of the quoted lines, else the one with the likest name."""
        quoted = _lines(block) if block is not None else []
        if quoted:
            scores = []
            for path in self.paths[:MAX_SEARCHED]:
                if posixpath.splitext(path)[1] == posixpath.splitext(text)[1] or posixpath.basename(
                    path
                ) == posixpath.basename(text):
                    have = self.content(path)
                    scores.append((sum(1 for q in quoted if q in have), path))
            best = max(scores, default=(0, ""))
            if best[0] * 3 >= len(quoted) and best[0]:
                return best[1]
        suffix = posixpath.splitext(text)[1]
        return next(iter(difflib.get_close_matches(text, [p for p in self.paths if p.endswith(suffix)], 1, 0.5)), "")

    def content(self, path: str) -> str:
        data = read_regular(self.root, path, 400_000)
        return "" if isinstance(data, str) else _flat(data.decode("utf-8", "replace"))

    def snippet(self, block: Block, path: str) -> None:
        if path not in self.paths:
            return
        have = self.content(path)
        quoted = _lines(block)
        missing = [q for q in quoted if q not in have]
        if missing:
            self.add(
                "doc.snippet_differs",
                block.line,
                f"{len(missing)} of {len(quoted)} quoted lines are not in {path}; first: {missing[0][:80]}",
            )

    # Mentions

    def mentions(self) -> None:
        if self.service is None:
            return
        where = next(
            (h for h in self.markdown.headings if re.search(r"(?i)\bwhere\b.*\b(mention|used|named|appears)", h.text)),
            None,
        )
        proven: dict[str, list[int]] = {}
        for item in self.service.evidence:
            if item.role is not Role.UNKNOWN and posixpath.basename(item.file) != posixpath.basename(self.name):
                proven.setdefault(item.file, []).append(item.line)
        listed = set(self.named)
        if where is None and len(listed & set(proven)) < 2:
            return
        for path, lines in sorted(proven.items()):
            if path not in listed and not any(path.startswith(n + "/") for n in listed if False):
                roles = sorted({e.role.value.replace("_", " ") for e in self.service.evidence if e.file == path})
                self.add(
                    "doc.mention_missing",
                    where.line if where else 1,
                    f"{path}:{lines[0]} names {self.service.name} ({', '.join(roles)}) and is not listed",
                )
        if where is not None:
            end = next(
                (h.line for h in self.markdown.headings if h.line > where.line and h.level <= where.level), 10**9
            )
            for path, line in self.named.items():
                if where.line < line < end and path in self.paths and path not in proven:
                    self.add("doc.mention_wrong", line, f"{path} does not name {self.service.name}")

    # Claims

    def claims(self) -> None:
        service = self.service
        if service is None:
            return
        for number, line in enumerate(self.text.split("\n"), 1):
            if not any(p.search(line) for p in _ABSENT):
                continue
            if User.APPLICATION in service.users:
                first = next(e for e in service.evidence if e.user is User.APPLICATION)
                self.add(
                    "doc.claim_false",
                    number,
                    f"says the application does not use {service.name}, but {first.file}:{first.line} does",
                )
            elif service.status is Status.UNKNOWN:
                self.add(
                    "doc.claim_unproven", number, f"says the application does not use {service.name}; {service.because}"
                )
        self._uses()
        self._searches()

    def _uses(self) -> None:
        section: Heading | None = None
        for heading in self.markdown.headings:
            if re.search(r"(?i)\bapp\w*\b.*\buses\b", heading.text):
                section = heading
            elif section is not None and heading.level <= section.level:
                section = None
            elif section is not None and ":" in heading.text:
                name = re.split(r"[(,]", heading.text.partition(":")[2])[0].strip()
                known = catalogue().find(name) if name else None
                found = self.review.service(known) if known else None
                if known and (found is None or User.APPLICATION not in found.users):
                    status = found.status.value.replace("_", " ") if found else "not present"
                    self.add("doc.claim_false", heading.line, f"says the application uses {name}, but it is {status}")

    def _searches(self) -> None:
        """`grep` commands that are said to find nothing, repeated as a search for their words."""
        for block in self.markdown.blocks:
            text = "\n".join(block.lines)
            if not re.search(r"(?i)should (?:return|show|print|find)[: ]+(?:no|nothing)", text):
                continue
            folder = ""
            for offset, line in enumerate(block.lines):
                moved = re.match(r"\s*cd\s+([\w./-]+)", line)
                if moved:
                    folder = moved[1].strip("./")
                    if self.resolve(folder) is None:
                        self.add("doc.path_missing", block.line + offset + 1, f"{folder} does not exist")
                self._search(block.line + offset + 1, line, folder)

    def _search(self, number: int, line: str, folder: str) -> None:
        match = re.search(
            r"(?:cat\s+([\w./-]+)\s*\|\s*)?grep\s+((?:-{1,2}\w+\s+)*)[\"']?([^\"'\s]+)[\"']?\s*([\w./-]*)", line
        )
        if match is None:
            return
        target = match[1] or posixpath.join(folder, match[4] or "")
        target = posixpath.normpath(target).strip("/") if target else "."
        words = [w for w in re.split(r"\\\||\|", match[3]) if w]
        ignore_case = "i" in match[2]
        for path in self.paths[:MAX_SEARCHED]:
            if target not in {".", path} and not path.startswith(target + "/"):
                continue
            data = read_regular(self.root, path, 400_000)
            if isinstance(data, str):
                continue
            text = data.decode("utf-8", "replace")
            for row, content in enumerate(text.split("\n"), 1):
                hay = content.lower() if ignore_case else content
                if any((w.lower() if ignore_case else w) in hay for w in words):
                    self.add(
                        "doc.absence_false",
                        number,
                        f"says the search finds nothing, but {path}:{row} has it: {redact(content)[:80]}",
                    )
                    return

    # Cost

    def costs(self) -> None:
        text = self.text
        reads, writes = _number(r"(?i)reads?\W+~?\s*(\d+)", text), _number(r"(?i)writes?\W+~?\s*(\d+)", text)
        runs = _number(r"(?i)(\d[\d,]*)\s+(?:terraform\s+)?runs", text) or float(self.prices.runs)
        unit = _number(r"\$\s*([\d.]+)\s*(?:per|/)\s*(?:1\s*)?million", text)
        lock = (
            self.service is not None and self.service.service == "aws/dynamodb" and User.TOOLING in self.service.users
        )
        measured = sum(line.monthly_usd for line in cost.lock_table(self.prices)) if lock else None
        own = (reads + writes) * runs * unit / 1e6 if reads and writes and unit else None
        if own is None and measured is None:
            return
        for number, line in enumerate(text.split("\n"), 1):
            for match in re.finditer(r"\$\s*(\d+(?:\.\d+)?)\s*(?:/|per |a )\s*month", line):
                said = float(match[1])
                expected = max(v for v in (own, measured) if v is not None)
                if said > 2 * expected or said * 2 < expected:
                    parts = []
                    if own is not None:
                        parts.append(
                            f"its own numbers give (({reads:g} + {writes:g}) x {runs:g} x ${unit:g} / 1,000,000) = ${own:.4f}"  # noqa: E501 reads better whole
                        )
                    if measured is not None:
                        parts.append(f"measured requests at prices of {self.prices.as_of} give ${measured:.4f}")
                    self.add(
                        "doc.cost_wrong",
                        number,
                        f"says ${match[1]} a month; {'; '.join(parts)}",
                        "write “below one cent a month”",
                    )
            price = re.search(r"\$\s*([\d.]+)\s*per million", line)
            if lock and price and float(price[1]) not in {self.prices.read_million, self.prices.write_million}:
                self.add(
                    "doc.price_old",
                    number,
                    f"says ${price[1]} per million; prices of {self.prices.as_of} are "
                    f"${self.prices.write_million} for writes and ${self.prices.read_million} for reads",
                )


def redact_long(text: str) -> str:
    """A message without control characters or secrets, of any length."""
    return re.sub(
        r"\s+",
        " ",
        "".join(
            redact(text[i : i + 150]) + (" " if text[i + 149 : i + 150] == " " else "")
            for i in range(0, len(text), 150)
        ),
    ).strip()


def _number(pattern: str, text: str) -> float | None:
    match = re.search(pattern, text)
    return float(match[1].replace(",", "").rstrip(".")) if match else None


def _flat(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text)


def _lines(block: Block) -> list[str]:
    """The quoted lines worth looking for: no arrows, no ellipses, no comments, no lone brackets."""
    out = []
    for line in block.lines:
        bare = _flat(_ARROW.sub("", line)).strip().rstrip("\\,").strip()
        if len(bare) > 3 and not bare.startswith(("//", "#", "...", "…", "*")) and re.search(r"\w", bare):
            out.append(bare)
    return out


def _paths_in(text: str) -> list[str]:
    return [t for t in re.findall(r"`([^`\s]+)`", text) if _looks_like_path(t)]


def _looks_like_path(text: str) -> bool:
    if text.startswith(("@", "http", "/", "-", "$", "~")) or "://" in text or not _PATH.match(text):
        return False
    return _EXTENSION.search(text) is not None or text.endswith("/")


def _subject(text: str, markdown: Markdown, review: Review, asked: tuple[str, ...]) -> str:
    """The service the document is about: asked for, in its title, or named most often."""
    if asked:
        return asked[0]
    title = markdown.headings[0].text if markdown.headings else ""
    for word in re.findall(r"[A-Za-z0-9]+", title):
        if word in catalogue().words:
            return catalogue().words[word]
    counts: dict[str, int] = {}
    for word in re.findall(r"[A-Za-z0-9]+", text):
        service = catalogue().words.get(word)
        if service:
            counts[service] = counts.get(service, 0) + 1
    return (
        max(sorted(counts), key=counts.__getitem__)
        if counts
        else (review.services[0].service if review.services else "")
    )


def check(
    text: str, name: str, review: Review, root: Path, asked: tuple[str, ...], prices: cost.Prices
) -> tuple[Finding, ...]:
    """Everything in the document that does not hold, in order of its lines."""
    markdown = parse(text)
    subject = _subject(text, markdown, review, asked)
    spans = [(n, s) for n, s in markdown.spans if _looks_like_path(s)]
    markdown.spans = spans
    checker = _Checker(text, name, review, root, prices, list_files(root).paths, review.service(subject), markdown)
    checker.all_paths()
    checker.mentions()
    checker.claims()
    checker.costs()
    return tuple(sorted(set(checker.found), key=lambda f: (f.line, f.rule, f.message)))


def render(name: str, wrong: tuple[Finding, ...]) -> str:
    if not wrong:
        return f"{name}: everything it says holds.\n"
    out = [f"{name}: {len(wrong)} things do not hold", ""]
    for item in wrong:
        hint = f" — {item.hint}" if item.hint else ""
        out.append(f"  {item.level:<8} {name}:{item.line}: {item.message}{hint}  [{item.rule}]")
    return "\n".join(out) + "\n"


def render_json(review: Review, wrong: tuple[Finding, ...]) -> str:
    out = review_document(review)
    out["document"] = {"findings": [finding_json(f) for f in wrong], "holds": not wrong}
    found = out["findings"]
    out["findings"] = [finding_json(f) for f in wrong] + (found if isinstance(found, list) else [])
    return text_of(out)
