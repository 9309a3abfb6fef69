"""CI pipelines: GitHub, GitLab, CircleCI, Azure, Bitbucket, CodeBuild. What a step runs is delivery, unless it is
Terraform's own state.

Service containers of a job and their images are for tests. Formats: each vendor's workflow syntax reference.
"""

from __future__ import annotations

import re

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import FileFacts, Role, User
from lockhouse.review.shell import read_shell
from lockhouse.review.yamltext import Node

_PATHS = re.compile(
    r"(^|/)\.github/(workflows|actions)/|(^|/)\.gitlab-ci[\w.-]*\.ya?ml$|(^|/)\.gitlab/|(^|/)\.circleci/|(^|/)azure-pipelines[\w.-]*\.ya?ml$|"
    r"(^|/)bitbucket-pipelines\.ya?ml$|(^|/)buildspec[\w.-]*\.ya?ml$|(^|/)\.drone\.ya?ml$|(^|/)\.travis\.ya?ml$|(^|/)cloudbuild[\w.-]*\.ya?ml$|"
    r"(^|/)\.buildkite/|(^|/)action\.ya?ml$|(^|/)appspec\.ya?ml$|(^|/)\.woodpecker|(^|/)\.semaphore/|(^|/)Taskfile\.ya?ml$|(^|/)amplify\.ya?ml$"
)
_RUN_KEYS = frozenset(
    {
        "run",
        "script",
        "before_script",
        "after_script",
        "command",
        "commands",
        "bash",
        "pwsh",
        "inlineScript",
        "cmds",
        "install",
        "before_install",
        "after_success",
        "deploy",
        "script_path",
    }
)
_FILE = re.compile(r"(?<![\w/.-])((?:\./)?[\w.-]+(?:/[\w.-]+)*\.(?:py|sh|js|ts|mjs|cjs|rb|go|bash))\b")

_MODULE = re.compile(r"python[\d.]*\s+-m\s+([a-z_][\w.]*)")
_SCRIPT = re.compile(r"(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?([\w:.-]+)")


def is_workflow(path: str) -> bool:
    return _PATHS.search(path) is not None


def read_workflow(facts: FileFacts, documents: list[Node], lines: list[str]) -> None:
    for document in documents:
        for key, node in document.walk():
            if node.text is None:
                continue
            if key in _RUN_KEYS:
                read_shell(facts, node.text, node.line, User.DELIVERY)
                facts.runs += [("workflow", m[1]) for m in _FILE.finditer(node.text)]
                facts.runs += [("workflow", m[1].replace(".", "/") + ".py") for m in _MODULE.finditer(node.text)]
                facts.runs += [("workflow-script", m[1]) for m in _SCRIPT.finditer(node.text)]
            elif key == "uses":
                _action(facts, node, lines)
            elif key in {"image", "name", "services"} and (found := catalogue().image(node.text)) and key != "name":
                _add(facts, found[0], Role.TEST, "workflow.service_container", node.line, lines, None)
            elif key in {"working-directory", "context", "dockerfile"}:
                facts.runs.append(("workflow-folder", node.text))
        for key, node in document.walk():
            if key == "with" and node.pairs:
                _inputs(facts, node)


def _action(facts: FileFacts, node: Node, lines: list[str]) -> None:
    service = catalogue().github(node.text or "")
    if service:
        _add(facts, service, Role.ACTION, "workflow.action", node.line, lines, User.DELIVERY)


def _inputs(facts: FileFacts, node: Node) -> None:
    """Inputs of an action: shell in `script`/`command`, and Terraform's backend settings."""
    for key, value in node.pairs:
        if value.text and ("backend-config" in value.text or key in {"script", "run", "inlineScript"}):
            text = value.text
            if key in {"backend-config", "backend_config", "backendConfig"}:
                text = "\n".join(f"-backend-config={line.strip()}" for line in text.splitlines() if "=" in line)
            read_shell(facts, text, value.line, User.DELIVERY)
        elif value.text and key.replace("-", "_") in {"backend_config", "backendconfig"}:
            text = "\n".join(
                f"-backend-config={line.strip()}" for line in re.split(r"[\n,]", value.text) if "=" in line
            )
            read_shell(facts, text, value.line, User.DELIVERY)


def _add(facts: FileFacts, service: str, role: Role, rule: str, line: int, lines: list[str], user: User | None) -> None:
    snippet = lines[line - 1] if 0 < line <= len(lines) else ""
    facts.add(service, role, rule, line, snippet, user)
