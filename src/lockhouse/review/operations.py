"""Which API operations a source file calls, and whether it handles Terraform's lock items.

Operations are recognised by name against the service's own IAM actions, so that no list of methods has to be kept;
single-word names (`query`, `scan`) count only on a variable that holds a client of the service.
"""

from __future__ import annotations

import functools
import re

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import LIVE_ROLES, Fact, FileFacts, Role
from lockhouse.review.tree import SourceTree, Spot

DATA = frozenset(
    {
        "GetItem",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
        "Scan",
        "BatchGetItem",
        "BatchWriteItem",
        "TransactWriteItems",
        "TransactGetItems",
        "Put",
        "Get",
        "Update",
        "Delete",
    }
)
_METHOD = re.compile(rb"\.\s*([A-Za-z_]\w*)\s*\(")
_RECEIVER = re.compile(rb"([A-Za-z_]\w*)\s*(?:\([^()\n]{0,200}\))?\s*[!?]?\Z")
_CHAINED = re.compile(rb"\w+\s*\([^()]{0,300}\)\s*\.\s*([A-Za-z_]\w*)\s*\(")
_COMMAND = re.compile(rb"\bnew\s+([A-Z]\w+?)Command\s*\(")
_INPUT = re.compile(rb"\b(\w+)\.([A-Z]\w+?)Input\b")
_RUBY = re.compile(rb"\.([a-z]\w*)\b")
_STEP = re.compile(rb"\.(?:Table|Bucket|Queue|Topic|from)\(")
_STEP_LEFT = re.compile(rb"(\w+)\s*=\s*(?:await\s+)?(?:self\.|this\.)?(\w+)\Z")


def lock_literal(tree: SourceTree) -> int:
    """The line of the first live string or key that is exactly `LockID`, or 0."""
    for match in re.finditer(rb"LockID", tree.data):
        before, after = tree.data[match.start() - 1 : match.start()], tree.data[match.end() : match.end() + 1]
        spot = tree.spot(match.start(), match.end())
        whole = before in {b'"', b"'", b"`", b":"} and after in {b'"', b"'", b"`"}
        key = spot is Spot.CODE and re.match(rb"\s*[:=]", tree.data[match.end() : match.end() + 4]) is not None
        if (spot is Spot.STRING and whole) or (key and not before.isalnum()):
            return tree.line(match.start())[0]
        if spot is Spot.CODE and before == b"." and not after.isalnum():
            return tree.line(match.start())[0]
    return 0


@functools.cache
def _actions(service: str) -> dict[str, str]:
    known = catalogue()
    out = dict(known.service_actions(service))
    for operation in known.actions.get(service, {}):
        out.setdefault(operation, operation)
    return out


def pascal(name: str) -> str:
    if "_" in name:
        return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return name[:1].upper() + name[1:]


def add(tree: SourceTree, facts: FileFacts) -> None:  # noqa: C901 - four spellings of a call
    """Writes the operations of each live AWS client into its first fact, and marks files that read or write items."""
    services = {f.service for f in facts.facts if f.role is Role.CLIENT and f.service.startswith("aws/")}
    if not services:
        return
    variables = _variables(tree, facts)
    found: dict[str, dict[str, int]] = {s: {} for s in services}

    def note(service: str, operation: str, offset: int) -> None:
        if operation in _actions(service) and tree.spot(offset, offset + 1) is Spot.CODE:
            found[service].setdefault(operation, tree.line(offset)[0])

    for match in _COMMAND.finditer(tree.data):
        for service in services:
            note(service, match[1].decode(), match.start(1))
    for match in _INPUT.finditer(tree.data):
        service = catalogue().aws_flat.get(match[1].decode().lower(), "")
        if service in services:
            note(service, match[2].decode(), match.start(2))
    known = {operation for service in services for operation in _actions(service)}
    for match in (_RUBY if tree.name == "ruby" else _METHOD).finditer(tree.data):
        operation = pascal(match[1].decode())
        if operation not in known:
            continue
        before = _RECEIVER.search(tree.data[max(0, match.start() - 260) : match.start()])
        owner = variables.get(before[1].decode()) if before is not None else None
        if owner:
            note(owner, operation, match.start(1))
        elif len(re.findall(r"[A-Z][a-z0-9]+", operation)) > 1:
            for service in services:
                note(service, operation, match.start(1))
    for fact in facts.facts:
        if fact.role is Role.CLIENT and fact.service in services:
            chained = _CHAINED.match(tree.data, _offset(tree, fact))
            if chained is not None:
                note(fact.service, pascal(chained[1].decode()), chained.start(1))
    _write(facts, found)


def _variables(tree: SourceTree, facts: FileFacts) -> dict[str, str]:
    out: dict[str, str] = {}
    for fact in facts.facts:
        if fact.role is not Role.CLIENT or not fact.service.startswith("aws/"):
            continue
        offset = _offset(tree, fact)
        name = tree.assigned_name(tree.node_at(offset, offset + 1))
        if name:
            out[name] = fact.service
    # `table = dynamodb.Table("x")`: one step further from a known client.
    for match in _STEP.finditer(tree.data):
        left = _STEP_LEFT.search(tree.data[max(0, match.start() - 120) : match.start()])
        owner = out.get(left[2].decode()) if left is not None else None
        if left is not None and owner:
            out[left[1].decode()] = owner
    return out


def _offset(tree: SourceTree, fact: Fact) -> int:
    return tree.offset(fact.line, fact.column)


def _write(facts: FileFacts, found: dict[str, dict[str, int]]) -> None:
    done: set[str] = set()
    for index, fact in enumerate(facts.facts):
        operations = found.get(fact.service)
        if operations and fact.service not in done and fact.role in LIVE_ROLES:
            done.add(fact.service)
            facts.facts[index] = fact._replace(operations=tuple(sorted(operations)))
    if DATA & set(found.get("aws/dynamodb", {})):
        facts.data_operations = True
