"""How Java imports: one class, a static member, or a whole package."""

from __future__ import annotations

import re

from tree_sitter import Node

from lockhouse.review.tree import Import, SourceTree


def imports(tree: SourceTree) -> tuple[list[Import], list[Node]]:
    out: list[Import] = []
    for node in tree.query("(import_declaration) @i").get("i", ()):
        match = re.match(r"import\s+(static\s+)?([\w.]+)(\.\*)?\s*;", tree.text(node))
        if match is None:
            continue
        name = match[2]
        last = name.rpartition(".")[2]
        binding = ("*", "*") if match[3] else (last, last)
        out.append(Import(name, (binding,), node.start_byte, node.end_byte))
    return out, []
