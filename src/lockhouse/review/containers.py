"""Containers: Compose files, Kubernetes manifests and Dockerfiles.

An image is the service it is (`redis:7`) or pretends to be (`amazon/dynamodb-local`); cloud objects declared in
Kubernetes are the platform; what an image copies and starts belongs to the application it is built for.
"""

from __future__ import annotations

import json
import posixpath
import re

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import PURPOSE_LOCK, Certainty, FileFacts, Role, User
from lockhouse.review.shell import comment_facts, logical_lines, read_shell, url_service
from lockhouse.review.yamltext import Node

_K8S_GROUPS = (
    (re.compile(r"^([a-z0-9-]+)\.services\.k8s\.aws/"), "aws"),
    (re.compile(r"^([a-z0-9-]+)\.aws\.(?:m\.)?(?:upbound|crossplane)\.io/"), "aws"),
    (re.compile(r"^([a-z0-9-]+)\.cnrm\.cloud\.google\.com/"), "google"),
    (re.compile(r"^([a-z0-9-]+)\.gcp\.(?:m\.)?(?:upbound|crossplane)\.io/"), "google"),
    (re.compile(r"^([a-z0-9-]+)\.azure\.(?:m\.)?(?:upbound|crossplane)\.io/"), "azurerm"),
)


def _add(
    facts: FileFacts,
    service: str,
    role: Role,
    rule: str,
    line: int,
    lines: list[str],
    user: User | None,
    *,
    purpose: str = "",
    certainty: Certainty = Certainty.CERTAIN,
) -> None:
    snippet = lines[line - 1] if 0 < line <= len(lines) else ""
    facts.add(service, role, rule, line, snippet, user, purpose=purpose, certainty=certainty)


def is_compose(path: str, document: Node) -> bool:
    services = document.get("services")
    if services is None or not services.pairs:
        return False
    named = re.search(r"compose[\w.-]*\.ya?ml$", path.lower()) is not None
    return named or any(v.get("image") is not None and v.get("build") is None for _, v in services.pairs if v.pairs)


def is_kubernetes(document: Node) -> bool:
    return bool(document.at("apiVersion")) and bool(document.at("kind"))


def read_compose(facts: FileFacts, document: Node, lines: list[str]) -> None:
    services = document.get("services")
    for _, node in services.pairs if services is not None else ():
        image = node.get("image")
        if image is not None and image.text:
            _image(facts, image, lines, User.PLATFORM)
            if "localstack" in image.text:
                _localstack(facts, node, lines)
        user = User.APPLICATION if node.get("build") is not None else User.PLATFORM
        build = node.get("build")
        if build is not None:
            facts.runs.append(
                (
                    "image",
                    posixpath.normpath(
                        posixpath.join(posixpath.dirname(facts.file), build.text or build.at("context") or ".")
                    ),
                )
            )
        for key in ("environment", "command", "entrypoint"):
            for _, item in (node.get(key) or Node(0)).walk():
                if item.text:
                    _text(facts, item, lines, user)


def _localstack(facts: FileFacts, node: Node, lines: list[str]) -> None:
    for _, item in (node.get("environment") or Node(0)).walk():
        for name in re.split(r"[=,\s]+", item.text or ""):
            service = catalogue().boto.get(name)
            if service:
                _add(facts, service, Role.EMULATOR, "container.emulator", item.line, lines, None)


def read_kubernetes(facts: FileFacts, document: Node, lines: list[str]) -> None:
    version, kind = document.get("apiVersion"), document.at("kind")
    for pattern, provider in _K8S_GROUPS:
        match = pattern.match(version.text or "") if version is not None else None
        if match is None or version is None:
            continue
        service = catalogue().cdk(match[1]) if provider == "aws" else catalogue().terraform(f"{provider}_{match[1]}_x")
        if service:
            locks = service == "aws/dynamodb" and any(n.text == "LockID" for _, n in document.walk())
            _add(
                facts,
                service,
                Role.LOCK if locks else Role.RESOURCE,
                "kubernetes.resource",
                version.line,
                lines,
                User.TOOLING if locks else User.PLATFORM,
                purpose=PURPOSE_LOCK if locks else "",
            )
    application = kind in {
        "ConfigMap",
        "Secret",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
        "Pod",
        "Service",
    }
    for key, node in document.walk():
        if key == "image" and node.text:
            _image(facts, node, lines, User.PLATFORM)
        elif node.text and application and key not in {"image", "description"}:
            _text(facts, node, lines, User.APPLICATION)


def read_values(facts: FileFacts, document: Node, lines: list[str]) -> None:
    """Any other YAML or JSON configuration: endpoints, connection strings and settings paths."""
    for key, node in document.walk():
        _ansible(facts, node, lines)
        if node.text:
            if key in {"image", "repository"} and catalogue().image(node.text):
                _image(facts, node, lines, User.PLATFORM)
            else:
                _text(facts, node, lines, User.APPLICATION)


