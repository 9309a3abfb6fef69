"""Just enough Markdown to check a document: headings, fenced blocks, inline code, with their lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `line` is the number of its opening fence."""

    language: str
    lines: tuple[str, ...]
    line: int


@dataclass(slots=True)
class Markdown:
    headings: list[Heading] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    spans: list[tuple[int, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def block_after(self, line: int) -> Block | None:
        """The first block under the heading at `line`, before the next heading."""
        end = next((h.line for h in self.headings if h.line > line), 10**9)
        return next((b for b in self.blocks if line < b.line < end), None)

    def text_before(self, block: Block) -> str:
        """The last line of prose before a block."""
        for number in range(block.line - 2, max(-1, block.line - 5), -1):
            if self.lines[number].strip():
                return self.lines[number]
        return ""


def parse(text: str) -> Markdown:
    out = Markdown(lines=text.split("\n"))
    fence = ""
    language, start = "", 0
    content: list[str] = []
    for number, line in enumerate(out.lines, 1):
        mark = re.match(r"\s*(```+|~~~+)\s*(\S*)", line)
        if fence:
            if mark and mark[1].startswith(fence):
                out.blocks.append(Block(language, tuple(content), start))
                fence = ""
            else:
                content.append(line)
        elif mark:
            fence, language, start, content = mark[1], mark[2], number, []
        else:
            heading = re.match(r"(#{1,6})\s+(.*)", line)
            if heading:
                out.headings.append(Heading(len(heading[1]), heading[2].strip(), number))
            else:
                out.spans += [(number, m) for m in re.findall(r"`([^`]+)`", line)]
    return out
