"""One Terraform, OpenTofu or Terragrunt file: its blocks for the joining, its comments, and lines where it is broken.

What a block means (a lock table, a module's key passed in by its caller) needs the other files: see
`terraform_join`. A file that cannot be read whole still gives its readable blocks, and line patterns for the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockhouse.review.catalogue import catalogue
from lockhouse.review.hcl import Block, HclFile, read_hcl, read_json
from lockhouse.review.model import PURPOSE_LOCK, PURPOSE_STATE, FileFacts, Role, User
from lockhouse.review.shell import comment_facts


@dataclass(slots=True)
class TerraformFile:
    """Blocks of one file with the text they came from, for the joining of its folder."""

    file: str
    body: Block
    lines: list[str]

    def line(self, number: int) -> str:
        """Its text; empty where there is no such line."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


_RESOURCE = re.compile(r"^\s*(?:resource|data)\s+\"([a-z0-9]+_[a-z0-9_]+)\"")
_TABLE = re.compile(r"^\s*(dynamodb_table|lock_table)\s*=\s*\"([^\"]+)\"")
_BACKEND = re.compile(r"^\s*backend\s+\"(\w+)\"")


def read_terraform(facts: FileFacts, data: bytes) -> None:
    parsed: HclFile = read_json(data) if facts.file.endswith(".json") else read_hcl(data)
    lines = data.decode("utf-8", "replace").split("\n")
    facts.terraform = TerraformFile(facts.file, parsed.body, lines)
    for number, text in parsed.comments:
        for offset, part in enumerate(text.split("\n")):
            comment_facts(facts, number + offset, part)
    if parsed.broken and not facts.file.endswith(".json"):
        facts.notes.append(("file.broken", 1, "the file has a syntax error; what could be read was read"))
        _by_lines(facts, parsed.body, lines)


def _covered(block: Block) -> set[int]:
    out = {block.line}
    for attribute in block.attributes:
        out.add(attribute.line)
    for inner in block.blocks:
        out |= _covered(inner)
    return out


def _by_lines(facts: FileFacts, body: Block, lines: list[str]) -> None:
    """Facts from single lines that no parsed block covers."""
    covered = _top_level_meaning(body)
    for number, text in enumerate(lines, 1):
        if number in covered or len(text) > 2000:
            continue
        resource, table, backend = _RESOURCE.match(text), _TABLE.match(text), _BACKEND.match(text)
        if resource:
            service = catalogue().terraform(resource[1])
            if service:
                _add(facts, service, Role.RESOURCE, number, text, User.PLATFORM, "")
        elif table:
            _add(facts, "aws/dynamodb", Role.LOCK, number, text, User.TOOLING, PURPOSE_LOCK, name=table[2])
        elif backend and backend[1] == "s3":
            _add(facts, "aws/s3", Role.BACKEND, number, text, User.TOOLING, PURPOSE_STATE)


def _top_level_meaning(body: Block) -> set[int]:
    """Lines that the joining will understand: blocks at the top level and what is inside them. A resource that error
    recovery put inside another block is not understood there, so its own line stays open.
    """
    out: set[int] = set()
    for block in body.blocks:
        out.add(block.line)
        for attribute in block.attributes:
            out.add(attribute.line)
        for inner in block.blocks:
            if inner.kind not in {"resource", "data", "module", "terraform"}:
                out |= _covered(inner)
    return out


def _add(
    facts: FileFacts, service: str, role: Role, line: int, text: str, user: User, purpose: str, name: str = ""
) -> None:
    facts.add(service, role, "terraform.line", line, text, user, name=name, purpose=purpose)
