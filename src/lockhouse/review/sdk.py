"""What a piece of source code says: which SDKs it imports, whether anything refers to them, and for what.

Decides per file; who the file belongs to is decided by the joining. A symbol counts only where code refers to it as a
value: an import alone, a type, a comment or a string is a role of its own. Spec: docs/reference/review.md, "Evidence".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tree_sitter import Node

from lockhouse.review import constructs, dynamic, operations
from lockhouse.review.catalogue import catalogue
from lockhouse.review.languages import go, java, javascript, python, ruby
from lockhouse.review.model import PURPOSE_LOCK, PURPOSE_STATE, Certainty, FileFacts, Place, Role, User
from lockhouse.review.prefilter import HOST, SCHEME, TEXT, Hit
from lockhouse.review.redaction import redact
from lockhouse.review.tree import Form, Import, SourceTree, Spot

_IMPORTS = {
    "javascript": javascript.imports,
    "typescript": javascript.imports,
    "tsx": javascript.imports,
    "python": python.imports,
    "go": go.imports,
    "java": java.imports,
    "ruby": ruby.imports,
}
_TYPE_PACKAGES = re.compile(r"^(mypy_boto3|types_boto3|types_aiobotocore)_?(\w*)")
_PER_SERVICE = 8
_BACKEND_TEXT = frozenset({"dynamodb_table"})
_INTEGRATIONS = frozenset({"states:::"})
# Tokens that name no service by themselves but start a closer look at a comment.
_LOOSE = frozenset(
    {
        "states:::",
        "aws_",
        "aws::",
        '.client("',
        ".client('",
        "boto",
        "aws-sdk",
        "@aws-sdk",
        "awssdk",
        "com.amazonaws",
        "dynamodb_table",
    }
)
_DRIVER = re.compile(
    rb"\b(?:client|type|dialect|driver)\s*:\s*[\"'](pg|postgres|postgresql|mysql|mysql2|mariadb|mongodb)[\"']"
)
_ORM = re.compile(rb"[\"'](?:knex|typeorm|sequelize|@nestjs/typeorm|@mikro-orm/[\w-]+|sequelize-typescript)[\"']")


def read_source(
    tree: SourceTree, file: str, hits: list[Hit], local_packages: frozenset[str] = frozenset()
) -> FileFacts:
    """All facts of one source file. `hits` are the prefilter's; `local_packages` hide libraries of the same name."""
    facts = FileFacts(file, tree.name)
    reader = _Reader(tree, facts, local_packages)
    reader.imports()
    reader.texts(hits)
    if tree.name == "ruby":
        reader.ruby_constants()
    if tree.language.family == "javascript":
        reader.drivers()
        constructs.sst(tree, reader.fact)
    facts.lock_literal = operations.lock_literal(tree)
    operations.add(tree, facts)
    return facts


