"""HCL as values: blocks, attributes and expressions with their lines. Knows the syntax, not what Terraform means by it.

tree-sitter reads 1,189 files in about a second and gives a partial tree of a broken file; what it could not read is
flagged so that the reader can fall back to lines. Embedded text (heredocs) is read by the same functions with an
offset. Syntax: the HCL native syntax specification.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from typing import NamedTuple

import tree_sitter
import tree_sitter_hcl
from tree_sitter import Node

MAX_DEPTH = 60


class Value(NamedTuple):
    """An expression. `kind`: text, ref, template, object, list, call, condition, other. `items` are (key, value)."""

    kind: str
    text: str
    line: int
    items: tuple[tuple[str, Value], ...] = ()

    def get(self, key: str) -> Value | None:
        return next((v for k, v in self.items if k == key), None)

    def walk(self, depth: int = 0) -> list[Value]:
        out = [self]
        if depth < MAX_DEPTH:
            for _, item in self.items:
                out += item.walk(depth + 1)
        return out


class Attribute(NamedTuple):
    name: str
    value: Value
    line: int
    column: int


@dataclass(slots=True)
class Block:
    kind: str
    labels: tuple[str, ...]
    line: int
    column: int = 1
    attributes: list[Attribute] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def attribute(self, name: str) -> Attribute | None:
        return next((a for a in self.attributes if a.name == name), None)

    def value(self, name: str) -> Value | None:
        found = self.attribute(name)
        return found.value if found else None

    def children(self, kind: str) -> list[Block]:
        return [b for b in self.blocks if b.kind == kind]

    def values(self) -> list[tuple[str, Value]]:
        """Every attribute value of this block and the blocks inside it."""
        out = [(a.name, a.value) for a in self.attributes]
        for block in self.blocks:
            out += block.values()
        return out


@dataclass(slots=True)
class HclFile:
    """`body` is a block without a name that holds the file's top level."""

    body: Block
    comments: list[tuple[int, str]]
    broken: bool


@functools.cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_hcl.language()))


@functools.cache
def _comments() -> tree_sitter.Query:
    return tree_sitter.Query(tree_sitter.Language(tree_sitter_hcl.language()), "(comment) @c")


def read_hcl(data: bytes, first_line: int = 1) -> HclFile:
    """The blocks of HCL text whose first line has the number `first_line`."""
    reader = _Reader(data, first_line - 1)
    tree = _parser().parse(data)
    body = Block("", (), first_line)
    for child in tree.root_node.children:
        reader.body(child, body, 0)
    comments = [
        (reader.line(n), reader.text(n))
        for n in tree_sitter.QueryCursor(_comments()).captures(tree.root_node).get("c", [])
    ]
    return HclFile(body, sorted(comments), tree.root_node.has_error)


class _Reader:
    def __init__(self, data: bytes, offset: int) -> None:
        self.data = data
        self.offset = offset

    def text(self, node: Node) -> str:
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def line(self, node: Node) -> int:
        return int(node.start_point[0]) + 1 + self.offset

    def body(self, node: Node, into: Block, depth: int) -> None:
        if depth > MAX_DEPTH:
            return
        if node.type == "block":
            self.block(node, into, depth)
        elif node.type == "attribute":
            self.attribute(node, into, depth)
        elif node.type in {"body", "ERROR", "config_file"}:
            for child in node.children:
                self.body(child, into, depth + 1)

    def block(self, node: Node, into: Block, depth: int) -> None:
        names = [c for c in node.children if c.type in {"identifier", "string_lit"}]
        if not names:
            return
        labels = tuple(self.text(n).strip('"') for n in names[1:])
        block = Block(self.text(names[0]), labels, self.line(node), node.start_point[1] + 1)
        into.blocks.append(block)
        for child in node.children:
            if child.type in {"body", "ERROR"}:
                self.body(child, block, depth + 1)

    def attribute(self, node: Node, into: Block, depth: int) -> None:
        name = next((c for c in node.children if c.type == "identifier"), None)
        expression = next((c for c in node.children if c.type == "expression"), None)
        if name is None or expression is None:
            return
        into.attributes.append(
            Attribute(self.text(name), self.value(expression, depth + 1), self.line(node), node.start_point[1] + 1)
        )

    def value(self, node: Node, depth: int) -> Value:  # noqa: C901 - one line for each kind of node
        line = self.line(node)
        if depth > MAX_DEPTH:
            return Value("other", "", line)
        kind = node.type
        children = node.named_children
        if kind == "expression":
            if len(children) > 1 and children[0].type == "variable_expr":
                return Value("ref", re.sub(r"\s+", "", self.text(node)), line, self.inside(children[1:], depth))
            if len(children) == 1:
                return self.value(children[0], depth + 1)
            return Value("other", self.text(node)[:500], line, self.inside(children, depth))
        if (
            kind in {"literal_value", "collection_value", "template_expr", "quoted_template", "template_interpolation"}
            and len(children) == 1
        ):
            return self.value(children[0], depth + 1)
        if kind == "variable_expr":
            return Value("ref", self.text(node), line)
        if kind in {"numeric_lit", "bool_lit", "null_lit"}:
            return Value("text", "" if kind == "null_lit" else self.text(node), line)
        if kind in {"string_lit", "template_literal"}:
            text = self.text(node)
            return Value("text", _unquote(text) if kind == "string_lit" else text, line)
        if kind in {"quoted_template", "heredoc_template", "template_expr"}:
            return self.template(node, line, depth)
        if kind == "object":
            return Value("object", "", line, tuple(self.element(c, depth) for c in children if c.type == "object_elem"))
        if kind == "tuple":
            return Value(
                "list", "", line, tuple(("", self.value(c, depth + 1)) for c in children if c.type == "expression")
            )
        if kind == "function_call":
            name = self.text(children[0]) if children else ""
            arguments = next((c for c in children if c.type == "function_arguments"), None)
            return Value(
                "call", name, line, self.inside(arguments.named_children if arguments is not None else [], depth)
            )
        if kind == "conditional" and len(children) >= 3:
            return Value("condition", self.text(children[0])[:300], line, self.inside(children, depth))
        if kind in {"quoted_template_start", "quoted_template_end"}:
            return Value("text", "", line)
        return Value("other", self.text(node)[:500], line, self.inside(children, depth))

    def inside(self, nodes: list[Node], depth: int) -> tuple[tuple[str, Value], ...]:
        return tuple(("", self.value(n, depth + 1)) for n in nodes)

    def element(self, node: Node, depth: int) -> tuple[str, Value]:
        parts = [c for c in node.named_children if c.type == "expression"]
        if len(parts) < 2:
            return "", Value("other", self.text(node)[:200], self.line(node))
        return self.text(parts[0]).strip('"()'), self.value(parts[1], depth + 1)

    def template(self, node: Node, line: int, depth: int) -> Value:
        parts = []
        for child in node.named_children:
            if child.type == "template_literal":
                parts.append(("", Value("text", self.text(child), self.line(child))))
            elif child.type == "template_interpolation":
                inner = next((c for c in child.named_children if c.type == "expression"), None)
                if inner is not None:
                    parts.append(("", self.value(inner, depth + 1)))
            elif child.type in {"quoted_template", "heredoc_template"}:
                return self.template(child, line, depth + 1)
            elif child.type not in {
                "heredoc_identifier",
                "heredoc_start",
                "quoted_template_start",
                "quoted_template_end",
            }:
                parts.append(("", Value("other", self.text(child)[:500], self.line(child))))
        if not parts:
            return Value("text", "", line)
        if len(parts) == 1 and parts[0][1].kind == "text":
            return parts[0][1]
        return Value("template", "", parts[0][1].line, tuple(parts))


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == '"' else text


