"""Reads one file and says what it proves; runs in worker processes.

The table below is the whole dispatch: kind of file to reader. Limits on size, lines and depth are here; a file over a
limit is named as skipped. Nothing of the file is executed, imported or followed.
"""

from __future__ import annotations

import functools
import gc
import os
import re
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from lockhouse.review import plain, prefilter, sdk, settings_files, templates, workflows
from lockhouse.review.catalogue import catalogue
from lockhouse.review.containers import (
    is_compose,
    is_kubernetes,
    read_compose,
    read_dockerfile,
    read_kubernetes,
    read_values,
)
from lockhouse.review.files import read_regular
from lockhouse.review.manifests import read_lock, read_manifest
from lockhouse.review.model import EnvRead, FactoryCall, FileFacts, Role, User
from lockhouse.review.paths import Life, PathKind, classify
from lockhouse.review.policies import add_grant, add_policy_text
from lockhouse.review.redaction import shown
from lockhouse.review.shell import comment_facts, read_shell
from lockhouse.review.terraform import read_terraform
from lockhouse.review.tree import SourceTree, Spot
from lockhouse.review.yamltext import Node, read_documents

KIB = 1024
LIMITS = {
    "lock": 24 * 1024 * KIB,
    "document": 2048 * KIB,
    "json": 768 * KIB,
    "yaml": 1024 * KIB,
    "notebook": 4096 * KIB,
}
DEFAULT_LIMIT = 1024 * KIB
LONGEST_LINE = 60_000
PARALLEL_FROM = 300
_SOURCE = {"javascript", "typescript", "tsx", "python", "go", "java", "ruby"}
_FAMILY = {"typescript": "javascript", "tsx": "javascript", "markup": "javascript", "notebook": "python"}


@dataclass(frozen=True, slots=True)
class Layout:
    """What every worker must know of the whole: documentation folders that are programs, and Python packages of the
    repository itself that share a name with a library.
    """

    programs_in_docs: frozenset[str] = frozenset()
    local_packages: frozenset[str] = frozenset()


NO_LAYOUT = Layout()


def scan_file(root: Path, relative: str, layout: Layout = NO_LAYOUT) -> FileFacts:
    """The facts of one file. Never raises for what a file holds: the reason stands in `problem`."""
    kind = classify(relative, layout.programs_in_docs)
    facts = FileFacts(shown(relative), kind.kind)
    if kind.kind == "state":
        facts.notes.append(
            ("state.in_repository", 1, "a Terraform state or plan is in the repository: it holds secrets in clear text")
        )
        return facts
    data = read_regular(root, relative, LIMITS.get(kind.kind, DEFAULT_LIMIT))
    if isinstance(data, str):
        facts.problem = data
        return facts
    if b"\0" in data[:8192]:
        facts.problem = "binary" if kind.kind != "other" else ""
        return facts
    try:
        _read(facts, kind, data, layout)
    except RecursionError:
        facts.problem = "nested too deeply"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        # A reader that trips over a hostile file must not end the review; the file is named as not analysed.
        facts.problem = f"could not be analysed ({type(error).__name__})"
    return facts


def _read(facts: FileFacts, kind: PathKind, data: bytes, layout: Layout) -> None:  # noqa: C901, PLR0912 - a table in code, one row each
    if kind.life is Life.DOCS or kind.kind == "document":
        hits = prefilter.find(data)
        plain.mentions(facts, data, hits, Role.DOCS)
        return
    if kind.kind in _SOURCE:
        _source(facts, kind.kind, data, layout)
        return
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    _platform_file(facts, text)
    match kind.kind:
        case "hcl":
            read_terraform(facts, data.removeprefix(b"\xef\xbb\xbf"))
        case "manifest":
            read_manifest(facts, text)
        case "lock":
            read_lock(facts, text)
        case "dockerfile":
            read_dockerfile(facts, text)
        case "shell" | "makefile":
            _script(facts, text)
        case "env":
            settings_files.read_env(facts, text)
        case "config":
            settings_files.read_settings(facts, text)
        case "yaml" | "json":
            _structured(facts, kind.kind, data, text)
        case "notebook":
            _source(facts, "python", plain.notebook_code(text).encode(), layout)
        case "markup":
            hits = prefilter.find(data, "javascript")
            if any(h.kind != prefilter.WORD for h in hits):
                _source(facts, "tsx" if facts.file.endswith(".vue") else "typescript", plain.script_parts(data), layout)
                plain.markup_hosts(facts, data, hits)
        case "other-source":
            plain.read_other_source(facts, data, prefilter.find(data))
        case "template":
            plain.read_template_text(facts, text)
        case _:
            pass