class _Reader:
    def __init__(self, tree: SourceTree, facts: FileFacts, local_packages: frozenset[str]) -> None:
        self.local_packages = local_packages
        self.tree = tree
        self.facts = facts
        self.known = catalogue()
        self.counts: dict[tuple[str, Role], int] = {}

    def fact(
        self,
        service: str,
        role: Role,
        rule: str,
        offset: int,
        *,
        user: User | None = User.APPLICATION,
        certainty: Certainty = Certainty.CERTAIN,
        link: str = "",
        purpose: str = "",
        name: str = "",
    ) -> None:
        key = (service, role)
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.counts[key] > _PER_SERVICE:
            return
        line, column = self.tree.line(offset)
        self.facts.add(
            service,
            role,
            rule,
            line,
            self.tree.line_text(line),
            user,
            column=column,
            name=name,
            purpose=purpose,
            certainty=certainty,
            link=link,
        )

    # Imports and their references

    def imports(self) -> None:
        found, computed = _IMPORTS[self.tree.name](self.tree)
        for item in found:
            if (
                item.module.startswith(".")
                or self.tree.name in {"python", "go", "java"}
                or not item.module.startswith(("@aws-sdk", "node:"))
            ):
                self.facts.imports.append(item.module)
            self.one_import(item)
        for node in computed:
            text = self.tree.text(node)
            if "@aws-sdk" in text or "aws-sdk" in text or "client-" in text:
                self.place("aws", node.start_byte, "dynamic.import", "the SDK package is picked at run time")
        dynamic.find_clients(self.tree, self.facts, found, self.fact)

    def one_import(self, item: Import) -> None:
        if item.module == "cdktf":
            constructs.state_backends(self.tree, item, self.fact)
        for imported, local in item.bindings or (("", ""),):
            for service, kind, reference in self.targets(item.module, imported, local):
                if kind == "emulator":
                    self.fact(service, Role.EMULATOR, "import.emulator", item.start)
                elif kind == "namespace":
                    constructs.namespace(self.tree, local, service, self.fact)
                else:
                    self.referenced(item, service, kind, local, reference)

    def referenced(self, item: Import, service: str, kind: str, local: str, reference: str) -> None:
        start = item.start
        if item.form is Form.TYPE or kind == "type":
            self.fact(service, Role.IMPORT, "import.type_only", start)
            return
        user = User.PLATFORM if kind in {"cdk", "pulumi", "cdktf"} else User.APPLICATION
        role = Role.RESOURCE if user is User.PLATFORM else Role.CLIENT
        where = f"imported at line {self.tree.line(start)[0]}"
        if item.form is Form.SIDE_EFFECT and self.tree.name != "ruby":
            self.fact(service, role, "import.side_effect", start, user=user)
        elif item.form is Form.INLINE:
            self.fact(service, role, "import.inline", start, user=user)
        elif item.form is Form.REEXPORT:
            self.fact(service, role, "import.reexported", start, user=user, certainty=Certainty.PROBABLE)
        elif local == "*":
            self.star(item, service, role, user)
        elif self.tree.name != "ruby":
            nodes = self.references(local, reference)
            if not nodes and self.exported(local):
                self.fact(service, role, "import.reexported", start, user=user, certainty=Certainty.PROBABLE)
            elif not nodes:
                self.fact(service, Role.IMPORT, "import.unused", start)
            elif user is User.PLATFORM:
                constructs.made(self.tree, service, nodes, kind, self.fact)
            else:
                best = next((n for n in nodes if self.tree.call_around(n) is not None), nodes[0])
                self.fact(service, role, "sdk.reference", best.start_byte, user=user, link=where)

    def exported(self, local: str) -> bool:
        """Whether a Python module lists `local` in `__all__`."""
        if self.tree.name != "python":
            return False
        pattern = rb"__all__\s*(?::[^=]+)?\+?=\s*[\[(][^\])]*[\"']" + re.escape(local.encode()) + rb"[\"']"
        return re.search(pattern, self.tree.data) is not None

    def references(self, local: str, reference: str) -> list[Node]:
        """Where `local` is used; when the import binds only the root of a dotted module, where that path is used."""
        out = []
        for node in self.tree.occurrences(local):
            if reference and not self.tree.chain(node).startswith(reference):
                continue
            out.append(node)
            if len(out) >= 40:
                break
        return out

    def star(self, item: Import, service: str, role: Role, user: User) -> None:
        stem = re.sub(r"[^A-Za-z0-9]", "", self.known.name(service))
        pattern = re.compile(rb"\b\w*" + re.escape(stem.encode()) + rb"\w*", re.IGNORECASE)
        for match in pattern.finditer(self.tree.data):
            if self.tree.spot(match.start(), match.end()) is Spot.CODE:
                self.fact(service, role, "sdk.reference", match.start(), user=user)
                return
        self.fact(service, role, "import.star", item.start, user=user, certainty=Certainty.PROBABLE)

    def targets(self, module: str, imported: str, local: str) -> Iterator[tuple[str, str, str]]:
        """(service, kind, dotted reference) that a binding stands for. Kinds: sdk, type, cdk, pulumi, cdktf, emulator,
        namespace (a whole provider, whose members decide).
        """
        known = self.known
        if imported in known.table("symbols"):
            yield known.table("symbols")[imported], "sdk", ""
            return
        emulated = known.emulator(module) or known.emulator(module.split(".", maxsplit=1)[0])
        if emulated:
            yield emulated, "emulator", ""
            return
        built = constructs.target(self.tree.language.family, module, imported)
        if built is not None:
            yield (*built, "")
            return
        family = self.tree.language.family
        if family == "javascript":
            service = known.npm(module)
            if module == "drizzle-orm" or not service:
                return
            yield service, "sdk", ""
        elif family == "python":
            yield from self.python_targets(module, imported, local)
        elif family == "go":
            service = known.go(module)
            if service:
                yield service, "sdk", ""
        elif family == "java":
            service = known.java(module)
            if service:
                yield service, "sdk", ""
        elif family == "ruby":
            service = known.gem(module.split("/", maxsplit=1)[0]) or known.gem(module.replace("/", "-"))
            if service:
                yield service, "sdk", ""

    def python_targets(self, module: str, imported: str, local: str) -> Iterator[tuple[str, str, str]]:
        typed = _TYPE_PACKAGES.match(module)
        if typed is not None:
            service = self.known.boto_like(typed[2].replace("_", "-")) if typed[2] else None
            if service:
                yield service, "type", ""
            return
        if module.startswith("boto.") or (module == "boto" and imported):
            part = (module.split(".")[1:] or [imported])[0]
            service = self.known.boto_like(re.sub(r"2$", "", part))
            if service:
                yield service, "sdk", ""
            return
        inside = re.match(r"boto3\.(dynamodb|s3|ec2)\b", module)
        if inside is not None:
            yield f"aws/{inside[1]}", "sdk", ""
            return
        if module.startswith(".") or module.split(".", maxsplit=1)[0] in self.local_packages:
            return
        full = f"{module}.{imported}" if imported and imported != "*" else module
        service = self.known.python(full)
        if service:
            dotted = module if not imported and local == module.split(".", maxsplit=1)[0] and "." in module else ""
            yield service, "sdk", dotted

    # What strings and comments hold

    def texts(self, hits: list[Hit]) -> None:
        lines: set[tuple[str, int]] = set()
        for hit in hits:
            if not hit.service and hit.kind != HOST and hit.token not in _LOOSE:
                continue
            spot = self.tree.spot(hit.start, hit.end)
            if hit.token in _BACKEND_TEXT:
                if spot is Spot.STRING:
                    self.backend_text(hit, lines)
                continue
            if spot is Spot.COMMENT:
                self.comment(hit, lines)
            elif (spot is Spot.STRING and hit.kind in {HOST, SCHEME, TEXT}) or hit.token in _INTEGRATIONS:
                self.string(hit, lines)

    def backend_text(self, hit: Hit, lines: set[tuple[str, int]]) -> None:
        """Terraform that a program writes or runs: a backend block or `-backend-config` in a string."""
        text = self.string_text(hit)
        line, _ = self.tree.line(hit.start)
        named = re.search(r"dynamodb_table\s*=\s*\\?[\"']?([\w.-]*)", text)
        if named is None or ("aws/dynamodb", line) in lines:
            return
        if "backend" in text:
            lines.add(("aws/dynamodb", line))
            self.fact(
                "aws/dynamodb",
                Role.LOCK,
                "terraform.backend.code",
                hit.start,
                user=User.TOOLING,
                purpose=PURPOSE_LOCK,
                name=named[1],
            )
            if 'backend "s3"' in text:
                self.fact(
                    "aws/s3",
                    Role.BACKEND,
                    "terraform.backend.code",
                    hit.start,
                    user=User.TOOLING,
                    purpose=PURPOSE_STATE,
                )

    def comment(self, hit: Hit, lines: set[tuple[str, int]]) -> None:
        line, _ = self.tree.line(hit.start)
        services = {hit.service} if hit.service else set(services_in_text(self.tree.line_text(line)))
        for service in services:
            if (service, line) not in lines:
                lines.add((service, line))
                self.fact(service, Role.COMMENT, "comment", hit.start, user=None)

    def string(self, hit: Hit, lines: set[tuple[str, int]]) -> None:
        line, _ = self.tree.line(hit.start)
        text = self.string_text(hit)
        found = string_use(text, hit)
        if found is None:
            return
        service, role, rule = found
        if (service, line) not in lines:
            lines.add((service, line))
            self.fact(service, role, rule, hit.start, certainty=Certainty.PROBABLE)

    def string_text(self, hit: Hit) -> str:
        node: Node | None = self.tree.node_at(hit.start, hit.end)
        while node is not None and node.parent is not None and node.parent.type in self.tree.language.strings:
            node = node.parent
        return self.tree.text(node)[:2000] if node is not None else ""

    def drivers(self) -> None:
        """The database that an object mapper is told to talk to (`type: "postgres"`)."""
        if not _ORM.search(self.tree.data):
            return
        for match in _DRIVER.finditer(self.tree.data):
            name = match[1].decode()
            service = (
                "mongodb" if name == "mongodb" else "postgresql" if name.startswith(("pg", "postgres")) else "mysql"
            )
            if self.tree.spot(match.start(), match.start() + 2) is Spot.CODE:
                self.fact(service, Role.CONFIGURATION, "settings.driver", match.start())

    def ruby_constants(self) -> None:
        """Constants of libraries, wherever they are referred to: Ruby's imports bind no names."""
        used: set[str] = set()
        pattern = re.compile(rb"(?<![\w:.])[A-Z][A-Za-z0-9]*(?:::[A-Z][A-Za-z0-9]*)*")
        for match in pattern.finditer(self.tree.data):
            service = self.known.ruby(match[0].decode())
            if service and service not in used and self.tree.spot(match.start(), match.end()) is Spot.CODE:
                used.add(service)
                self.fact(service, Role.CLIENT, "sdk.reference", match.start())
        found, _ = ruby.imports(self.tree)
        for item in found:
            service = self.known.gem(item.module.split("/")[0])
            if service and service not in used:
                self.fact(service, Role.IMPORT, "import.unused", item.start)

    def place(self, scope: str, offset: int, rule: str, reason: str) -> None:
        line, _ = self.tree.line(offset)
        self.facts.places.append(Place(scope, self.facts.file, line, rule, reason, redact(self.tree.line_text(line))))


