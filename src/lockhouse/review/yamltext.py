"""YAML and JSON as plain values with lines. Constructs nothing, so tags (`!Ref`) and aliases can do no harm.

Aliases are followed once and the number of nodes is bounded: a document that expands to billions of nodes stops at
the bound. Specification: YAML 1.1 as libyaml reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

MAX_NODES = 200_000
MAX_DEPTH = 80


@dataclass(slots=True)
class Node:
    """A scalar (`text`), mapping (`pairs`) or sequence (`items`). Lines and columns count from 1."""

    line: int
    column: int = 1
    text: str | None = None
    pairs: list[tuple[str, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    tag: str = ""
    key_line: int = 0

    def get(self, *path: str) -> Node | None:
        node: Node | None = self
        for part in path:
            node = next((v for k, v in node.pairs if k == part), None) if node is not None else None
        return node

    def at(self, *path: str) -> str:
        found = self.get(*path)
        return found.text or "" if found is not None else ""

    def walk(self) -> Iterator[tuple[str, Node]]:
        """(key, node) of everything inside, in order; items of a sequence carry the key of the sequence."""
        pending: list[tuple[str, Node]] = [("", self)]
        while pending:
            key, node = pending.pop()
            yield key, node
            pending += [(k, v) for k, v in reversed(node.pairs)]
            pending += [(key, v) for v in reversed(node.items)]

    def plain(self) -> object:
        """Dicts, lists and strings: for readers that need no lines."""
        if self.text is not None:
            return self.text
        if self.pairs:
            return {k: v.plain() for k, v in self.pairs}
        return [v.plain() for v in self.items]


class _Builder:
    def __init__(self) -> None:
        self.count = 0
        self.open: set[int] = set()

    def build(self, source: yaml.Node, depth: int) -> Node:
        self.count += 1
        node = Node(
            source.start_mark.line + 1,
            source.start_mark.column + 1,
            tag=source.tag if source.tag.startswith("!") else "",
        )
        if self.count > MAX_NODES or depth > MAX_DEPTH or id(source) in self.open:
            return node
        self.open.add(id(source))
        if isinstance(source, yaml.ScalarNode):
            node.text = str(source.value)
            if source.style in {"|", ">"}:
                node.line += 1
        elif isinstance(source, yaml.MappingNode):
            for key, value in source.value:
                built = self.build(value, depth + 1)
                built.key_line = key.start_mark.line + 1
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                if name == "<<" and built.pairs:
                    node.pairs += built.pairs
                else:
                    node.pairs.append((name, built))
        elif isinstance(source, yaml.SequenceNode):
            node.items = [self.build(item, depth + 1) for item in source.value]
        self.open.discard(id(source))
        return node


_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_documents(text: str) -> tuple[list[Node], bool]:
    """Every document of YAML (or JSON) text, and whether the text broke off with a syntax error."""
    out: list[Node] = []
    try:
        for document in yaml.compose_all(text, Loader=_LOADER):
            if document is not None:
                out.append(_Builder().build(document, 0))
            if len(out) > 500:
                break
    except (yaml.YAMLError, RecursionError, ValueError):
        return out, True
    return out, False
