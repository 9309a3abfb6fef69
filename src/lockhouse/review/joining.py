"""All files together: liveness by path, components, who runs what, links, factories, lock clients.

Turns facts into evidence with its user decided. Nothing is read here but what the two passes over the files gave.
Specification: docs/reference/review.md, "Who".
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass, field

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import (
    LIVE_ROLES,
    NON_USE_ORDER,
    PURPOSE_LOCK,
    PURPOSE_LOCK_CLIENT,
    PURPOSE_STATE,
    STATUS_OF_ROLE,
    Certainty,
    EnvLink,
    Evidence,
    Fact,
    FileFacts,
    Place,
    Role,
    User,
)
from lockhouse.review.paths import Life
from lockhouse.review.scan import SecondLook
from lockhouse.review.terraform import TerraformFile
from lockhouse.review.terraform_join import join as join_terraform

_ROLE_OF_LIFE = {Life.TEST: Role.TEST, Life.EXAMPLE: Role.EXAMPLE, Life.DOCS: Role.DOCS}
_KEPT = frozenset({Role.COMMENT, Role.DOCS, Role.LOCK_FILE, Role.EMULATOR})
SOURCE_KINDS = frozenset(
    {"javascript", "typescript", "tsx", "python", "go", "java", "ruby", "notebook", "markup", "other-source"}
)


@dataclass(slots=True)
class Joined:
    facts: dict[str, FileFacts]
    lives: dict[str, Life]
    evidence: dict[str, list[Evidence]] = field(default_factory=lambda: defaultdict(list))
    places: list[Place] = field(default_factory=list)
    lock_names: set[str] = field(default_factory=set)
    state_buckets: set[str] = field(default_factory=set)
    named: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    env_links: list[EnvLink] = field(default_factory=list)

    def live(self) -> list[FileFacts]:
        return [f for p, f in self.facts.items() if self.lives[p] is Life.LIVE]


def first_join(facts: dict[str, FileFacts], lives: dict[str, Life]) -> Joined:
    """Terraform's own joining, for live files and, apart from them, for the others."""
    joined = Joined(facts, lives)
    for live in (True, False):
        files = [
            f.terraform
            for p, f in facts.items()
            if isinstance(f.terraform, TerraformFile) and (lives[p] is Life.LIVE) is live
        ]
        scripts = [
            t
            for p, f in facts.items()
            for t in f.tables
            if t.where in {"script", "backend"} and (lives[p] is Life.LIVE) is live
        ]
        if files:
            join_terraform(files, facts, scripts)
    for file in joined.live():
        for table in file.tables:
            (joined.lock_names if table.kind == "table" else joined.state_buckets).add(table.name)
        joined.env_links += file.env_links
    for file in facts.values():
        file.terraform = None
    return joined


def second_join(joined: Joined, looks: list[SecondLook], components: list[str]) -> None:
    """Everything else; fills `joined.evidence` and `joined.places`."""
    _factories(joined, looks)
    _constants(joined, looks)
    for look in looks:
        joined.named[look.file] = look.named
    delivery, started = _who_runs(joined)
    _lock_clients(joined)
    _bootstrap_scripts(joined)
    _users(joined, delivery, started)
    _links(joined, looks)
    packed = sorted({t for f in joined.live() for how, t in f.runs if how == "lambda" and t not in {".", ""}}, key=len)
    for path, file in joined.facts.items():
        if not file.facts and not file.places:
            continue
        life = joined.lives[path]
        component = component_of(path, components, packed)
        for fact in file.facts:
            joined.evidence[fact.service].append(_evidence(fact, life, component))
        if life is Life.LIVE:
            joined.places += file.places
    for items in joined.evidence.values():
        items.sort(key=_order)


_STRENGTH = {role: NON_USE_ORDER.index(status) for role, status in STATUS_OF_ROLE.items()}


def _order(item: Evidence) -> tuple[int, str, str, int, int, str]:
    """Use first, then the strongest kind of non-use: the first piece of evidence carries the verdict."""
    rank = -1 if item.live else _STRENGTH.get(item.role, len(_STRENGTH))
    return rank, item.user or "~", item.file, item.line, item.column, item.rule


def _evidence(fact: Fact, life: Life, component: str) -> Evidence:
    role, user = fact.role, fact.user
    if life is not Life.LIVE and role not in _KEPT:
        role, user = _ROLE_OF_LIFE[life], None
    if role not in LIVE_ROLES:
        user = None
    return Evidence(
        user,
        role,
        fact.file,
        fact.line,
        fact.column,
        fact.snippet,
        fact.rule,
        component,
        fact.link,
        fact.certainty,
        fact.purpose,
        fact.name,
        fact.operations,
    )


# Components


