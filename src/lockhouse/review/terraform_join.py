"""All Terraform folders together: which resource is what, once variables, modules and backends are known.

A table is a lock table when its hash key is `LockID` in some instance of it, or its name is one that a backend names;
its own label decides nothing. Values are resolved through variable defaults, tfvars, locals and the arguments of module
calls; what stays open stays unknown. Specification: docs/reference/review.md, "Terraform".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from lockhouse.review.backends import add_backend, read_backends
from lockhouse.review.catalogue import catalogue
from lockhouse.review.hcl import Attribute, Block, plain_text
from lockhouse.review.model import (
    PURPOSE_LOCK,
    PURPOSE_STATE,
    Certainty,
    FileFacts,
    Place,
    Role,
    TableName,
    User,
)
from lockhouse.review.modules import ModuleSource, read_source
from lockhouse.review.redaction import redact
from lockhouse.review.terraform import TerraformFile
from lockhouse.review.terraform_uses import Uses
from lockhouse.review.terraform_values import MAX_DEPTH, Folder, Scope, absent, resolve

_BOOTSTRAP = frozenset({"aws/s3", "aws/dynamodb", "aws/kms", "aws/iam", "aws/sts"})


class Joining:
    """Reads every folder once; `facts` holds what the whole proves, one FileFacts for each file."""

    def __init__(self, files: Iterable[TerraformFile], facts: dict[str, FileFacts]) -> None:
        self.facts = facts
        self.folders: dict[str, Folder] = {}
        self.by_file: dict[str, TerraformFile] = {}
        for file in sorted(files, key=lambda f: f.file):
            self.by_file[file.file] = file
            self._place(file)
        self._uses = Uses(facts, self.folders)

    def _place(self, file: TerraformFile) -> None:
        path = posixpath.dirname(file.file)
        name = posixpath.basename(file.file)
        folder = self.folders.setdefault(path, Folder(path))
        if name.endswith((".tfvars", ".tfvars.json")):
            if name.startswith("terraform.tfvars") or ".auto." in name or not folder.given:
                folder.given.update({a.name: a.value for a in file.body.attributes})
            return
        for block in file.body.blocks:
            folder.blocks.append((file, block))
            if block.kind == "variable" and block.labels:
                folder.variables[block.labels[0]] = block.value("default")
            elif block.kind == "locals":
                folder.locals.update({a.name: a.value for a in block.attributes})

    # The steps, in order

    def run(self, extra_tables: Iterable[TableName]) -> None:
        """Reads calls, backends, then resources; `extra_tables` are lock tables and buckets that scripts name."""
        for folder in self.folders.values():
            for file, block in folder.blocks:
                if block.kind == "module":
                    self._call(folder, file, block)
        self._reach()
        for folder in self.folders.values():
            self._backends(folder)
        for file in self.by_file.values():
            self._loose(file)
        named = [t for f in self.facts.values() for t in f.tables if t.where == "backend" and t.name]
        self.lock_names = {t.name for t in [*named, *extra_tables] if t.kind == "table" and t.name}
        self.state_buckets = {t.name for t in named if t.kind == "bucket"}
        for folder in self.folders.values():
            self._folder(folder)

    def scopes(self, folder: Folder, depth: int = 0) -> list[Scope]:
        """The instances of a folder: itself when nobody calls it, else one for each call."""
        if not folder.calls or depth > MAX_DEPTH:
            return [Scope(folder)]
        out = []
        for caller, block in folder.calls[:50]:
            out += [Scope(folder, block, parent) for parent in self.scopes(caller, depth + 1)[:20]]
        return out[:100]

    def _call(self, folder: Folder, file: TerraformFile, block: Block) -> None:
        source = block.attribute("source")
        text = plain_text(source.value) if source is not None else ""
        found = read_source(text)
        if found.local:
            path = posixpath.normpath(posixpath.join(folder.path, found.local))
            target = self.folders.get(path.lstrip("./"), self.folders.get(path))
            if target is not None and target is not folder:
                target.calls.append((folder, block))
                return
        line = source.line if source is not None else block.line
        self._remote(file, line, found, block, folder)

    def _remote(self, file: TerraformFile, line: int, source: ModuleSource, block: Block, folder: Folder) -> None:
        facts = self.facts[file.file]
        snippet = file.line(line)
        if not source.services:
            if source.scope:
                reason = "the module is not in the repository" if source.text else "the module's source is computed"
                facts.places.append(Place(source.scope, file.file, line, "module.remote", reason, redact(snippet)))
            for service in source.hints:
                facts.add(service, Role.UNKNOWN, "module.remote", line, snippet, certainty=Certainty.UNKNOWN)
            return
        scope = Scope(folder)
        key = resolve(block.value("hash_key"), scope)
        name = resolve(block.value("name"), scope) or ""
        for service in source.services:
            is_table = service == "aws/dynamodb"
            tooling = source.tooling or (is_table and key == "LockID")
            facts.add(
                service,
                Role.LOCK if tooling and is_table else Role.MODULE,
                "terraform.module",
                block.line,
                file.line(block.line),
                User.TOOLING if tooling else User.PLATFORM,
                column=block.column,
                name=name,
                purpose="" if not tooling else PURPOSE_LOCK if is_table else PURPOSE_STATE,
                certainty=Certainty.PROBABLE,
            )

    def _reach(self) -> None:
        """Marks folders below `modules/` that no root calls, in a repository that has roots."""
        roots = [f for f in self.folders.values() if f.blocks and "modules" not in f.path.split("/") and not f.calls]
        roots += [
            f
            for f in self.folders.values()
            if any(b.kind == "terraform" and b.children("backend") for _, b in f.blocks)
        ]
        if not any(b.kind in {"resource", "module", "provider", "data"} for f in roots for _, b in f.blocks):
            return
        live = {f.path for f in roots}
        changed = True
        while changed:
            changed = False
            for folder in self.folders.values():
                if folder.path not in live and any(c.path in live for c, _ in folder.calls):
                    live.add(folder.path)
                    changed = True
        for folder in self.folders.values():
            folder.reached = folder.path in live

    def _backends(self, folder: Folder) -> None:
        scope = self.scopes(folder)[0]
        for file, block in folder.blocks:
            if block.kind in {"terraform", "remote_state", "data", "generate"}:
                holder = Block("", (), 1, blocks=[block])
                read_backends(self.facts[file.file], holder, file.lines, 1, resolve=lambda v: resolve(v, scope))
            if block.kind == "terraform" and block.attribute("source") is not None:
                self._terragrunt_source(folder, file, block)

    def _terragrunt_source(self, folder: Folder, file: TerraformFile, block: Block) -> None:
        source = block.attribute("source")
        found = read_source(plain_text(source.value)) if source is not None else ModuleSource("")
        if found.local:
            path = posixpath.normpath(posixpath.join(folder.path, found.local.replace("//", "/")))
            target = self.folders.get(path)
            if target is not None:
                inputs = next((a.value for a in file.body.attributes if a.name == "inputs"), None)
                call = Block("module", ("terragrunt",), block.line)
                if inputs is not None:
                    call.attributes = [Attribute(k, v, v.line, 1) for k, v in inputs.items]
                target.calls.append((folder, call))
                return
            if "x" in found.local.split("/") or not found.local.startswith("."):
                return
        self._remote(file, source.line if source is not None else block.line, found, block, folder)

    def _loose(self, file: TerraformFile) -> None:
        """`*.tfbackend` and partial backend settings: attributes without a block."""
        names = {a.name for a in file.body.attributes}
        tfbackend = (
            file.file.endswith(".tfbackend") or re.search(r"backend[\w.-]*\.(hcl|conf|tfvars)$", file.file) is not None
        )
        if not tfbackend or not names & {
            "bucket",
            "dynamodb_table",
            "key",
            "storage_account_name",
            "hostname",
            "use_lockfile",
        }:
            return
        kind = "azurerm" if "storage_account_name" in names else "remote" if "hostname" in names else "s3"
        if kind == "s3" and "prefix" in names and "region" not in names:
            kind = "gcs"
        settings = [(a.name, plain_text(a.value) or "?", a.line) for a in file.body.attributes]
        add_backend(
            self.facts[file.file],
            kind,
            "file",
            file.body.attributes[0].line,
            settings,
            file.line(file.body.attributes[0].line),
        )

    # Resources

    def _folder(self, folder: Folder) -> None:
        scopes = self.scopes(folder)
        owners: dict[str, tuple[User, str]] = {}
        resources = [(f, b) for f, b in folder.blocks if b.kind == "resource" and len(b.labels) == 2]
        for _, block in resources:
            owner = self._owner(block, scopes)
            if owner:
                owners[".".join(block.labels)] = owner
        self._bootstrap(resources, owners, scopes)
        for file, block in folder.blocks:
            if block.kind in {"resource", "data"} and len(block.labels) == 2:
                self._resource(folder, file, block, scopes, owners)
            self._uses.read(folder, file, block, scopes)

    def _owner(self, block: Block, scopes: list[Scope]) -> tuple[User, str] | None:
        """Tooling, when this resource is a lock table or a state bucket; None: the platform's."""
        kind = block.labels[0]
        if kind in {"aws_dynamodb_table", "aws_dynamodb_global_table"}:
            for scope in scopes:
                name = resolve(block.value("name"), scope)
                if resolve(block.value("hash_key"), scope) == "LockID" or name in self.lock_names:
                    return User.TOOLING, PURPOSE_LOCK
        if kind == "aws_s3_bucket" and any(resolve(block.value("bucket"), s) in self.state_buckets for s in scopes):
            return User.TOOLING, PURPOSE_STATE
        return None

    def _bootstrap(
        self,
        resources: list[tuple[TerraformFile, Block]],
        owners: dict[str, tuple[User, str]],
        scopes: list[Scope],
    ) -> None:
        """A folder that makes a lock table and nothing but what a state needs is Terraform's own bootstrap."""
        if not any(user is User.TOOLING for user, _ in owners.values()):
            return
        services = {s for _, b in resources if (s := catalogue().terraform(b.labels[0]))}
        if not services <= _BOOTSTRAP:
            return
        buckets = [b for _, b in resources if b.labels[0] == "aws_s3_bucket"]
        known = [b for b in buckets if any(resolve(b.value("bucket"), s) for s in scopes)]
        for bucket in buckets:
            named_elsewhere = bucket in known and bool(self.state_buckets)
            if not named_elsewhere and (len(buckets) == 1 or re.search(r"state|tf", " ".join(bucket.labels))):
                owners.setdefault(".".join(bucket.labels), (User.TOOLING, PURPOSE_STATE))
        if all(".".join(b.labels) in owners for b in buckets):
            for _, block in resources:
                if not block.labels[0].startswith("aws_dynamodb_"):
                    owners.setdefault(".".join(block.labels), (User.TOOLING, "Terraform bootstrap"))

    def _resource(
        self,
        folder: Folder,
        file: TerraformFile,
        block: Block,
        scopes: list[Scope],
        owners: dict[str, tuple[User, str]],
    ) -> None:
        kind = block.labels[0]
        service = catalogue().terraform(kind)
        if not service or kind == "terraform_remote_state":
            return
        user, purpose = owners.get(".".join(block.labels), (User.PLATFORM, ""))
        if user is User.PLATFORM:
            user, purpose = self._companion(block, owners)
        name = ""
        for scope in scopes:
            name = name or resolve(block.value("bucket" if service == "aws/s3" else "name"), scope) or ""
        if block.kind == "data" and service == "aws/dynamodb" and name in self.lock_names:
            user, purpose = User.TOOLING, PURPOSE_LOCK
        if block.kind == "data" and service == "aws/s3" and name in self.state_buckets:
            user, purpose = User.TOOLING, PURPOSE_STATE
        role = Role.LOCK if purpose == PURPOSE_LOCK else Role.RESOURCE
        rule = "terraform.data" if block.kind == "data" else "terraform.resource"
        if all(absent(block, s) for s in scopes):
            role, rule = Role.UNUSED_RESOURCE, "terraform.count_zero"
        elif not folder.reached:
            role, rule = Role.UNUSED_RESOURCE, "terraform.module_unused"
        elif scopes[0].call is not None and all(
            s.call is not None and s.parent is not None and absent(s.call, s.parent) for s in scopes
        ):
            role, rule = Role.UNUSED_RESOURCE, "terraform.module_count_zero"
        facts = self.facts[file.file]
        facts.add(
            service,
            role,
            rule,
            block.line,
            file.line(block.line),
            user if role is not Role.UNUSED_RESOURCE else None,
            column=block.column,
            name=name,
            purpose=purpose,
            link=".".join(block.labels),
        )
        if kind == "aws_dynamodb_table" and name and purpose == PURPOSE_LOCK:
            facts.tables.append(TableName("table", name, "resource", file.file, block.line))

    def _companion(self, block: Block, owners: dict[str, tuple[User, str]]) -> tuple[User, str]:
        """Versioning, encryption or an item belongs to whom its bucket or table belongs."""
        for name in ("bucket", "table_name", "key_id", "target_key_id"):
            value = block.value(name)
            if value is not None and value.kind == "ref":
                owner = owners.get(".".join(value.text.split("[")[0].split(".")[:2]))
                if owner:
                    return owner
        return User.PLATFORM, ""


def join(files: list[TerraformFile], facts: dict[str, FileFacts], extra_tables: list[TableName]) -> Joining:
    """Adds to `facts` what the Terraform files prove together."""
    joining = Joining(files, facts)
    joining.run(extra_tables)
    return joining