_HOST = re.compile(
    r"(?P<scheme>[a-z0-9+]+://)?(?:[^\s/@\"'`]*@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.*_-]*\.[A-Za-z]{2,})(?P<rest>[/:][^\s\"'`]*)?"
)
_TALK = re.compile(r"^(www|docs?|status|dashboard|help|support|blog|developers?|community|console|forum|learn|app)\.")


def string_use(text: str, hit: Hit) -> tuple[str, Role, str] | None:
    """What a string literal that holds `hit` uses, if anything: an endpoint, a connection, a settings path."""
    known = catalogue()
    if hit.token in _INTEGRATIONS:
        match = re.search(r"states:::(?:aws-sdk:)?([a-z0-9-]+)", text)
        service = known.boto_like(match[1]) if match else None
        return (service, Role.INTEGRATION, "integration.step_functions") if service else None
    if hit.kind == TEXT:
        bare = text.lstrip("bBrRuUfF").strip("\"'`")
        if hit.token in known.table("string_prefixes") and not bare.startswith(hit.token):
            return None
        rule = "http.wire_protocol" if hit.token.startswith("DynamoDB_") else "settings.backend"
        return hit.service, Role.HTTP if rule.startswith("http") else Role.CONFIGURATION, rule
    if hit.kind == SCHEME:
        match = re.search(re.escape(hit.token) + r"[\w{$%<@:/.-]", text, re.IGNORECASE)
        before = re.search(r"([A-Za-z0-9+.:-]*)" + re.escape(hit.token), text, re.IGNORECASE)
        if match is None or (before is not None and before[1] and not before[1].endswith(":")):
            return None
        return hit.service, Role.CONNECTION, "connection.url"
    return host_use(text)


