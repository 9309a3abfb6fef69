"""The words of a review: users, roles, statuses, and the values that pass between its rooms.

A *fact* is what one file says about one service; *evidence* is a fact after joining, with its user decided. Values
only: nothing here reads a file or knows a format. The outside shape of a review is docs/reference/review-schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from lockhouse.review.redaction import redact

SCHEMA = "lockhouse.review/1"


class User(StrEnum):
    """Who uses a service."""

    APPLICATION = "application"
    PLATFORM = "platform"
    TOOLING = "tooling"
    DELIVERY = "delivery"


class Status(StrEnum):
    """The verdict on one service; all but `used` and `unknown` are kinds of non-use."""

    USED = "used"
    PERMISSION_ONLY = "permission_only"
    DECLARED_UNUSED = "declared_unused"
    EXAMPLE_ONLY = "example_only"
    DOCS_ONLY = "docs_only"
    LOCK_FILE_ONLY = "lock_file_only"
    NOT_PRESENT = "not_present"
    UNKNOWN = "unknown"


class Certainty(StrEnum):
    CERTAIN = "certain"
    PROBABLE = "probable"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What a place in the repository is to a service. The first group is use, the second is not."""

    BACKEND = "backend"
    LOCK = "lock"
    RESOURCE = "resource"
    MODULE = "module"
    CLIENT = "client"
    HTTP = "http"
    CONNECTION = "connection"
    CONFIGURATION = "configuration"
    COMMAND = "command"
    ACTION = "action"
    IMAGE = "image"
    INTEGRATION = "integration"
    LINK = "link"

    PERMISSION = "permission"
    DECLARATION = "declaration"
    IMPORT = "import"
    UNUSED_RESOURCE = "unused_resource"
    ENVIRONMENT = "environment"
    EXAMPLE = "example"
    TEST = "test"
    EMULATOR = "emulator"
    COMMENT = "comment"
    DOCS = "docs"
    LOCK_FILE = "lock_file"
    UNKNOWN = "unknown"


LIVE_ROLES = frozenset(
    {
        Role.BACKEND,
        Role.LOCK,
        Role.RESOURCE,
        Role.MODULE,
        Role.CLIENT,
        Role.HTTP,
        Role.CONNECTION,
        Role.CONFIGURATION,
        Role.COMMAND,
        Role.ACTION,
        Role.IMAGE,
        Role.INTEGRATION,
        Role.LINK,
    }
)

STATUS_OF_ROLE = {
    Role.PERMISSION: Status.PERMISSION_ONLY,
    Role.DECLARATION: Status.DECLARED_UNUSED,
    Role.IMPORT: Status.DECLARED_UNUSED,
    Role.UNUSED_RESOURCE: Status.DECLARED_UNUSED,
    Role.ENVIRONMENT: Status.DECLARED_UNUSED,
    Role.EXAMPLE: Status.EXAMPLE_ONLY,
    Role.TEST: Status.EXAMPLE_ONLY,
    Role.EMULATOR: Status.EXAMPLE_ONLY,
    Role.COMMENT: Status.DOCS_ONLY,
    Role.DOCS: Status.DOCS_ONLY,
    Role.LOCK_FILE: Status.LOCK_FILE_ONLY,
    Role.UNKNOWN: Status.UNKNOWN,
}

# Strongest first: the verdict on a service without live evidence is the first of these that some evidence gives.
NON_USE_ORDER = (
    Status.UNKNOWN,
    Status.PERMISSION_ONLY,
    Status.DECLARED_UNUSED,
    Status.EXAMPLE_ONLY,
    Status.DOCS_ONLY,
    Status.LOCK_FILE_ONLY,
)

PURPOSE_LOCK = "state lock table"
PURPOSE_LOCK_CLIENT = "lock client"
PURPOSE_STATE = "state storage"