# Files whose existence deploys the application to somebody's platform.
_PLATFORM_FILES = {
    "wrangler.toml": "cloudflare",
    "wrangler.json": "cloudflare",
    "wrangler.jsonc": "cloudflare",
    "vercel.json": "vercel",
    "netlify.toml": "netlify",
    "fly.toml": "fly",
    "firebase.json": "firebase",
    "amplify.yml": "aws/amplify",
    "apprunner.yaml": "aws/apprunner",
    "Dockerrun.aws.json": "aws/elasticbeanstalk",
}


def _platform_file(facts: FileFacts, text: str) -> None:
    folder, _, name = facts.file.rpartition("/")
    service = _PLATFORM_FILES.get(name)
    if name == "config.toml" and folder.rpartition("/")[2] == "supabase":
        service = "supabase"
    if service:
        facts.add(service, Role.CONFIGURATION, "platform.file", 1, text.split("\n", 1)[0], User.PLATFORM)


def _source(facts: FileFacts, language: str, data: bytes, layout: Layout) -> None:
    if len(data) > 100_000 and max((len(line) for line in data.split(b"\n")), default=0) > LONGEST_LINE:
        facts.problem = "a line longer than 60 KiB (built output)"
        return
    hits = prefilter.find(data, _FAMILY.get(language, language))
    if not hits:
        return
    if all(h.kind == prefilter.WORD for h in hits):
        plain.comments_by_line(facts, data, hits, hash_comments=language in {"python", "ruby"})
        return
    kind = facts.kind
    found = sdk.read_source(SourceTree(language, data), facts.file, hits, layout.local_packages)
    for name in (
        "facts",
        "grants",
        "places",
        "factories",
        "factory_calls",
        "pending",
        "imports",
        "lock_literal",
        "data_operations",
    ):
        setattr(facts, name, getattr(found, name))
    facts.kind = kind
    if b"Statement" in data or b"PolicyDocument" in data:
        _policy_in_code(facts, data)


_QUOTED_ACTION = re.compile(rb"[\"'`]([a-z0-9-]+):([A-Z][A-Za-z]*\*?|\*)[\"'`]")


def _policy_in_code(facts: FileFacts, data: bytes) -> None:
    """Actions in a policy that code writes: quoted `prefix:Action` with a prefix that IAM knows."""
    lines = plain.Lines(data)
    for match in _QUOTED_ACTION.finditer(data):
        if catalogue().iam(match[1].decode()):
            number, column = lines.of(match.start())
            text = lines.text(number)
            if not plain.in_comment(text, column, hash_comments=facts.file.endswith((".py", ".rb"))):
                add_grant(facts, f"{match[1].decode()}:{match[2].decode()}", "", number, text, column=column)


def _script(facts: FileFacts, text: str) -> None:
    name = facts.file.rpartition("/")[2].lower()
    if name == "procfile":
        for number, line in enumerate(text.split("\n"), 1):
            read_shell(facts, line.partition(":")[2], number, User.APPLICATION, role_user=True)
            facts.runs += [("start", m) for m in re.findall(r"[\w./-]+\.(?:py|js|ts|rb|sh)\b", line)]
        return
    read_shell(facts, text, 1, User.DELIVERY)


def _structured(facts: FileFacts, kind: str, data: bytes, text: str) -> None:
    if facts.file.endswith((".tf.json", ".tofu.json", ".tfvars.json")):
        read_terraform(facts, data)
        return
    workflow = workflows.is_workflow(facts.file)
    hits = prefilter.find(data)
    name = facts.file.rpartition("/")[2]
    if (
        not hits
        and not workflow
        and not name.startswith(("serverless", "template", "docker-compose", "compose", "Pulumi"))
    ):
        return
    lines = text.split("\n")
    if kind == "json":
        if '"Statement"' in text and '"AWSTemplateFormatVersion"' not in text and '"Resources"' not in text:
            add_policy_text(facts, text, 1)
            return
        text = text.replace("\t", " ")
    else:
        for number, line in enumerate(lines, 1):
            if "#" in line and (match := re.search(r"(?:^|\s)(#.*)$", line[:2000])):
                comment_facts(facts, number, match[1])
    if (re.search(r"database|storage|cable", name) and "adapter:" in text) or "service: S3" in text:
        settings_files.read_rails(facts, text)
    documents, broken = read_documents(text)
    if broken and not documents:
        _broken_yaml(facts, lines)
        return
    if workflow:
        workflows.read_workflow(facts, documents, lines)
        return
    for document in documents:
        _document(facts, document, lines)
    for language, code, first in facts.inline:
        _inline(facts, language, code, first)