def host_use(text: str) -> tuple[str, Role, str] | None:
    """The service whose API host a text names, leaving out documentation links, principals and XML namespaces."""
    known = catalogue()
    plain = re.sub(r"\$?\{+[^}]{0,80}\}+|%[sd]|#\{[^}]*\}|<[\w-]+>", "x", text)
    for match in _HOST.finditer(plain):
        host = match["host"].lower()
        service = known.host(host)
        rest = match["rest"] or ""
        if not service or _TALK.match(host) or rest.startswith(("/docs", "/doc/", "/blog")):
            continue
        labels = host.split(".")
        if host.endswith("amazonaws.com") and len(labels) == 3 and not match["scheme"]:
            continue
        if len(labels) == 2 and "/api" not in rest and "/services" not in rest:
            continue
        return service, Role.HTTP, "http.host"
    return None


_IN_TEXT = (
    (re.compile(r"(?:client|resource)\(\s*[\"']([\w-]+)[\"']"), "boto"),
    (re.compile(r"@aws-sdk/client-([\w-]+)"), "npm"),
    (re.compile(r"(github\.com/aws/aws-sdk-go(?:-v2)?/service/\w+)"), "go"),
    (re.compile(r"\b((?:software\.amazon\.awssdk|com\.amazonaws)\.services\.\w+)"), "java"),
    (re.compile(r"\b(Aws::[A-Z]\w+)"), "ruby"),
    (re.compile(r"\b(aws_[a-z0-9_]+)"), "terraform"),
    (re.compile(r"\b(AWS::\w+::\w+)"), "cloudformation"),
    (re.compile(r"\baws\s+([a-z0-9-]+)\s+[a-z]+-?[a-z-]*"), "boto"),
)


def services_in_text(text: str) -> Iterator[str]:
    """Services that commented-out code on one line names."""
    known = catalogue()
    lookups: dict[str, Callable[[str], str | None]] = {
        "boto": known.boto.get,
        "npm": known.aws_npm.get,
        "go": known.go,
        "java": known.java,
        "ruby": known.ruby,
        "terraform": known.terraform,
        "cloudformation": known.cloudformation,
    }
    for pattern, kind in _IN_TEXT:
        for match in pattern.finditer(text[:2000]):
            service = lookups[kind](match[1])
            if service:
                yield service