def component_of(path: str, components: list[str], packed: list[str]) -> str:
    """The folder of the nearest manifest above a file; for code without one, the folder its infrastructure packs.
    `packed` is ordered from the shortest.
    """
    folder = posixpath.dirname(path)
    known = frozenset(components)
    best = "."
    current = folder
    while current:
        if current in known:
            best = current
            break
        current = posixpath.dirname(current)
    for target in packed:
        if _inside(folder, target) and (best == "." or len(target) > len(best)):
            best = target
    return best


# Who runs a file


def _matches(path: str, target: str) -> bool:
    bare = target.removeprefix("./").lstrip("/")
    return bool(bare) and (path == bare or path.endswith("/" + bare))


def _who_runs(joined: Joined) -> tuple[set[str], set[str]]:
    """Files that only a pipeline runs, and files that an image or start command runs."""
    pipeline: set[str] = set()
    started: set[str] = set()
    folders: list[str] = []
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in joined.facts:
        by_name[posixpath.basename(path)].append(path)
    scripts = {f"script:{t}" for f in joined.live() for how, t in f.runs if how == "workflow-script"}
    for file in joined.live():
        copied = [t for how, t in file.runs if how == "image"]
        for how, target in file.runs:
            for path in by_name.get(posixpath.basename(target), ()):
                if (how == "workflow" or how in scripts) and _matches(path, target):
                    pipeline.add(path)
                elif (how == "start" and _matches(path, target)) or (
                    how == "start-name" and any(_inside(path, folder) for folder in copied)
                ):
                    started.add(path)
            if how == "lambda":
                folders.append(target)
    imported = _imported(joined)
    served = {p for p in pipeline if any(_inside(p, f) for f in folders if f not in {"", "."})}
    return pipeline - started - imported - served, started


def _inside(path: str, folder: str) -> bool:
    return folder in {".", ""} or path == folder or path.startswith(folder.rstrip("/") + "/")


def _imported(joined: Joined) -> set[str]:
    """Files that another file imports, as far as relative and dotted names say."""
    stems: dict[str, list[str]] = defaultdict(list)
    for path in joined.facts:
        stems[posixpath.splitext(posixpath.basename(path))[0]].append(path)
    out: set[str] = set()
    for path, file in joined.facts.items():
        for module in file.imports:
            last = module.replace("/", ".").rstrip(".").rpartition(".")[2]
            parent = module.replace("/", ".").strip(".").split(".")
            for target in stems.get(last, ()):
                if target != path and (module.startswith(".") or (len(parent) > 1 and parent[-2] in target)):
                    out.add(target)
    return out


# Lock clients and users


def _lock_clients(joined: Joined) -> None:
    """Code that handles `LockID` items is a lock client, and so is what shares its folder (or lies one below) without
    data of its own."""
    folders = {posixpath.dirname(f.file) for f in joined.live() if f.lock_literal and f.kind in SOURCE_KINDS}
    for file in joined.live():
        if file.kind not in SOURCE_KINDS:
            continue
        uses = any(
            f.service == "aws/dynamodb" and f.user is User.APPLICATION and f.role in LIVE_ROLES for f in file.facts
        )
        if not uses:
            continue
        folder = posixpath.dirname(file.file)
        above = posixpath.dirname(folder)
        shares = (folder in folders or (above != "" and above in folders)) and not file.data_operations
        if not (file.lock_literal or shares):
            continue
        for index, fact in enumerate(file.facts):
            if fact.service == "aws/dynamodb" and fact.user is User.APPLICATION and fact.role in LIVE_ROLES:
                creates = "CreateTable" in fact.operations and not file.data_operations
                file.facts[index] = fact._replace(
                    user=User.TOOLING,
                    purpose=PURPOSE_LOCK if creates else PURPOSE_LOCK_CLIENT,
                    link=fact.link or (f"LockID at {file.file}:{file.lock_literal}" if file.lock_literal else ""),
                )


_BUCKET_WORK = ("CreateBucket", "PutBucket", "PutPublicAccessBlock", "HeadBucket", "GetBucket", "ListBuckets")


def _bootstrap_scripts(joined: Joined) -> None:
    """A program that makes the lock table and a bucket, and puts no objects, prepares Terraform's state."""
    for file in joined.live():
        makes = file.lock_literal and any(
            f.service == "aws/dynamodb" and f.user is User.TOOLING and "CreateTable" in f.operations for f in file.facts
        )
        for index, fact in enumerate(file.facts) if makes else ():
            if fact.service not in {"aws/s3", "aws/kms", "aws/sts", "aws/iam"} or fact.user is not User.APPLICATION:
                continue
            if fact.service != "aws/s3" or all(o.startswith(_BUCKET_WORK) for o in fact.operations):
                purpose = PURPOSE_STATE if fact.service == "aws/s3" else "Terraform bootstrap"
                file.facts[index] = fact._replace(user=User.TOOLING, purpose=purpose)


