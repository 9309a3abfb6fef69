"""What a path alone says about a file: its language, and whether it is live, a test, an example or a document.

Folder names never decide *who* uses a service; they only say what is not live. The exceptions people rely on are
here: `environments/test` holds a real environment, `com/example` is a Java package, a documentation site with its
own manifest is a program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Life(StrEnum):
    LIVE = "live"
    TEST = "test"
    EXAMPLE = "example"
    DOCS = "docs"


@dataclass(frozen=True, slots=True)
class PathKind:
    """`kind` names the reader: a language, `manifest`, `lock`, `document`, `workflow`, … or `other`."""

    kind: str
    life: Life


LANGUAGES = {
    ".ts": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".tsx": "tsx",
    ".jsx": "javascript",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".vue": "markup",
    ".svelte": "markup",
    ".astro": "markup",
    ".py": "python",
    ".pyi": "python",
    ".go": "go",
    ".java": "java",
    ".rb": "ruby",
    ".rake": "ruby",
    ".tf": "hcl",
    ".tofu": "hcl",
    ".hcl": "hcl",
    ".tfvars": "hcl",
    ".tfbackend": "hcl",
    ".nomad": "hcl",
    ".yml": "yaml",
    ".yaml": "yaml",
    ".json": "json",
    ".template": "yaml",
    ".sh": "shell",
    ".bash": "shell",
    ".zsh": "shell",
    ".ksh": "shell",
    ".ps1": "shell",
    ".bat": "shell",
    ".mk": "makefile",
    ".ipynb": "notebook",
    ".toml": "config",
    ".ini": "config",
    ".cfg": "config",
    ".conf": "config",
    ".properties": "config",
    ".prisma": "config",
    ".xml": "config",
    ".env": "env",
    ".kt": "other-source",
    ".kts": "other-source",
    ".scala": "other-source",
    ".groovy": "other-source",
    ".cs": "other-source",
    ".rs": "other-source",
    ".php": "other-source",
    ".ex": "other-source",
    ".exs": "other-source",
    ".swift": "other-source",
    ".dart": "other-source",
    ".c": "other-source",
    ".cc": "other-source",
    ".cpp": "other-source",
    ".md": "document",
    ".mdx": "document",
    ".rst": "document",
    ".adoc": "document",
    ".txt": "document",
    ".markdown": "document",
    ".org": "document",
    ".j2": "template",
    ".tpl": "template",
    ".tmpl": "template",
    ".erb": "template",
    ".html": "markup",
    ".sql": "other-source",
    ".jsonc": "json",
    ".tfstate": "state",
    ".tfplan": "state",
}

MANIFESTS = {
    "package.json",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "Pipfile",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "Gemfile",
    "Cargo.toml",
    "composer.json",
    "deno.json",
    "bower.json",
    "environment.yml",
    "libs.versions.toml",
    "mix.exs",
}
LOCKS = {
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "Pipfile.lock",
    "go.sum",
    "Gemfile.lock",
    "Cargo.lock",
    "composer.lock",
    "gradle.lockfile",
    "conda-lock.yml",
    "deno.lock",
    ".terraform.lock.hcl",
    "go.work.sum",
    "packages.lock.json",
}
SKIPPED_FOLDERS = frozenset(
    {
        "node_modules",
        "bower_components",
        ".venv",
        "venv",
        "site-packages",
        "dist-packages",
        "__pycache__",
        ".git",
        ".hg",
        ".terraform",
        ".terragrunt-cache",
        ".next",
        ".nuxt",
        ".svelte-kit",
        "cdk.out",
        ".aws-sam",
        ".serverless",
        ".gradle",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".tox",
        ".nox",
        ".yarn",
        ".pnpm-store",
        ".eggs",
        "third_party",
        "jspm_packages",
        ".turbo",
        ".parcel-cache",
        "coverage",
        ".svn",
        "Pods",
    }
)
_EXAMPLE_FOLDERS = frozenset({"example", "examples", "sample", "samples", "_examples", "_example"})
_TEST_FOLDERS = frozenset(
    {
        "test",
        "tests",
        "__tests__",
        "spec",
        "specs",
        "e2e",
        "testdata",
        "fixtures",
        "__mocks__",
        "__fixtures__",
        "mocks",
        "cypress",
        "integration-tests",
        "integration_tests",
        "unit-tests",
        "test-fixtures",
        "testing",
        "bench",
        "benches",
        "benchmark",
        "benchmarks",
        "terratest",
    }
)
_DOC_FOLDERS = frozenset({"docs", "doc", "documentation"})
_PACKAGE_ROOTS = frozenset({"com", "org", "net", "io", "dev", "me", "co"})
_ENVIRONMENTS = frozenset(
    {
        "env",
        "envs",
        "environment",
        "environments",
        "live",
        "stage",
        "stages",
        "accounts",
        "account",
        "workspaces",
        "stacks",
        "deploy",
        "deployments",
        "overlays",
        "infra",
        "infrastructure",
        "terraform",
        "regions",
        "terragrunt",
        "prod",
        "values",
        "config",
        "configs",
        "tfvars",
        "vars",
    }
)
_TEST_FILE = re.compile(
    r"^test_.*\.py$|_test\.(py|go|rb|js|ts)$|_spec\.rb$|\.(test|spec|stories|story|cy|e2e|test-d)\.[cm]?[jt]sx?$|^conftest\.py$|"
    r"(Test|Tests|IT|TestCase)\.(java|kt|scala)$|\.tftest\.(hcl|json)$|\.tofutest\.hcl$|^(jest|vitest|karma|playwright|cypress)\."
    r"(config|setup)|^test\.[cm]?[jt]sx?$"
)
_EXAMPLE_FILE = re.compile(
    r"(?i)(^|[._-])(example|sample)s?([._-]|$)|\.dist$|^\.?env[\w.-]*\.(template|dist|tpl|defaults?)$|\.tfvars\.(template|dist)$"
)
_GENERATED = re.compile(r"\.min\.(js|css)$|\.bundle\.js$|\.map$|_pb2(_grpc)?\.pyi?$|\.pb\.go$|\.d\.[cm]?ts$")
_BUILT = frozenset({"dist", "build", "out"})
_REQUIREMENTS = re.compile(r"requirements[\w.-]*\.(txt|in)$")
_INACTIVE = re.compile(r"(?i)\.(example|sample|dist|template|disabled|bak|orig|off)$")
_MAKE = frozenset({"makefile", "gnumakefile", "justfile", "procfile", "taskfile", "jenkinsfile"})
_PROSE = frozenset({"license", "copying", "notice", "authors", "changelog", "readme", "contributing"})


def skipped_folder(parts: tuple[str, ...], vendored: frozenset[str]) -> str:
    """The first folder of a path that holds other people's or generated files, or an empty string."""
    for index, part in enumerate(parts[:-1]):
        if part in SKIPPED_FOLDERS:
            return part
        if part == "vendor" and (index == 0 or "/".join(parts[:index]) in vendored):
            return part
    return ""


