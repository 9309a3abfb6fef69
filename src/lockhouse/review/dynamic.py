"""Clients whose service is an argument: `boto3.client(name)`, `new AWS[name]()`, and functions that pass a name on.

A literal is an answer, a constant of the same file too; a parameter makes the function a factory whose callers answer
(other files included). Everything else is an honest unknown with its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tree_sitter import Node

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import Factory, FactoryCall, FileFacts, Place, Role
from lockhouse.review.redaction import redact
from lockhouse.review.tree import Import, SourceTree, Spot, literal

Emit = Callable[..., None]
_BOTO = ("boto3", "aioboto3", "botocore", "aiobotocore", "boto3_session_cache", "aws_lambda_powertools")
_CLIENT_CALL = re.compile(rb"(?<![\w])(client|resource|create_client|aws_client)\s*\(")


def find_clients(tree: SourceTree, facts: FileFacts, imports: list[Import], emit: Emit) -> None:
    if tree.name == "python":
        _python(tree, facts, imports, emit)
    elif tree.language.family == "javascript":
        _javascript(tree, facts, imports, emit)


# Python


def _python(tree: SourceTree, facts: FileFacts, imports: list[Import], emit: Emit) -> None:
    boto = [i for i in imports if i.module.split(".")[0] in _BOTO]
    locals_ = {local for i in boto for _, local in i.bindings}
    direct = {local for i in boto for imported, local in i.bindings if imported in {"client", "resource"}}
    locals_ |= _sessions(tree, locals_)
    for match in _CLIENT_CALL.finditer(tree.data):
        if tree.spot(match.start(1), match.end(1)) is not Spot.CODE:
            continue
        node = tree.node_at(match.start(1), match.end(1))
        call = tree.call_around(node)
        if call is None or call.type != "call":
            call = _broken_call(node)
        function = call.child_by_field_name("function") if call is not None else None
        receiver = tree.text(function) if function is not None else _receiver(tree, match.start(1))
        value, argument = _service_argument(tree, call) if call is not None else _loose_argument(tree, match.end())
        ours = (
            receiver.split(".")[0].split("(")[0] in locals_
            or receiver in direct
            or (bool(boto) and re.search(r"session|boto|aws", receiver, re.IGNORECASE) is not None)
        )
        if not ours and not (
            value in catalogue().boto and re.search(r"session|boto|aws|self\._?s", receiver, re.IGNORECASE)
        ):
            continue
        if value is None and argument is not None and _factory(tree, facts, call or node, argument):
            continue
        names = [value] if value is not None else _resolve(tree, argument)
        services = [s for n in names if (s := catalogue().boto.get(n))]
        if services:
            for service in services:
                emit(service, Role.CLIENT, "sdk.client", match.start(1), name=_table_name(tree, call))
        elif names or (argument is not None and _imported_constant(tree, facts, imports, argument, match.start(1))):
            continue
        elif argument is not None:
            _unknown(
                tree,
                facts,
                match.start(1),
                "dynamic.client",
                "the name of the client's service is computed at run time",
            )
        elif argument is None and call is not None and _has_spread(call):
            _unknown(tree, facts, match.start(1), "dynamic.client", "the client's arguments are passed on unseen")


def _sessions(tree: SourceTree, names: set[str]) -> set[str]:
    """Variables that hold something made from boto (`s = boto3.Session()`)."""
    found = re.findall(rb"(\w+)\s*(?::[^=\n]{1,60})?=\s*(?:await\s+)?([A-Za-z_]\w*)\s*[.(]", tree.data)
    return {left.decode() for left, right in found if right.decode() in names}


def _imported_constant(tree: SourceTree, facts: FileFacts, imports: list[Import], argument: Node, offset: int) -> bool:
    """Notes a service name that another file's constant holds (`from settings import SERVICE`). Answers whether it is."""  # noqa: E501 reads better whole
    text = tree.text(argument)
    root, name = text.split(".", 1)[0], text.rpartition(".")[2]
    if not re.fullmatch(r"[\w.]+", text) or not any(local == root for i in imports for _, local in i.bindings):
        return False
    if root in {"os", "sys", "boto3"}:
        return False
    imported = next((i for item in imports for i, local in item.bindings if local == root and i), root)
    line, column = tree.line(offset)
    facts.pending.append(
        FactoryCall(name if "." in text else imported, (), (), facts.file, line, column, redact(tree.line_text(line)))
    )
    return True