def _inline(facts: FileFacts, language: str, code: str, first: int) -> None:
    """Source code inside a template, with its lines moved to where it stands."""
    data = code.encode()
    hits = prefilter.find(data, _FAMILY.get(language, language))
    found = sdk.read_source(SourceTree(language, data), facts.file, hits)
    facts.facts += [f._replace(line=f.line + first - 1) for f in found.facts]
    facts.places += [replace(p, line=p.line + first - 1) for p in found.places]


def _document(facts: FileFacts, document: Node, lines: list[str]) -> None:
    if templates.is_template(document):
        templates.read_template(facts, document, lines)
    elif templates.is_serverless(facts.file, document):
        templates.read_serverless(facts, document, lines)
    elif is_compose(facts.file, document):
        read_compose(facts, document, lines)
    elif is_kubernetes(document):
        read_kubernetes(facts, document, lines)
    elif facts.file.rpartition("/")[2].startswith("Pulumi") and document.get("resources") is not None:
        _pulumi(facts, document, lines)
    elif document.get("plays") is None:
        templates.common_of(facts, document, lines)
        read_values(facts, document, lines)


def _pulumi(facts: FileFacts, document: Node, lines: list[str]) -> None:
    from lockhouse.review.constructs import pulumi_service  # noqa: PLC0415 - only Pulumi's YAML needs it

    resources = document.get("resources")
    for _, node in resources.pairs if resources is not None else ():
        kind = node.get("type")
        parts = (kind.text or "").split(":") if kind is not None else []
        service = pulumi_service(parts[0], parts[1].split("/")[0]) if len(parts) > 1 else None
        if service and kind is not None:
            locks = service == "aws/dynamodb" and any(n.text == "LockID" for _, n in node.walk())
            facts.add(
                service,
                Role.LOCK if locks else Role.RESOURCE,
                "pulumi.construct",
                kind.line,
                lines[kind.line - 1],
                User.TOOLING if locks else User.PLATFORM,
                purpose="state lock table" if locks else "",
            )


def _broken_yaml(facts: FileFacts, lines: list[str]) -> None:
    """Lines of a file that is no valid YAML (a Helm template, an unfinished file)."""
    facts.notes.append(("file.broken", 1, "the file is not valid YAML; single lines were read"))
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#"):
            continue
        image = re.match(r"\s*-?\s*image:\s*[\"']?([\w./:@-]+)", line[:500])
        kind = re.match(r"\s*\"?Type\"?:\s*[\"']?(AWS::\w+::\w+)", line[:500])
        found = catalogue().image(image[1]) if image else None
        service = catalogue().cloudformation(kind[1]) if kind else None
        if found and not found[1]:
            facts.add(found[0], Role.IMAGE, "container.image", number, line, User.PLATFORM)
        elif service:
            facts.add(service, Role.RESOURCE, "cloudformation.line", number, line, User.PLATFORM)


# The second look: names that other files taught


_READS = (
    rb"process\.env(?:\.|\[[\"'])NAME\b|import\.meta\.env(?:\.|\[[\"'])NAME\b|(?:environ|ENV|env|Env|config|getenv|GetEnv|Getenv|LookupEnv|"
    rb"environ\.get|fetch|get|var|getProperty|require_env|must_env|mustEnv|requireEnv|getEnv)\s*[\[(]\s*:?[\"']NAME[\"']|\$\{NAME[:}]"
)


@functools.cache
def _read_pattern(name: str) -> re.Pattern[bytes]:
    return re.compile(_READS.replace(b"NAME", re.escape(name.encode())))


class SecondLook:
    """What the second pass found in one file."""

    __slots__ = ("calls", "constants", "file", "named", "reads")

    def __init__(self, file: str) -> None:
        self.file = file
        self.reads: list[EnvRead] = []
        self.calls: list[FactoryCall] = []
        self.constants: dict[str, list[str]] = {}
        self.named: list[tuple[str, int]] = []