def _ansible(facts: FileFacts, node: Node, lines: list[str]) -> None:
    """Ansible's cloud modules by their full name (`community.aws.dynamodb_table`)."""
    for name, value in node.pairs:
        match = re.match(r"(?:amazon|community)\.aws\.(\w+)$", name)
        service = catalogue().terraform(f"aws_{match[1]}") if match else None
        if service:
            locks = service == "aws/dynamodb" and any(n.text == "LockID" for _, n in value.walk())
            _add(
                facts,
                service,
                Role.LOCK if locks else Role.RESOURCE,
                "ansible.module",
                value.key_line or value.line,
                lines,
                User.TOOLING if locks else User.PLATFORM,
                purpose=PURPOSE_LOCK if locks else "",
            )


def _image(facts: FileFacts, node: Node, lines: list[str], user: User) -> None:
    found = catalogue().image(node.text or "")
    if found is None:
        return
    service, pretends = found
    if pretends:
        _add(facts, service, Role.EMULATOR, "container.emulator", node.line, lines, None)
    else:
        _add(facts, service, Role.IMAGE, "container.image", node.line, lines, user)


def _text(facts: FileFacts, node: Node, lines: list[str], user: User) -> None:
    from lockhouse.review.prefilter import TEXT, find  # noqa: PLC0415
    from lockhouse.review.sdk import string_use  # noqa: PLC0415 - text rules are shared with source code

    text = node.text or ""
    if len(text) > 4000:
        return
    seen: set[str] = set()
    for match in re.finditer(r"[a-z][a-z0-9+]*(?::[a-z]+)?://[^\s\"'`<>)]+", text, re.IGNORECASE):
        service = url_service(match[0].removeprefix("jdbc:"))
        if service and service not in seen:
            seen.add(service)
            _add(
                facts,
                service,
                Role.CONNECTION,
                "configuration.url",
                node.line,
                lines,
                user,
                certainty=Certainty.PROBABLE,
            )
    if "://" not in text and re.search(
        r"\.(amazonaws\.com|windows\.net|supabase\.co|upstash\.io|neon\.tech|mongodb\.net)", text
    ):
        service = url_service("https://" + text.strip().split("/")[0])
        if service and not re.fullmatch(r"[a-z0-9-]+\.amazonaws\.com", text.strip()):
            _add(
                facts,
                service,
                Role.CONNECTION,
                "configuration.host",
                node.line,
                lines,
                user,
                certainty=Certainty.PROBABLE,
            )
    if "states:::" in text:
        for match in re.finditer(r"states:::(?:aws-sdk:)?([a-z0-9-]+)", text):
            service = catalogue().boto_like(match[1])
            if service:
                _add(facts, service, Role.INTEGRATION, "integration.step_functions", node.line, lines, User.APPLICATION)
    if re.search(r"storages\.|django|dynamodb_2012|bedrock/", text, re.IGNORECASE):
        for hit in find(text.encode()):
            use = string_use(text, hit) if hit.kind == TEXT else None
            if use:
                _add(facts, use[0], use[1], use[2], node.line, lines, user, certainty=Certainty.PROBABLE)


def read_dockerfile(facts: FileFacts, text: str) -> None:
    """FROM images, RUN commands (delivery: the build), CMD and ENTRYPOINT (the application), COPY and its sources."""
    lines, comments = logical_lines(text)
    folder = posixpath.dirname(facts.file)
    copied: dict[str, str] = {}
    for line in lines:
        word, _, rest = line.text.strip().partition(" ")
        match word.upper():
            case "FROM":
                image = rest.split()[0] if rest.split() else ""
                found = catalogue().image(image)
                if found:
                    role = Role.EMULATOR if found[1] else Role.IMAGE
                    user = None if found[1] else User.PLATFORM
                    facts.add(found[0], role, "container.image", line.number, line.text, user)
            case "RUN":
                read_shell(
                    facts, rest + (f" <<EOF\n{line.heredoc}\nEOF" if line.heredoc else ""), line.number, User.DELIVERY
                )
            case "COPY" | "ADD":
                parts = [p for p in re.sub(r"[\[\]\",]", " ", rest).split() if not p.startswith("--")]
                if "--from=" in rest:
                    continue
                for source in parts[:-1]:
                    path = posixpath.normpath(posixpath.join(folder, source))
                    facts.runs.append(("image", path))
                    copied[posixpath.basename(source)] = path
            case "CMD" | "ENTRYPOINT":
                _start(facts, line.number, rest, copied, folder)
            case "ENV":
                for match in re.finditer(r"[a-z0-9+]+://[^\s\"']+", rest):
                    service = url_service(match[0])
                    if service:
                        facts.add(
                            service,
                            Role.CONNECTION,
                            "configuration.url",
                            line.number,
                            line.text,
                            User.APPLICATION,
                            certainty=Certainty.PROBABLE,
                        )
            case _:
                pass
    for number, comment in comments:
        comment_facts(facts, number, comment)


def _start(facts: FileFacts, line: int, rest: str, copied: dict[str, str], folder: str) -> None:
    try:
        words = [str(w) for w in json.loads(rest)] if rest.strip().startswith("[") else rest.split()
    except ValueError:
        words = rest.split()
    read_shell(facts, " ".join(words), line, User.APPLICATION, role_user=True)
    for word in words:
        base = posixpath.basename(word)
        if base in copied:
            facts.runs.append(("start", copied[base]))
        elif re.search(r"\.(sh|py|js|ts|rb)$", base):
            facts.runs.append(("start", posixpath.normpath(posixpath.join(folder, word.lstrip("/")))))
            facts.runs.append(("start-name", base))
