"""Terraform expressions resolved to text, as far as the repository says: variables, locals, module calls, conditions.

What stays open (a data source, `each`, a value given on the command line) is None, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lockhouse.review.hcl import Block, Value
from lockhouse.review.terraform import TerraformFile

MAX_DEPTH = 8


@dataclass(slots=True)
class Folder:
    """One Terraform folder: its blocks with their file, and how it is called."""

    path: str
    blocks: list[tuple[TerraformFile, Block]] = field(default_factory=list)
    variables: dict[str, Value | None] = field(default_factory=dict)
    locals: dict[str, Value] = field(default_factory=dict)
    given: dict[str, Value] = field(default_factory=dict)
    calls: list[tuple[Folder, Block]] = field(default_factory=list)
    reached: bool = True


@dataclass(slots=True)
class Scope:
    """Where an expression is resolved: a folder, and the call that this instance of it comes from."""

    folder: Folder
    call: Block | None = None
    parent: Scope | None = None


def resolve(value: Value | None, scope: Scope, depth: int = 0) -> str | None:
    """The text of an expression, or None when it cannot be known from the repository."""
    if value is None or depth > MAX_DEPTH:
        return None
    match value.kind:
        case "text":
            return value.text
        case "template":
            parts = [resolve(v, scope, depth + 1) for _, v in value.items]
            return None if any(p is None for p in parts) else "".join(p or "" for p in parts)
        case "ref":
            return resolve_reference(value.text, scope, depth)
        case "condition" if len(value.items) >= 3:
            chosen = _truth(value.items[0][1], scope, depth + 1)
            return None if chosen is None else resolve(value.items[1 if chosen else 2][1], scope, depth + 1)
        case "call" if value.text in {"lower", "upper", "trimspace", "tostring", "format", "try", "coalesce"}:
            return _resolve_call(value, scope, depth)
        case _:
            return None


def _resolve_call(value: Value, scope: Scope, depth: int) -> str | None:
    first = resolve(value.items[0][1], scope, depth + 1) if value.items else None
    if first is None:
        return None
    if value.text == "format":
        rest = [resolve(v, scope, depth + 1) for _, v in value.items[1:]]
        if any(r is None for r in rest) or first.count("%s") != len(rest):
            return None
        return first.replace("%s", "{}").format(*rest) if "{" not in first else None
    return {"lower": first.lower(), "upper": first.upper()}.get(value.text, first)


def resolve_reference(path: str, scope: Scope, depth: int) -> str | None:
    parts = path.split(".")
    if len(parts) < 2:
        return None
    if parts[0] == "var":
        return _variable(parts[1], scope, depth)
    if parts[0] == "local":
        return resolve(member(scope.folder.locals.get(parts[1]), parts[2:]), scope, depth + 1)
    if parts[0] == "each" or parts[0] == "data":
        return None
    for _, block in scope.folder.blocks:
        if block.kind == "resource" and list(block.labels) == parts[:2] and len(parts) > 2:
            wanted = (
                {"id": "bucket", "arn": "bucket"}.get(parts[2], parts[2]) if parts[0] == "aws_s3_bucket" else parts[2]
            )
            return resolve(block.value("name" if wanted == "id" else wanted), scope, depth + 1)
    return None


def member(value: Value | None, path: list[str]) -> Value | None:
    for part in path:
        value = value.get(part) if value is not None else None
    return value


def _variable(name: str, scope: Scope, depth: int) -> str | None:
    if scope.call is not None and scope.parent is not None and scope.call.attribute(name) is not None:
        return resolve(scope.call.value(name), scope.parent, depth + 1)
    if scope.call is None and name in scope.folder.given:
        return resolve(scope.folder.given[name], scope, depth + 1)
    return resolve(scope.folder.variables.get(name), scope, depth + 1)


def _truth(value: Value, scope: Scope, depth: int = 0) -> bool | None:
    text = resolve(value, scope, depth)
    if text is not None:
        return {"true": True, "false": False}.get(text)
    raw = value.text.strip()
    if raw.startswith("!"):
        inner = resolve_reference(raw[1:].strip(), scope, depth + 1)
        return None if inner not in {"true", "false"} else inner == "false"
    match = re.fullmatch(r"([\w.]+)\s*(==|!=)\s*\"?([\w.-]*)\"?", raw)
    if match:
        left = resolve_reference(match[1], scope, depth + 1)
        return None if left is None else (left == match[3]) == (match[2] == "==")
    return None


def absent(block: Block, scope: Scope) -> bool:
    """Whether `count` or `for_each` makes nothing here."""
    count = block.value("count")
    if count is not None and resolve(count, scope) == "0":
        return True
    each = block.value("for_each")
    return each is not None and each.kind in {"object", "list"} and not each.items
