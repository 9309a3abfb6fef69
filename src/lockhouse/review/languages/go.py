"""How Go imports. The compiler refuses an unused import, so only a blank one needs a second look."""

from __future__ import annotations

import re

from tree_sitter import Node

from lockhouse.review.tree import Form, Import, SourceTree

# Blank imports that register a driver: the import alone is the use.
DRIVERS = ("github.com/lib/pq", "github.com/jackc/pgx", "github.com/go-sql-driver/mysql", "gocloud.dev/")


def imports(tree: SourceTree) -> tuple[list[Import], list[Node]]:
    out: list[Import] = []
    for node in tree.query("(import_spec) @spec").get("spec", ()):
        path_node, alias = node.child_by_field_name("path"), node.child_by_field_name("name")
        if path_node is None:
            continue
        path = tree.text(path_node).strip('"`')
        name = tree.text(alias) if alias is not None else package_name(path)
        if name == "_":
            form = Form.SIDE_EFFECT if path.startswith(DRIVERS) else Form.TYPE
            out.append(Import(path, (), node.start_byte, node.end_byte, form))
        elif name == ".":
            out.append(Import(path, (), node.start_byte, node.end_byte, Form.SIDE_EFFECT))
        else:
            out.append(Import(path, (("", name),), node.start_byte, node.end_byte))
    return out, []


def package_name(path: str) -> str:
    """The name a package most likely has: the last part without version, `go-` and `.go`."""
    parts = [p for p in path.split("/") if not re.fullmatch(r"v\d+", p)]
    last = re.sub(r"\.v\d+$", "", parts[-1])
    last = last.removeprefix("go-").removesuffix("-go").removesuffix(".go")
    return last.replace("-", "_")