def _users(joined: Joined, delivery: set[str], started: set[str]) -> None:
    for path, file in joined.facts.items():
        names = {n for n, _ in joined.named.get(path, ())}
        for index, fact in enumerate(file.facts):
            changed = fact
            if fact.user is User.APPLICATION and file.kind in SOURCE_KINDS and path in delivery:
                changed = changed._replace(user=User.DELIVERY, link=fact.link or "run by a pipeline")
            if (
                fact.role in {Role.COMMAND, Role.HTTP}
                and file.kind == "shell"
                and path in started
                and fact.user in {User.DELIVERY, User.PLATFORM}
            ):
                changed = changed._replace(user=User.APPLICATION, link="started by the image")
            if changed.role in LIVE_ROLES and changed.user in {User.APPLICATION, User.PLATFORM, User.DELIVERY}:
                changed = _by_name(changed, file, names, joined)
            file.facts[index] = changed


def _by_name(fact: Fact, file: FileFacts, names: set[str], joined: Joined) -> Fact:
    """A place that names a backend's table or bucket belongs to Terraform's tooling."""
    if fact.service == "aws/dynamodb" and (
        fact.name in joined.lock_names or (file.kind in SOURCE_KINDS and names & joined.lock_names)
    ):
        purpose = PURPOSE_LOCK_CLIENT if file.kind in SOURCE_KINDS else PURPOSE_LOCK
        return fact._replace(user=User.TOOLING, purpose=fact.purpose or purpose)
    if fact.service == "aws/s3" and fact.rule.startswith(("command.", "sdk.")):  # noqa: SIM102 reads better whole
        if fact.name in joined.state_buckets or (file.kind in SOURCE_KINDS and names & joined.state_buckets):
            return fact._replace(user=User.TOOLING, purpose=PURPOSE_STATE)
    return fact


# Links


def _links(joined: Joined, looks: list[SecondLook]) -> None:
    reads: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for look in looks:
        if joined.lives.get(look.file) is Life.LIVE and joined.facts[look.file].kind in SOURCE_KINDS:
            for read in look.reads:
                reads[read.variable].append((read.file, read.line))
    done: set[tuple[str, str, int]] = set()
    for link in joined.env_links:
        for file, line in reads.get(link.variable, ()):
            if (link.service, file, line) in done:
                continue
            done.add((link.service, file, line))
            if link.service == "aws/dynamodb" and joined.facts[file].lock_literal:
                continue
            joined.facts[file].facts.append(
                Fact(
                    link.service,
                    Role.LINK,
                    "link.environment",
                    file,
                    line,
                    1,
                    User.APPLICATION,
                    f"reads {link.variable}",
                    certainty=Certainty.PROBABLE,
                    link=f"{link.variable} = {link.target} ({link.file}:{link.line})",
                )
            )


def _factories(joined: Joined, looks: list[SecondLook]) -> None:
    """Calls of functions that pass a service's name on: literals are clients, anything else is an unknown place."""
    known = catalogue()
    calls = [c for f in joined.live() for c in f.factory_calls]
    calls += [c for look in looks if joined.lives.get(look.file) is Life.LIVE for c in look.calls]
    for file in joined.live():
        for factory in file.factories:
            answered = False
            open_call: tuple[str, int] | None = None
            for call in calls:
                if call.name != factory.name:
                    continue
                keywords = dict(call.keywords)
                if factory.parameter in keywords:
                    value = keywords[factory.parameter]
                elif len(call.arguments) > factory.position >= 0:
                    value = call.arguments[factory.position]
                else:
                    answered = True
                    continue
                service = known.boto.get(value or "")
                if service:
                    answered = True
                    joined.facts[call.file].facts.append(
                        Fact(
                            service,
                            Role.CLIENT,
                            "sdk.factory",
                            call.file,
                            call.line,
                            call.column,
                            User.APPLICATION,
                            call.snippet,
                            link=f"{factory.name} at {factory.file}:{factory.line}",
                        )
                    )
                else:
                    open_call = (call.file, call.line)
            if open_call or not answered:
                where, line = open_call or (factory.file, factory.line)
                reason = "the service's name is a parameter whose value is not in the repository"
                file.places.append(Place("aws", where, line, "dynamic.parameter", reason, ""))


def _constants(joined: Joined, looks: list[SecondLook]) -> None:
    """Clients whose service another file's constant names."""
    values: dict[str, set[str]] = defaultdict(set)
    for look in looks:
        for name, found in look.constants.items():
            values[name] |= set(found)
    for file in joined.live():
        for call in file.pending:
            services = sorted({s for v in values.get(call.name, ()) if (s := catalogue().boto.get(v))})
            for service in services:
                file.facts.append(
                    Fact(
                        service,
                        Role.CLIENT,
                        "sdk.client",
                        call.file,
                        call.line,
                        call.column,
                        User.APPLICATION,
                        call.snippet,
                        link=f"constant {call.name}",
                    )
                )
            if not services:
                reason = "the name of the client's service is computed at run time"
                file.places.append(Place("aws", call.file, call.line, "dynamic.client", reason, call.snippet))