def plain_text(value: Value) -> str:
    """The text of a string, template or heredoc with `x` in the place of what is interpolated."""
    if value.kind == "text":
        return value.text
    if value.kind == "template":
        return "".join(v.text if v.kind == "text" else "x" for _, v in value.items)
    return ""


# JSON syntax (*.tf.json)

_LABELS = {"resource": 2, "data": 2, "module": 1, "variable": 1, "output": 1, "provider": 1, "backend": 1}


def read_json(data: bytes) -> HclFile:
    """The same blocks from Terraform's JSON syntax; lines are found by searching for each name."""
    body = Block("", (), 1)
    text = data.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return HclFile(body, [], broken=True)
    finder = _LineFinder(text)
    if isinstance(document, dict):
        for kind, content in document.items():
            _json_block(str(kind), content, _LABELS.get(str(kind), 0), (), body, finder, 0)
    return HclFile(body, [], broken=False)


class _LineFinder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def line(self, name: str) -> int:
        found = self.text.find(json.dumps(name), self.position)
        if found < 0:
            found = max(0, self.text.find(json.dumps(name)))
        self.position = found
        return self.text.count("\n", 0, found) + 1


def _json_block(
    kind: str, content: object, labels: int, named: tuple[str, ...], into: Block, finder: _LineFinder, depth: int
) -> None:
    if depth > MAX_DEPTH:
        return
    if isinstance(content, list):
        for item in content:
            _json_block(kind, item, labels, named, into, finder, depth + 1)
        return
    if not isinstance(content, dict):
        return
    if labels:
        for name, inner in content.items():
            _json_block(kind, inner, labels - 1, (*named, str(name)), into, finder, depth + 1)
        return
    block = Block(kind, named, finder.line(named[-1] if named else kind))
    into.blocks.append(block)
    for name, inner in content.items():
        if str(name) in {
            "backend",
            "cloud",
            "statement",
            "environment",
            "attribute",
            "required_providers",
        } and isinstance(inner, (dict, list)):
            _json_block(str(name), inner, _LABELS.get(str(name), 0), (), block, finder, depth + 1)
        else:
            line = finder.line(str(name))
            block.attributes.append(Attribute(str(name), _json_value(inner, line, depth + 1), line, 1))


def _json_value(item: object, line: int, depth: int) -> Value:
    if depth > MAX_DEPTH:
        return Value("other", "", line)
    if isinstance(item, dict):
        return Value("object", "", line, tuple((str(k), _json_value(v, line, depth + 1)) for k, v in item.items()))
    if isinstance(item, list):
        return Value("list", "", line, tuple(("", _json_value(v, line, depth + 1)) for v in item))
    text = "" if item is None else str(item).lower() if isinstance(item, bool) else str(item)
    match = re.fullmatch(r"\$\{\s*([\w.\-\[\]\"*]+)\s*\}", text)
    if match:
        return Value("ref", match[1], line)
    parts = re.split(r"\$\{\s*([\w.\-\[\]\"*]+)\s*\}", text)
    if len(parts) > 1:
        values = tuple(("", Value("ref" if i % 2 else "text", p, line)) for i, p in enumerate(parts) if p)
        return Value("template", "", line, values)
    return Value("text", text, line)
