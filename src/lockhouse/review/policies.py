"""IAM policies: which actions a document allows on what. A permission is never a use.

Reads policy JSON wherever it stands (a file, a heredoc, CloudFormation, Serverless, jsonencode as values). Deny
statements and `NotAction` allow nothing by name and are left out. Specification: IAM JSON policy elements reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import FileFacts, Grant, Role

_ACTION = re.compile(r"^([a-z0-9-]+|\*):([A-Za-z0-9*?]+)$")
_QUOTED = re.compile(r"\"(?!arn:)([a-z0-9-]+):([A-Z*][A-Za-z0-9*?]*)\"")
_MANAGED = re.compile(r"arn:aws(?:-[a-z-]+)?:iam::aws:policy/(?:[\w-]+/)*([\w-]+)")


def is_action(text: str) -> bool:
    return text == "*" or _ACTION.match(text) is not None


def add_grant(facts: FileFacts, action: str, resource: str, line: int, snippet: str, *, column: int = 1) -> None:
    """Notes one allowed action, and one permission fact for each service and line."""
    match = _ACTION.match(action)
    facts.grants.append(Grant(action, resource, facts.file, line))
    if match is None or match[1] == "*":
        return
    service = catalogue().iam(match[1])
    if service and not any(f.service == service and f.line == line and f.role is Role.PERMISSION for f in facts.facts):
        facts.add(service, Role.PERMISSION, "iam.grant", line, snippet, column=column, name=_table(resource))


def _table(resource: str) -> str:
    match = re.search(r":table/([\w.-]+)", resource) or re.search(r":s3:::([\w.-]+)", resource)
    return match[1] if match else ""


def add_managed(facts: FileFacts, text: str, line: int, snippet: str) -> None:
    """A permission through a policy that AWS manages (`AmazonDynamoDBFullAccess`)."""
    for match in _MANAGED.finditer(text):
        service = catalogue().managed_policy(match[1])
        if service:
            facts.add(service, Role.PERMISSION, "iam.managed_policy", line, snippet)


def _strings(item: object) -> list[str]:
    if isinstance(item, str):
        return [item]
    if isinstance(item, list):
        return [s for i in item for s in _strings(i)]
    if isinstance(item, dict):
        return [s for i in item.values() for s in _strings(i)]
    return []


def statements(document: object, depth: int = 0) -> Iterable[tuple[list[str], list[str]]]:
    """(actions, resources) of every Allow statement anywhere in a parsed JSON or YAML document."""
    if depth > 60:
        return
    if isinstance(document, dict):
        action = document.get("Action") or document.get("actions") or document.get("action")
        effect = str(document.get("Effect") or document.get("effect") or "Allow")
        actions = [a for a in _strings(action) if is_action(a)]
        if actions and effect == "Allow":
            yield actions, _strings(document.get("Resource") or document.get("resources") or [])
        for item in document.values():
            yield from statements(item, depth + 1)
    elif isinstance(document, list):
        for item in document:
            yield from statements(item, depth + 1)


def add_policy_text(facts: FileFacts, text: str, first_line: int) -> None:
    """Grants in policy JSON given as text whose first line is `first_line`; text that is no JSON is read by pattern."""
    if '"Statement"' not in text and "'Statement'" not in text:
        return
    lines = text.split("\n")

    def place(action: str) -> tuple[int, str]:
        for index, line in enumerate(lines):
            if f'"{action}"' in line:
                return first_line + index, line
        return first_line, lines[0]

    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        if '"Deny"' in text and '"Allow"' not in text:
            return
        resource = next(iter(re.findall(r"\"(arn:[^\"]+)\"", text)), "")
        for match in _QUOTED.finditer(text):
            line = first_line + text.count("\n", 0, match.start())
            add_grant(facts, f"{match[1]}:{match[2]}", resource, line, lines[line - first_line])
        return
    for actions, resources in statements(document):
        for action in actions:
            line, snippet = place(action)
            for resource in resources or [""]:
                add_grant(facts, action, resource, line, snippet)