def _broken_call(node: Node) -> Node | None:
    current: Node | None = node
    for _ in range(4):
        current = current.parent if current is not None else None
        if current is not None and current.type == "call":
            return current
    return None


def _receiver(tree: SourceTree, offset: int) -> str:
    match = re.search(rb"([\w.()]*)$", tree.data[max(0, offset - 80) : offset])
    return match[1].decode("utf-8", "replace") + "client" if match else ""


def _loose_argument(tree: SourceTree, offset: int) -> tuple[str | None, Node | None]:
    match = re.match(rb"\s*[\"']([a-z0-9-]+)[\"']", tree.data[offset : offset + 120])
    return (match[1].decode(), None) if match else (None, None)


def _service_argument(tree: SourceTree, call: Node) -> tuple[str | None, Node | None]:
    arguments = call.child_by_field_name("arguments")
    if arguments is None:
        return None, None
    for index, child in enumerate(c for c in arguments.named_children if c.type != "comment"):
        if child.type == "keyword_argument":
            name = child.child_by_field_name("name")
            if name is not None and tree.text(name) == "service_name":
                value = child.child_by_field_name("value")
                return literal(tree, value), value
        elif index == 0 and child.type not in {"dictionary_splat", "list_splat"}:
            return literal(tree, child), child
    return None, None


def _has_spread(call: Node) -> bool:
    arguments = call.child_by_field_name("arguments")
    return arguments is not None and any(c.type in {"dictionary_splat", "list_splat"} for c in arguments.named_children)


def _resolve(tree: SourceTree, node: Node | None) -> list[str]:
    """Literal values that a name can have: constants of the file, or the list that a loop runs over."""
    if node is None:
        return []
    text = tree.text(node)
    name = text.rpartition(".")[2]
    if not re.fullmatch(r"\w+", name):
        return []
    looped = _loop_values(tree, node, name)
    return looped or tree.constant(name)


def _loop_values(tree: SourceTree, node: Node, name: str) -> list[str]:
    current: Node | None = node
    while current is not None:
        parts: list[Node] = []
        if current.type == "for_statement":
            parts = [current]
        elif current.type in {
            "list_comprehension",
            "dictionary_comprehension",
            "set_comprehension",
            "generator_expression",
        }:
            parts = [c for c in current.children if c.type == "for_in_clause"]
        for part in parts:
            left, right = part.child_by_field_name("left"), part.child_by_field_name("right")
            if left is not None and right is not None and tree.text(left) == name:
                return [v for c in right.named_children if (v := literal(tree, c)) is not None]
        current = current.parent
    return []


def _factory(tree: SourceTree, facts: FileFacts, call: Node, argument: Node) -> bool:
    """Notes the enclosing function as a factory when the argument is one of its parameters. Answers whether it is."""
    name = tree.text(argument)
    function = tree.enclosing_function(call)
    while function is not None:
        parameters = function.child_by_field_name("parameters")
        names = [_parameter_name(tree, p) for p in parameters.named_children] if parameters is not None else []
        if name in names and function.type == "function_definition":
            own = function.child_by_field_name("name")
            title = tree.text(own) if own is not None else ""
            position = names.index(name)
            if names and names[0] in {"self", "cls"}:
                position -= 1
            if title == "__init__":
                title = _class_name(tree, function)
            line, _ = tree.line(call.start_byte)
            facts.factories.append(Factory(title, position, name, facts.file, line))
            default = _default(tree, parameters.named_children[names.index(name)]) if parameters is not None else None
            if default in catalogue().boto:
                facts.factory_calls.append(
                    FactoryCall(title, (), ((name, default),), facts.file, line, 1, redact(tree.line_text(line)))
                )
            return True
        function = tree.enclosing_function(function)
    return False


def _parameter_name(tree: SourceTree, node: Node) -> str:
    name = node.child_by_field_name("name") or (node.named_children[0] if node.named_children else node)
    return tree.text(name).split(":")[0].strip()


def _default(tree: SourceTree, node: Node) -> str | None:
    return literal(tree, node.child_by_field_name("value"))


def _class_name(tree: SourceTree, function: Node) -> str:
    current = function.parent
    while current is not None and current.type != "class_definition":
        current = current.parent
    name = current.child_by_field_name("name") if current is not None else None
    return tree.text(name) if name is not None else ""