def look_again(
    root: Path, relative: str, variables: tuple[str, ...], factories: tuple[str, ...], names: tuple[str, ...]
) -> SecondLook | None:
    """Reads of environment variables, calls of client factories, and places that carry a table's or bucket's name."""
    kind = classify(relative).kind
    data = read_regular(root, relative, DEFAULT_LIMIT)
    if isinstance(data, str) or b"\0" in data[:8192]:
        return None
    found = prefilter.find_names(data, tuple(sorted({*variables, *factories, *names})))
    if not found:
        return None
    out = SecondLook(shown(relative))
    lines = plain.Lines(data)
    tree: SourceTree | None = SourceTree(kind, data) if kind in _SOURCE else None
    out.named = [(n, lines.of(o)[0]) for n, o in found if n in set(names)]
    for name in sorted({n for n, _ in found} & set(variables)):
        read = _env_read(data, name, tree, lines)
        if read:
            out.reads.append(EnvRead(name, out.file, read))
    called = frozenset(n for n, _ in found) & frozenset(factories)
    if called and tree is not None and tree.name == "python":
        from lockhouse.review.dynamic import factory_calls  # noqa: PLC0415 - only with factories

        out.calls = factory_calls(tree, out.file, called)
    for name in called if tree is not None else ():
        values = tree.constant(name) if tree is not None else []
        if values:
            out.constants[name] = values
    return out


def _env_read(data: bytes, name: str, tree: SourceTree | None, lines: plain.Lines) -> int:
    pattern = _read_pattern(name)
    for match in pattern.finditer(data):
        if tree is None or tree.spot(match.end() - 2, match.end() - 1) is not Spot.COMMENT:
            return lines.of(match.start())[0]
    if tree is not None and tree.language.family == "javascript":
        for match in re.finditer(
            rb"\{[^{}]{0,400}\b" + re.escape(name.encode()) + rb"\b[^{}]{0,400}\}\s*=\s*process\.env", data
        ):
            return lines.of(match.start())[0]
    return 0


# Running over many files


def _scan_chunk(root: Path, chunk: list[str], layout: Layout) -> list[FileFacts]:
    gc.disable()  # nothing here makes cycles worth a search; the process ends soon
    return [scan_file(root, relative, layout) for relative in chunk]


def _look_chunk(
    root: Path, chunk: list[str], variables: tuple[str, ...], factories: tuple[str, ...], names: tuple[str, ...]
) -> list[SecondLook]:
    return [found for r in chunk if (found := look_again(root, r, variables, factories, names)) is not None]


def _chunks(paths: list[str], size: int) -> list[list[str]]:
    return [paths[i : i + size] for i in range(0, len(paths), size)]


def workers() -> int:
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def scan(root: Path, paths: list[str], layout: Layout) -> list[FileFacts]:
    """Facts of all files in the order of `paths`; several processes from 300 files on."""
    if len(paths) < PARALLEL_FROM or workers() == 1:
        return _scan_chunk(root, paths, layout)
    chunks = _chunks(paths, 150)
    out: list[FileFacts] = []
    with ProcessPoolExecutor(workers()) as pool:
        pending = [pool.submit(_scan_chunk, root, chunk, layout) for chunk in chunks]
        for chunk, future in zip(chunks, pending, strict=True):
            try:
                out += future.result()
            except BrokenProcessPool:
                out += _one_by_one(root, chunk, layout)
    return out


def _one_by_one(root: Path, chunk: list[str], layout: Layout) -> list[FileFacts]:
    """A worker died: every file of its chunk gets a process of its own, and the one that kills it is named."""
    out = []
    for relative in chunk:
        try:
            with ProcessPoolExecutor(1) as pool:
                out += pool.submit(_scan_chunk, root, [relative], layout).result()
        except BrokenProcessPool:
            out.append(FileFacts(shown(relative), "other", problem="its reader crashed"))
    return out


def look_at_all(
    root: Path, paths: list[str], variables: frozenset[str], factories: frozenset[str], names: frozenset[str]
) -> list[SecondLook]:
    arguments = (tuple(sorted(variables)), tuple(sorted(factories)), tuple(sorted(names)))
    if not any(arguments):
        return []
    if len(paths) < PARALLEL_FROM or workers() == 1:
        return _look_chunk(root, paths, *arguments)
    with ProcessPoolExecutor(workers()) as pool:
        pending = [pool.submit(_look_chunk, root, chunk, *arguments) for chunk in _chunks(paths, 400)]
        return [found for future in pending for found in future.result()]