def generated(relative: str) -> bool:
    """Whether a file is built or bundled output: its source is what is reviewed."""
    folder, _, name = relative.rpartition("/")
    if _GENERATED.search(name):
        return True
    return name.endswith((".js", ".mjs", ".cjs", ".css")) and bool(_BUILT & set(folder.split("/")))


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def _kind(folder: str, name: str) -> str:
    if name in LOCKS:
        return "lock"
    low = name.lower()
    if name in MANIFESTS or _REQUIREMENTS.match(low) or low.endswith((".gemspec", ".csproj")):
        return "manifest"
    if low.endswith((".txt", ".in")) and folder.rpartition("/")[2] == "requirements":
        return "manifest"
    if low.startswith(("dockerfile", "containerfile")) or low.endswith((".dockerfile", "containerfile")):
        return "dockerfile"
    if low in _MAKE:
        return "makefile"
    if low in {"rakefile", "config.ru"}:
        return "ruby"
    if low.startswith(".env") or low.endswith(".env") or low in {"env.example", "env.sample"}:
        return "env"
    if ".tfstate" in low:
        return "state"
    if low in _PROSE:
        return "document"
    return LANGUAGES.get(_suffix(_INACTIVE.sub("", name)), "other")


def classify(relative: str, programs_in_docs: frozenset[str] = frozenset()) -> PathKind:
    """Kind and life of a file by its path relative to the reviewed root. `programs_in_docs` are documentation folders
    that have a manifest of their own.
    """
    folder, _, file_name = relative.rpartition("/")
    kind = _kind(folder, file_name)
    if _EXAMPLE_FILE.search(file_name):
        return PathKind(kind, Life.EXAMPLE)
    infrastructure = kind in {"hcl", "yaml", "json", "env", "config", "state"}
    parts = folder.split("/") if folder else []
    for index, part in enumerate(parts):
        low = part.lower()
        before = parts[index - 1].lower() if index else ""
        if low in _EXAMPLE_FOLDERS and before not in _PACKAGE_ROOTS:
            return PathKind(kind, Life.EXAMPLE)
        if low in _TEST_FOLDERS and not (
            low in {"test", "testing", "e2e"} and infrastructure and before in _ENVIRONMENTS
        ):
            if low in {"spec", "mocks", "fixtures"} and kind == "document":
                continue
            return PathKind(kind, Life.TEST)
        if low == "t" and index == 0:
            return PathKind(kind, Life.TEST)
        if low in _DOC_FOLDERS and kind != "document" and "/".join(parts[: index + 1]) not in programs_in_docs:
            return PathKind(kind, Life.DOCS)
    if _TEST_FILE.search(file_name):
        return PathKind(kind, Life.TEST)
    if kind == "document":
        return PathKind(kind, Life.DOCS)
    return PathKind(kind, Life.LIVE)
