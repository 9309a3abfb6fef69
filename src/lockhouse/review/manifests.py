"""Manifests and lock files: a declared package is a declaration, a locked one less than that.

Only names are read; whether code uses a package is the joining's to say. Each ecosystem's format has its reader; an
unreadable manifest is searched line by line.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import FileFacts, Role, User
from lockhouse.review.shell import read_shell

Declared = tuple[str, str]  # (service, package name to find the line by)


def read_manifest(facts: FileFacts, text: str) -> None:
    name = facts.file.rpartition("/")[2]
    lines = text.split("\n")
    for service, package in _declared(facts, name, text):
        _add(facts, service, Role.DECLARATION, "manifest.dependency", package, lines)


def _declared(facts: FileFacts, name: str, text: str) -> Iterator[Declared]:  # noqa: C901, PLR0912 - a table in code, one row each
    low = name.lower()
    if low == "package.json":
        yield from _package_json(facts, text)
    elif low in {"pyproject.toml", "pipfile"}:
        yield from _toml(text, _pypi)
    elif (
        low.startswith("requirements")
        or low.endswith((".in", ".txt"))
        or low in {"setup.py", "setup.cfg", "environment.yml"}
    ):
        yield from _requirements(text)
    elif low == "go.mod":
        for match in re.finditer(r"^\s*(?:require\s+)?([\w.-]+\.[\w.-]+/[\w./-]+)\s+v\S+(.*)$", text, re.MULTILINE):
            if "indirect" not in match[2]:
                yield from _one(catalogue().go(match[1]), match[1])
    elif low == "pom.xml":
        yield from _pom(text)
    elif low.startswith("build.gradle") or low == "libs.versions.toml":
        yield from _gradle(text)
    elif low == "gemfile" or low.endswith(".gemspec"):
        for match in re.finditer(
            r"^\s*(?:gem|\w+\.add_(?:runtime_|development_)?dependency)[\s(]+[\"']([\w-]+)[\"']", text, re.MULTILINE
        ):
            yield from _one(catalogue().gem(match[1]), match[1])
    elif low == "cargo.toml":
        for match in re.finditer(r"^\s*([\w-]+)\s*=", text, re.MULTILINE):
            yield from _one(catalogue().crate(match[1]), match[1])
    elif low == "composer.json":
        for match in re.finditer(r"\"([\w-]+/[\w-]+)\"\s*:", text):
            vendor, _, package = match[1].partition("/")
            yield from _one(
                catalogue().table("npm").get(package) if vendor in {"stripe", "twilio", "predis", "workos"} else None,
                match[1],
            )
    elif low.endswith(".csproj"):
        for match in re.finditer(r"PackageReference\s+Include=\"([\w.]+)\"", text):
            yield from _one(_nuget(match[1]), match[1])


def _one(service: str | None, package: str) -> Iterator[Declared]:
    if service:
        yield service, package


def _nuget(name: str) -> str | None:
    if name.startswith("AWSSDK."):
        return catalogue().boto_like(re.sub(r"v\d+$", "", name[7:])) or catalogue().aws_class_named(
            re.sub(r"v\d+$", "", name[7:])
        )
    return {
        "StackExchange.Redis": "redis",
        "Npgsql": "postgresql",
        "Stripe.net": "stripe",
        "Twilio": "twilio",
        "SendGrid": "sendgrid",
        "MongoDB.Driver": "mongodb",
        "Sentry": "sentry",
        "OpenAI": "openai",
        "Anthropic.SDK": "anthropic",
    }.get(name)


def _package_json(facts: FileFacts, text: str) -> Iterator[Declared]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        for match in re.finditer(r"\"(@?[\w./-]+)\"\s*:\s*\"[\^~]?\d", text):
            yield from _one(catalogue().npm(match[1]), match[1])
        return
    for key in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        group = document.get(key)
        for package in group if isinstance(group, dict) else ():
            service = catalogue().npm(str(package)) or _cdk_package(str(package))
            yield from _one(service, str(package))
            emulated = catalogue().emulator(str(package))
            if emulated:
                _add(facts, emulated, Role.EMULATOR, "manifest.emulator", str(package), text.split("\n"))
    scripts = document.get("scripts")
    for script, command in scripts.items() if isinstance(scripts, dict) else ():
        if isinstance(command, str):
            number = next((i for i, t in enumerate(text.split("\n"), 1) if f'"{script}"' in t), 1)
            starts = script in {"start", "serve", "prestart", "start:prod"}
            read_shell(facts, command, number, User.APPLICATION if starts else User.DELIVERY, role_user=starts)
            for match in re.finditer(r"(?<![\w/.-])((?:\./)?[\w./-]+\.(?:[cm]?[jt]s|sh|py))\b", command):
                facts.runs.append(("start" if starts else f"script:{script}", _beside(facts.file, match[1])))


def _cdk_package(package: str) -> str | None:
    return catalogue().cdk(package[13:]) if package.startswith("@aws-cdk/aws-") else None


def _beside(file: str, path: str) -> str:
    folder = file.rpartition("/")[0]
    return f"{folder}/{path.removeprefix('./')}" if folder else path.removeprefix("./")


def _pypi(requirement: str) -> Iterator[Declared]:
    match = re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?", requirement)
    if match is None:
        return
    for extra in (match[2] or "[]").strip("[]").split(",") or [""]:
        service = catalogue().pypi(f"{match[1]}[{extra.strip()}]") if extra.strip() else catalogue().pypi(match[1])
        if service:
            yield service, match[1]


def _toml(text: str, one: Callable[[str], Iterator[Declared]]) -> Iterator[Declared]:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        yield from _requirements(text)
        return
    pending: list[tuple[str, object]] = [("", document)]
    while pending:
        key, item = pending.pop()
        if isinstance(item, dict):
            if "dependencies" in key or key in {"packages", "dev-packages"}:
                for name, value in item.items():
                    if not isinstance(value, list):
                        yield from one(str(name))
            pending += [(str(k), v) for k, v in item.items()]
        elif isinstance(item, list):
            for part in item:
                if isinstance(part, str):
                    yield from one(part)
                else:
                    pending.append((key, part))


def _requirements(text: str) -> Iterator[Declared]:
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        for match in re.finditer(
            r"(?:^|[\"'\s-])([A-Za-z0-9][A-Za-z0-9_.-]*(?:\[[\w, -]+\])?)\s*(?=$|[=<>!~;\"',#\s\\])",
            line.split(" #")[0][:300],
        ):
            yield from _pypi(match[1])


def _pom(text: str) -> Iterator[Declared]:
    bare = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    for match in re.finditer(r"<dependency>(.*?)</dependency>", bare, re.DOTALL):
        group = re.search(r"<groupId>\s*([^<\s]+)", match[1])
        artifact = re.search(r"<artifactId>\s*([^<\s]+)", match[1])
        if group and artifact:
            yield from _one(catalogue().maven(group[1], artifact[1]), artifact[1])


def _gradle(text: str) -> Iterator[Declared]:
    for line in text.splitlines():
        bare = line.split("//")[0]
        for match in re.finditer(r"[\"']([\w.-]+):([\w.-]+)(?::[^\"']*)?[\"']", bare):
            yield from _one(catalogue().maven(match[1], match[2]), f"{match[1]}:{match[2]}")
        module = re.search(r"group\s*[=:]\s*[\"']([\w.-]+)[\"'].*name\s*[=:]\s*[\"']([\w.-]+)[\"']", bare)
        if module:
            yield from _one(catalogue().maven(module[1], module[2]), module[2])


def read_lock(facts: FileFacts, text: str) -> None:
    """Packages named in a lock file, by the ecosystem that writes it."""
    name = facts.file.rpartition("/")[2].lower()
    lines = text.split("\n")
    seen: set[str] = set()
    for service, package in _locked(name, text):
        if service not in seen:
            seen.add(service)
            _add(facts, service, Role.LOCK_FILE, "lock_file.package", package, lines)


def _locked(name: str, text: str) -> Iterator[Declared]:  # noqa: C901 - a table in code, one row each
    known = catalogue()
    if name in {"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "deno.lock"}:
        pattern = r"(?:node_modules/|^\s*[\"'/]?|[\"'])(@[\w.-]+/[\w.-]+|[a-z][\w.-]*)(?=[\"'@:]|$)"
        for match in re.finditer(pattern, text, re.MULTILINE):
            yield from _one(known.npm(match[1]), match[1])
    elif name in {"poetry.lock", "uv.lock", "pdm.lock", "conda-lock.yml"}:
        for match in re.finditer(r"^\s*-?\s*name\s*[=:]\s*\"?([\w.-]+)", text, re.MULTILINE):
            yield from _one(known.pypi(match[1]), match[1])
    elif name == "pipfile.lock":
        for match in re.finditer(r"^\s*\"([\w.-]+)\"\s*:\s*\{", text, re.MULTILINE):
            yield from _one(known.pypi(match[1]), match[1])
    elif name in {"go.sum", "go.work.sum"}:
        for match in re.finditer(r"^(\S+)\s+v", text, re.MULTILINE):
            yield from _one(known.go(match[1]), match[1])
    elif name == "gemfile.lock":
        for match in re.finditer(r"^\s+([\w-]+)\s*(?:\(|$)", text, re.MULTILINE):
            yield from _one(known.gem(match[1]), match[1])
    elif name == "cargo.lock":
        for match in re.finditer(r"^name = \"([\w-]+)\"", text, re.MULTILINE):
            yield from _one(known.crate(match[1]), match[1])
    elif name == "gradle.lockfile":
        for match in re.finditer(r"^([\w.-]+):([\w.-]+):", text, re.MULTILINE):
            yield from _one(known.maven(match[1], match[2]), match[2])


def _add(facts: FileFacts, service: str, role: Role, rule: str, package: str, lines: list[str]) -> None:
    number = next(
        (i for i, line in enumerate(lines, 1) if package in line and not line.lstrip().startswith(("#", "//"))), 1
    )
    facts.add(service, role, rule, number, lines[number - 1], name=package)