def _table_name(tree: SourceTree, call: Node | None) -> str:
    if call is None or call.parent is None:
        return ""
    match = re.match(
        r".{0,200}?\.Table\(\s*[\"']([\w.-]+)[\"']", tree.text(call.parent.parent or call.parent), re.DOTALL
    )
    return match[1] if match else ""


def factory_calls(tree: SourceTree, file: str, names: frozenset[str]) -> list[FactoryCall]:
    """Calls of functions that other files taught to be factories, with their literal arguments (None where computed)."""  # noqa: E501 reads better whole
    out = []
    for name in sorted(names):
        for match in re.finditer(rb"(?<![\w])" + re.escape(name.encode()) + rb"\s*\(", tree.data):
            if tree.spot(match.start(), match.start() + 1) is not Spot.CODE:
                continue
            node = tree.node_at(match.start(), match.start() + len(name))
            call = tree.call_around(node)
            if call is None:
                continue
            arguments = call.child_by_field_name("arguments")
            values: list[str | None] = []
            keywords: list[tuple[str, str | None]] = []
            for child in arguments.named_children if arguments is not None else ():
                if child.type == "keyword_argument":
                    key, value = child.child_by_field_name("name"), child.child_by_field_name("value")
                    if key is not None:
                        keywords.append((tree.text(key), _value(tree, value)))
                elif child.type != "comment":
                    values.append(_value(tree, child))
            line, column = tree.line(node.start_byte)
            out.append(
                FactoryCall(name, tuple(values), tuple(keywords), file, line, column, redact(tree.line_text(line)))
            )
    return out


def _value(tree: SourceTree, node: Node | None) -> str | None:
    value = literal(tree, node)
    if value is None:
        found = _resolve(tree, node)
        value = found[0] if found else None
    return value


# JavaScript, SDK 2


def _javascript(tree: SourceTree, facts: FileFacts, imports: list[Import], emit: Emit) -> None:
    known = catalogue()
    for item in imports:
        if item.module not in {"aws-sdk", "aws-sdk/global", "aws-sdk/dist-tools"}:
            continue
        for imported, local in item.bindings:
            if imported and imported != "default":
                service = known.aws_class_named(imported)
                nodes = list(tree.occurrences(local)) if local else [tree.node_at(item.start, item.end)]
                if service and nodes:
                    emit(service, Role.CLIENT, "sdk.client", nodes[0].start_byte)
                elif service:
                    emit(service, Role.IMPORT, "import.unused", item.start)
                continue
            _members(tree, facts, local, emit)


def _members(tree: SourceTree, facts: FileFacts, local: str, emit: Emit) -> None:
    seen: set[str] = set()
    for node in tree.occurrences(local):
        parent = node.parent
        if parent is not None and parent.type == "subscript_expression":
            index = parent.child_by_field_name("index")
            value = literal(tree, index)
            service = catalogue().aws_class_named(value) if value else None
            if service:
                emit(service, Role.CLIENT, "sdk.client", node.start_byte)
            elif value is None:
                _unknown(tree, facts, node.start_byte, "dynamic.client", "the client's class is picked at run time")
            continue
        parts = tree.chain(node).split(".")
        service = catalogue().aws_class_named(parts[1]) if len(parts) > 1 else None
        if service and (service, parts[-1]) and tree.chain(node) not in seen:
            seen.add(tree.chain(node))
            emit(service, Role.CLIENT, "sdk.client", node.start_byte)
        elif len(parts) == 1 and parent is not None and parent.type == "variable_declarator":
            _destructured(tree, parent, emit)


def _destructured(tree: SourceTree, declarator: Node, emit: Emit) -> None:
    """`const { DynamoDB } = AWS`."""
    pattern = declarator.child_by_field_name("name")
    for child in pattern.named_children if pattern is not None and pattern.type == "object_pattern" else ():
        service = catalogue().aws_class_named(tree.text(child))
        if service and any(True for _ in tree.occurrences(tree.text(child))):
            emit(service, Role.CLIENT, "sdk.client", child.start_byte)


def _unknown(tree: SourceTree, facts: FileFacts, offset: int, rule: str, reason: str) -> None:
    line, _ = tree.line(offset)
    facts.places.append(Place("aws", facts.file, line, rule, reason, redact(tree.line_text(line))))
