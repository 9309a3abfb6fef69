"""How JavaScript and TypeScript import: statements, `require`, `import()`, re-exports, and types that vanish."""

from __future__ import annotations

from tree_sitter import Node

from lockhouse.review.tree import Form, Import, SourceTree, literal

_QUERY = """
(import_statement) @statement
(export_statement source: (string)) @export
(call_expression function: (identifier) @f (#eq? @f "require")) @require
(call_expression function: (import)) @dynamic
"""
_TYPED = """
(import_statement) @statement
(export_statement source: (string)) @export
(import_require_clause) @clause
(call_expression function: (identifier) @f (#eq? @f "require")) @require
(call_expression function: (import)) @dynamic
"""


def imports(tree: SourceTree) -> tuple[list[Import], list[Node]]:
    """Every import, and the nodes whose module name is computed at run time."""
    found = tree.query(_QUERY if tree.name == "javascript" else _TYPED)
    out: list[Import] = []
    dynamic: list[Node] = []
    for node in found.get("statement", ()):
        module = literal(tree, node.child_by_field_name("source"))
        if module is not None:
            out.append(_statement(tree, node, module))
    for node in found.get("clause", ()):
        module = literal(tree, node.child_by_field_name("source"))
        name = next((c for c in node.children if c.type == "identifier"), None)
        if module is not None and name is not None:
            out.append(Import(module, (("", tree.text(name)),), node.start_byte, node.end_byte))
    for node in found.get("export", ()):
        module = literal(tree, node.child_by_field_name("source"))
        form = Form.TYPE if any(c.type == "type" for c in node.children) else Form.REEXPORT
        if module is not None:
            out.append(Import(module, (), node.start_byte, node.end_byte, form))
    for key in ("require", "dynamic"):
        for node in found.get(key, ()):
            arguments = node.child_by_field_name("arguments")
            first = arguments.named_children[0] if arguments is not None and arguments.named_children else None
            module = literal(tree, first)
            if module is not None:
                out.append(_call(tree, node, module))
            elif first is not None:
                dynamic.append(node)
    return out, dynamic


def _statement(tree: SourceTree, node: Node, module: str) -> Import:
    if any(c.type in {"type", "typeof"} for c in node.children):
        return Import(module, (), node.start_byte, node.end_byte, Form.TYPE)
    clause = next((c for c in node.children if c.type == "import_clause"), None)
    if clause is None:
        return Import(module, (), node.start_byte, node.end_byte, Form.SIDE_EFFECT)
    bindings: list[tuple[str, str]] = []
    for child in clause.named_children:
        if child.type == "identifier":
            bindings.append(("", tree.text(child)))
        elif child.type == "namespace_import":
            bindings += [("", tree.text(c)) for c in child.named_children if c.type == "identifier"]
        elif child.type == "named_imports":
            for part in child.named_children:
                if part.type != "import_specifier" or any(c.type in {"type", "typeof"} for c in part.children):
                    continue
                name = part.child_by_field_name("name")
                alias = part.child_by_field_name("alias")
                if name is not None:
                    imported = tree.text(name)
                    bindings.append((imported, tree.text(alias) if alias is not None else imported))
    form = Form.VALUE if bindings else Form.TYPE
    return Import(module, tuple(bindings), node.start_byte, node.end_byte, form)


def _call(tree: SourceTree, node: Node, module: str) -> Import:
    picked = ""
    current = node
    for _ in range(6):
        parent = current.parent
        if parent is None:
            break
        if parent.type == "member_expression" and parent.child_by_field_name("object") == current:
            member = parent.child_by_field_name("property")
            picked = picked or (tree.text(member) if member is not None else "")
        elif parent.type in {"variable_declarator", "assignment_expression"}:
            left = parent.child_by_field_name("name") or parent.child_by_field_name("left")
            bindings = _pattern(tree, left, picked)
            if bindings:
                return Import(module, bindings, left.start_byte if left else node.start_byte, node.end_byte)
            break
        elif parent.type == "expression_statement":
            form = Form.SIDE_EFFECT if current == node or current.type == "await_expression" else Form.INLINE
            return Import(module, (), node.start_byte, node.end_byte, form)
        elif parent.type not in {
            "await_expression",
            "call_expression",
            "arguments",
            "parenthesized_expression",
            "as_expression",
            "non_null_expression",
        }:
            break
        current = parent
    return Import(module, ((picked, ""),) if picked else (), node.start_byte, node.end_byte, Form.INLINE)


def _pattern(tree: SourceTree, left: Node | None, picked: str) -> tuple[tuple[str, str], ...]:
    if left is None:
        return ()
    if left.type == "identifier":
        return ((picked, tree.text(left)),)
    if left.type == "member_expression":
        member = left.child_by_field_name("property")
        return ((picked, tree.text(member)),) if member is not None else ()
    out: list[tuple[str, str]] = []
    for child in left.named_children:
        if child.type == "shorthand_property_identifier_pattern":
            out.append((tree.text(child), tree.text(child)))
        elif child.type == "pair_pattern":
            key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
            if key is not None and value is not None:
                out.append((tree.text(key), tree.text(value)))
        elif child.type == "object_assignment_pattern" and child.named_children:
            out.append((tree.text(child.named_children[0]), tree.text(child.named_children[0])))
    return tuple(out)
