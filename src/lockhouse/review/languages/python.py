"""How Python imports: plain, from, aliased, star, and imports that only a type checker sees."""

from __future__ import annotations

from tree_sitter import Node

from lockhouse.review.tree import Form, Import, SourceTree


def imports(tree: SourceTree) -> tuple[list[Import], list[Node]]:
    """Every import; Python's computed imports are not followed, so the second list is empty."""
    found = tree.query("(import_statement) @plain (import_from_statement) @from")
    out: list[Import] = []
    for node in found.get("plain", ()):
        for child in node.named_children:
            if child.type == "dotted_name":
                name = tree.text(child)
                out.append(Import(name, (("", name.split(".")[0]),), node.start_byte, node.end_byte, _form(tree, node)))
            elif child.type == "aliased_import":
                name_node, alias = child.child_by_field_name("name"), child.child_by_field_name("alias")
                if name_node is not None and alias is not None:
                    out.append(
                        Import(
                            tree.text(name_node),
                            (("", tree.text(alias)),),
                            node.start_byte,
                            node.end_byte,
                            _form(tree, node),
                        )
                    )
    for node in found.get("from", ()):
        source = node.child_by_field_name("module_name")
        if source is None:
            continue
        bindings: list[tuple[str, str]] = []
        for child in node.children_by_field_name("name"):
            if child.type == "aliased_import":
                name_node, alias = child.child_by_field_name("name"), child.child_by_field_name("alias")
                if name_node is not None and alias is not None:
                    bindings.append((tree.text(name_node), tree.text(alias)))
            else:
                bindings.append((tree.text(child), tree.text(child)))
        if any(c.type == "wildcard_import" for c in node.children):
            bindings.append(("*", "*"))
        out.append(Import(tree.text(source), tuple(bindings), node.start_byte, node.end_byte, _form(tree, node)))
    return out, []


def _form(tree: SourceTree, node: Node) -> Form:
    current = node.parent
    for _ in range(4):
        if current is None:
            break
        if current.type == "if_statement":
            condition = current.child_by_field_name("condition")
            if condition is not None and "TYPE_CHECKING" in tree.text(condition):
                return Form.TYPE
        current = current.parent
    return Form.VALUE
