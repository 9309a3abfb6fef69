"""How Ruby imports: `require` binds nothing; what counts is whether one of the library's constants is used."""

from __future__ import annotations

from tree_sitter import Node

from lockhouse.review.tree import Form, Import, SourceTree, literal


def imports(tree: SourceTree) -> tuple[list[Import], list[Node]]:
    out: list[Import] = []
    found = tree.query(
        '(call method: (identifier) @m (#match? @m "^(require|require_relative)$") arguments: (argument_list (string) @s))'  # noqa: E501 reads better whole
    )
    for node in found.get("s", ()):
        module = literal(tree, node)
        if module:
            out.append(Import(module, (), node.start_byte, node.end_byte, Form.SIDE_EFFECT))
    return out, []