class Fact(NamedTuple):
    """What one place says about one service. Lines and columns count from 1; `name` is the resource's own name
    (table, bucket), `operations` are API operations in the service's own spelling.
    """

    service: str
    role: Role
    rule: str
    file: str
    line: int
    column: int = 1
    user: User | None = None
    snippet: str = ""
    name: str = ""
    purpose: str = ""
    certainty: Certainty = Certainty.CERTAIN
    link: str = ""
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """One IAM action on one resource in one policy. `effect` other than Allow is kept out."""

    action: str
    resource: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place that makes an answer unknown. `scope` is the family it could hide: "aws", or one service."""

    scope: str
    file: str
    line: int
    rule: str
    reason: str
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class TableName:
    """A lock table's (or state bucket's) name where it is written. `where`: backend, script, policy or resource."""

    kind: str
    name: str
    where: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class EnvLink:
    """An environment variable that infrastructure fills from a resource of a service."""

    variable: str
    service: str
    target: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class EnvRead:
    variable: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Backend:
    """One place that configures where Terraform keeps its state. `form`: block, terragrunt, file, flag, code, data."""

    kind: str
    form: str
    file: str
    line: int
    settings: tuple[tuple[str, str, int], ...] = ()

    def setting(self, name: str) -> str | None:
        return next((value for key, value, _ in self.settings if key == name), None)


@dataclass(frozen=True, slots=True)
class Factory:
    """A function that passes one of its parameters on as the name of a service."""

    name: str
    position: int
    parameter: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class FactoryCall:
    name: str
    arguments: tuple[str | None, ...]
    keywords: tuple[tuple[str, str | None], ...]
    file: str
    line: int
    column: int
    snippet: str


@dataclass(slots=True)
class FileFacts:
    """Everything one file gives to the joining. Small and picklable: it crosses a process border."""

    file: str
    kind: str = ""
    facts: list[Fact] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    tables: list[TableName] = field(default_factory=list)
    env_links: list[EnvLink] = field(default_factory=list)
    backends: list[Backend] = field(default_factory=list)
    factories: list[Factory] = field(default_factory=list)
    factory_calls: list[FactoryCall] = field(default_factory=list)
    pending: list[FactoryCall] = field(default_factory=list)
    """Clients whose service is a constant of another file; `name` is the constant's."""
    imports: list[str] = field(default_factory=list)
    runs: list[tuple[str, str]] = field(default_factory=list)
    """(how, path): files that this one starts or copies: "image", "start", "workflow", "lambda"."""
    terraform: object | None = None
    lock_literal: int = 0
    """Line of a live string or key that is exactly `LockID`, else 0."""
    data_operations: bool = False
    inline: list[tuple[str, str, int]] = field(default_factory=list)
    """(language, text, first line) of code that stands inside this file."""
    notes: list[tuple[str, int, str]] = field(default_factory=list)
    """(rule, line, message) for findings that one file alone proves."""
    problem: str = ""

    def add(
        self,
        service: str,
        role: Role,
        rule: str,
        line: int,
        text: str,
        user: User | None = None,
        *,
        column: int = 1,
        name: str = "",
        purpose: str = "",
        certainty: Certainty = Certainty.CERTAIN,
        link: str = "",
        operations: tuple[str, ...] = (),
    ) -> None:
        """A fact of this file. `text`: of the line that shows it; nothing of a secret in it is kept."""
        shown = redact(text)
        self.facts.append(
            Fact(service, role, rule, self.file, line, column, user, shown, name, purpose, certainty, link, operations)
        )


class Evidence(NamedTuple):
    user: User | None
    role: Role
    file: str
    line: int
    column: int
    snippet: str
    rule: str
    component: str
    link: str
    certainty: Certainty = Certainty.CERTAIN
    purpose: str = ""
    name: str = ""
    operations: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        return self.role in LIVE_ROLES


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to act on that nobody asked for. `level` is error, warning or note (as in SARIF)."""

    rule: str
    level: str
    message: str
    file: str
    line: int
    service: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CostLine:
    what: str
    quantity: str
    price: str
    monthly_usd: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a service costs a month as far as the repository can say. `monthly_usd` None: it cannot say."""

    monthly_usd: float | None
    text: str
    lines: tuple[CostLine, ...] = ()
    assumptions: tuple[str, ...] = ()
    as_of: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Permissions:
    needed: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    excessive: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Removal:
    """`answer`: yes, after_steps, no, unknown or nothing_to_remove."""

    answer: str
    reason: str
    steps: tuple[str, ...] = ()
    places: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceReview:
    service: str
    name: str
    users: tuple[User, ...]
    status: Status
    certainty: Certainty
    purpose: str
    evidence: tuple[Evidence, ...]
    permissions: Permissions
    cost: Cost
    removable: Removal
    because: str = ""


@dataclass(frozen=True, slots=True)
class Searched:
    files: int = 0
    manifests: int = 0
    lock_files: int = 0
    source: int = 0
    infrastructure: int = 0
    documents: int = 0
    scripts: int = 0
    other: int = 0
    skipped: int = 0
    bytes: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Review:
    root: str
    commit: str
    services: tuple[ServiceReview, ...]
    findings: tuple[Finding, ...]
    searched: Searched
    unknowns: tuple[Place, ...]
    skipped: tuple[tuple[str, str], ...]
    backends: tuple[Backend, ...] = ()
    asked: str = ""

    def service(self, name: str) -> ServiceReview | None:
        return next((s for s in self.services if s.service == name), None)
