"""A parsed source file, asked by position: what is at this offset, and where is this name used?

The search starts from names that the prefilter or an import found, never from a walk over the whole tree; that is
what keeps a large repository within seconds. One row per language says how its grammar calls things. Trees of broken
files are partial and still answer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import tree_sitter
import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_ruby
import tree_sitter_typescript
from tree_sitter import Node


class Spot(StrEnum):
    """What kind of text an offset lies in."""

    CODE = "code"
    STRING = "string"
    COMMENT = "comment"
    IMPORT = "import"


class Form(StrEnum):
    VALUE = "value"
    TYPE = "type"
    SIDE_EFFECT = "side_effect"
    INLINE = "inline"
    REEXPORT = "reexport"


@dataclass(frozen=True, slots=True)
class Import:
    """One import of `module`. `bindings` are (imported, local) names; imported "" is the module, "*" everything."""

    module: str
    bindings: tuple[tuple[str, str], ...]
    start: int
    end: int
    form: Form = Form.VALUE


@dataclass(frozen=True, slots=True)
class Language:
    grammar: Callable[[], object]
    family: str
    comments: frozenset[str] = frozenset({"comment"})
    strings: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset({"identifier"})
    calls: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    separator: str = "."


_JS = {
    "family": "javascript",
    "comments": frozenset({"comment", "html_comment", "hash_bang_line"}),
    "strings": frozenset({"string", "string_fragment", "template_string", "escape_sequence"}),
    "imports": frozenset({"import_statement"}),
    "names": frozenset({"identifier", "shorthand_property_identifier"}),
    "calls": frozenset({"call_expression", "new_expression"}),
    "functions": frozenset(
        {
            "function_declaration",
            "arrow_function",
            "function_expression",
            "method_definition",
            "generator_function_declaration",
        }
    ),
}

LANGUAGES: dict[str, Language] = {
    "javascript": Language(tree_sitter_javascript.language, **_JS),  # type: ignore[arg-type]
    "typescript": Language(tree_sitter_typescript.language_typescript, **_JS),  # type: ignore[arg-type]
    "tsx": Language(tree_sitter_typescript.language_tsx, **_JS),  # type: ignore[arg-type]
    "python": Language(
        tree_sitter_python.language,
        family="python",
        strings=frozenset(
            {"string", "string_content", "string_start", "string_end", "escape_sequence", "concatenated_string"}
        ),
        imports=frozenset({"import_statement", "import_from_statement", "future_import_statement"}),
        calls=frozenset({"call"}),
        functions=frozenset({"function_definition", "lambda"}),
    ),
    "go": Language(
        tree_sitter_go.language,
        family="go",
        strings=frozenset(
            {
                "interpreted_string_literal",
                "raw_string_literal",
                "interpreted_string_literal_content",
                "raw_string_literal_content",
                "escape_sequence",
            }
        ),
        imports=frozenset({"import_declaration"}),
        names=frozenset({"identifier", "package_identifier", "type_identifier"}),
        calls=frozenset({"call_expression", "composite_literal"}),
        functions=frozenset({"function_declaration", "method_declaration", "func_literal"}),
    ),
    "java": Language(
        tree_sitter_java.language,
        family="java",
        comments=frozenset({"line_comment", "block_comment"}),
        strings=frozenset({"string_literal", "string_fragment", "multiline_string_fragment", "escape_sequence"}),
        imports=frozenset({"import_declaration", "package_declaration"}),
        names=frozenset({"identifier", "type_identifier", "scoped_type_identifier"}),
        calls=frozenset({"method_invocation", "object_creation_expression"}),
        functions=frozenset({"method_declaration", "constructor_declaration", "lambda_expression"}),
    ),
    "ruby": Language(
        tree_sitter_ruby.language,
        family="ruby",
        strings=frozenset(
            {"string", "string_content", "heredoc_body", "heredoc_content", "escape_sequence", "simple_symbol"}
        ),
        names=frozenset({"identifier", "constant"}),
        calls=frozenset({"call", "method_call"}),
        functions=frozenset({"method", "singleton_method", "lambda", "block"}),
        separator="::",
    ),
}


@functools.cache
def _language(name: str) -> tree_sitter.Language:
    return tree_sitter.Language(LANGUAGES[name].grammar())


@functools.cache
def _parser(name: str) -> tree_sitter.Parser:
    return tree_sitter.Parser(_language(name))


@functools.cache
def _query(name: str, text: str) -> tree_sitter.Query:
    return tree_sitter.Query(_language(name), text)


@dataclass(slots=True)
class SourceTree:
    name: str
    data: bytes
    language: Language = field(init=False)
    root: Node = field(init=False)
    _tree: tree_sitter.Tree = field(init=False)
    _lines: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.language = LANGUAGES[self.name]
        self._tree = _parser(self.name).parse(self.data)
        self.root = self._tree.root_node

    def query(self, text: str) -> dict[str, list[Node]]:
        """Captured nodes by name, in order of position (the library promises none)."""
        found = tree_sitter.QueryCursor(_query(self.name, text)).captures(self.root)
        return {name: sorted(nodes, key=lambda n: (n.start_byte, n.end_byte)) for name, nodes in found.items()}

    def text(self, node: Node) -> str:
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def node_at(self, start: int, end: int) -> Node:
        found = self.root.descendant_for_byte_range(start, max(start, end - 1))
        return self.root if found is None else found

    def line(self, offset: int) -> tuple[int, int]:
        """Line and column of a byte offset, from 1."""
        if not self._lines:
            self._lines = [0, *(m.end() for m in re.finditer(rb"\n", self.data))]
        low, high = 0, len(self._lines)
        while high - low > 1:
            middle = (low + high) // 2
            if self._lines[middle] <= offset:
                low = middle
            else:
                high = middle
        return low + 1, offset - self._lines[low] + 1

    def offset(self, line: int, column: int) -> int:
        """The byte offset of a line and column, from 1."""
        if not self._lines:
            self.line(0)
        return self._lines[line - 1] + column - 1

    def line_text(self, line: int) -> str:
        if not self._lines:
            self.line(0)
        start = self._lines[line - 1]
        end = self._lines[line] if line < len(self._lines) else len(self.data)
        return self.data[start : min(end, start + 2000)].decode("utf-8", "replace")

    def spot(self, start: int, end: int) -> Spot:
        """What the text from `start` to `end` is. A documentation string counts as a comment."""
        node: Node | None = self.node_at(start, end)
        language = self.language
        inside_string = False
        depth = 0
        while node is not None and depth < 60:
            kind = node.type
            if kind in language.comments:
                return Spot.COMMENT
            if kind in language.imports:
                return Spot.IMPORT
            if kind in {"interpolation", "template_substitution"} and not inside_string:
                return Spot.CODE
            if kind in language.strings:
                inside_string = True
                if self.name == "python" and kind == "string":
                    parent = node.parent
                    if parent is not None and parent.type in {"expression_statement", "module", "block"}:
                        return Spot.COMMENT
                    return Spot.STRING
            elif inside_string and kind not in {"pair", "ERROR"}:
                break
            node = node.parent
            depth += 1
        return Spot.STRING if inside_string else Spot.CODE

    def occurrences(self, name: str) -> Iterator[Node]:
        """Nodes where `name` is used as a value: not a comment, a string, an import, a property or a keyword."""
        pattern = re.compile(rb"(?<![\w$])" + re.escape(name.encode()) + rb"(?![\w$])")
        seen = 0
        for match in pattern.finditer(self.data):
            seen += 1
            if seen > 2000:
                return
            node = self.node_at(match.start(), match.end())
            if node.type not in self.language.names or node.start_byte != match.start():
                continue
            if self.spot(match.start(), match.end()) is not Spot.CODE:
                continue
            parent = node.parent
            if parent is not None and self._only_names(parent, node):
                continue
            yield node

    def _only_names(self, parent: Node, node: Node) -> bool:
        """Whether `node` names a property, keyword or parameter instead of referring to a value."""
        kind = parent.type
        if kind in {"keyword_argument", "default_parameter", "typed_default_parameter"}:
            return parent.child_by_field_name("name") == node
        if kind == "attribute":
            return parent.child_by_field_name("attribute") == node
        if kind in {"import_specifier", "namespace_import", "import_clause", "aliased_import", "named_imports"}:
            return True
        if kind in {"assignment", "assignment_expression"}:
            return parent.child_by_field_name("left") == node
        if kind == "variable_declarator":
            return parent.child_by_field_name("name") == node
        return kind in {"object_pattern", "pair_pattern"}

    def call_around(self, node: Node, *, levels: int = 8) -> Node | None:
        """The call or construction whose callee contains `node`, or None when it is only mentioned."""
        current: Node = node
        for _ in range(levels):
            parent = current.parent
            if parent is None:
                return None
            if parent.type in self.language.calls:
                callee = (
                    parent.child_by_field_name("function")
                    or parent.child_by_field_name("constructor")
                    or parent.child(0)
                )
                arguments = parent.child_by_field_name("arguments")
                if (
                    arguments is not None
                    and arguments.start_byte <= node.start_byte
                    and parent.type != "method_invocation"
                ):
                    return None
                if callee is not None:
                    return parent
            if parent.type not in {
                "member_expression",
                "attribute",
                "selector_expression",
                "scope_resolution",
                "subscript_expression",
                "qualified_type",
                "generic_type",
                "scoped_type_identifier",
                "field_access",
                "non_null_expression",
                "parenthesized_expression",
                "call",
                "call_expression",
                "await_expression",
                "method_invocation",
            }:
                return None
            current = parent
        return None

    def chain(self, node: Node) -> str:
        """The dotted path that starts at `node`: `aws.dynamodb.Table` for the `aws` in it."""
        current = node
        while (
            current.parent is not None
            and current.parent.type
            in {
                "member_expression",
                "attribute",
                "selector_expression",
                "scope_resolution",
                "field_access",
                "nested_type_identifier",
                "scoped_type_identifier",
                "qualified_type",
            }
            and current.parent.start_byte == node.start_byte
        ):
            current = current.parent
        return re.sub(r"\s+|\?\.|!", lambda m: "." if m[0] == "?." else "", self.text(current))[:200]

    def assigned_name(self, node: Node) -> str:
        """The variable or attribute that the value of `node` ends up in, or an empty string."""
        current: Node | None = node
        for _ in range(10):
            current = current.parent if current is not None else None
            if current is None:
                return ""
            if current.type in {
                "variable_declarator",
                "assignment",
                "assignment_expression",
                "short_var_declaration",
                "assignment_statement",
                "var_spec",
                "public_field_definition",
                "field_definition",
                "named_expression",
            }:
                left = (
                    current.child_by_field_name("name")
                    or current.child_by_field_name("left")
                    or current.child_by_field_name("property")
                    or current.child(0)
                )
                if left is None or left.end_byte > node.start_byte:
                    return ""
                return re.split(r"[.,\s]+", self.text(left))[0 if "," in self.text(left) else -1].lstrip("@#")
            if current.type == "as_pattern":
                alias = current.child_by_field_name("alias")
                return self.text(alias) if alias is not None else ""
            if current.type in {"block", "statement_block", "program", "module", "arguments", "argument_list"}:
                return ""
        return ""

    def enclosing_function(self, node: Node) -> Node | None:
        current = node.parent
        while current is not None and current.type not in self.language.functions:
            current = current.parent
        return current

    def constant(self, name: str) -> list[str]:
        """The string literals assigned to `name` anywhere in this file (`NAME = "x"`, `const NAME = 'x'`)."""
        pattern = re.compile(
            rb"(?<![\w$])"
            + re.escape(name.encode())
            + rb"\s*(?::[^=\n]{0,60})?(?::=|=)\s*[\"'`]([^\"'`\n$]{1,200})[\"'`]"
        )
        found = []
        for match in pattern.finditer(self.data):
            if self.spot(match.start(), match.start() + len(name)) is Spot.CODE:
                found.append(match[1].decode("utf-8", "replace"))  # noqa: PERF401 - reads better with its condition
        return found


def literal(tree: SourceTree, node: Node | None) -> str | None:
    """The value of a string literal without interpolation, else None."""
    if node is None or node.type not in {
        "string",
        "template_string",
        "interpreted_string_literal",
        "raw_string_literal",
        "string_literal",
    }:
        return None
    text = tree.text(node)
    match = re.fullmatch(r"[bBrRuU]{0,2}(\"\"\"|'''|\"|'|`)(.*)\1", text, re.DOTALL)
    if match is None or any(c.type in {"interpolation", "template_substitution"} for c in node.children):
        return None
    return match[2]
