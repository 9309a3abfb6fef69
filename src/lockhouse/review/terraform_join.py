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
from lockhouse.review.hcl import Block, Value, plain_text
from lockhouse.review.model import (
    PURPOSE_LOCK,
    PURPOSE_STATE,
    Certainty,
    EnvLink,
    Fact,
    FileFacts,
    Place,
    Role,
    TableName,
    User,
)
from lockhouse.review.modules import ModuleSource, read_source
from lockhouse.review.policies import add_grant, add_managed, add_policy_text, is_action
from lockhouse.review.redaction import redact
from lockhouse.review.shell import read_shell
from lockhouse.review.terraform import TerraformFile
from lockhouse.review.terraform_values import MAX_DEPTH, Folder, Scope, absent, member, resolve, resolve_reference

# Services that infrastructure passes an application but that the application does not itself talk to by the value.
_NOT_LINKED = frozenset(
    {
        "aws/iam",
        "aws/ec2",
        "aws/logs",
        "aws/ecr",
        "aws/kms",
        "aws/ssm",
        "aws/secretsmanager",
        "aws/sts",
        "aws/ecs",
        "aws/elb",
        "aws/acm",
        "aws/route53",
        "aws/cloudfront",
        "aws/lambda",
        "aws/cloudwatch",
        "aws/eks",
    }
)
_BOOTSTRAP = frozenset({"aws/s3", "aws/dynamodb", "aws/kms", "aws/iam", "aws/sts"})
_ENV_NAME = re.compile(r"^[A-Z][A-Z0-9_]{2,}$")


class Joining:
    """Reads every folder once; `facts` holds what the whole proves, one FileFacts for each file."""

    def __init__(self, files: Iterable[TerraformFile], facts: dict[str, FileFacts]) -> None:
        self.facts = facts
        self.folders: dict[str, Folder] = {}
        self.by_file: dict[str, TerraformFile] = {}
        for file in sorted(files, key=lambda f: f.file):
            self.by_file[file.file] = file
            self._place(file)

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
        named = [t for f in self.facts.values() for t in f.tables if t.where == "backend"]
        self.lock_names = {t.name for t in named if t.kind == "table"} | {
            t.name for t in extra_tables if t.kind == "table"
        }
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
            target = self.folders.get(
                posixpath.normpath(posixpath.join(folder.path, found.local)).lstrip("./") if found.local else ""
            )
            if target is None:
                target = self.folders.get(posixpath.normpath(posixpath.join(folder.path, found.local)))
            if target is not None and target is not folder:
                target.calls.append((folder, block))
                return
        line = source.line if source is not None else block.line
        self._remote(file, line, found, block, folder)

    def _remote(self, file: TerraformFile, line: int, source: ModuleSource, block: Block, folder: Folder) -> None:
        facts = self.facts[file.file]
        snippet = _line(file, line)
        if not source.services:
            if source.scope:
                reason = "the module is not in the repository" if source.text else "the module's source is computed"
                facts.places.append(Place(source.scope, file.file, line, "module.remote", reason, redact(snippet)))
            for service in source.hints:
                facts.facts.append(
                    Fact(
                        service,
                        Role.UNKNOWN,
                        "module.remote",
                        file.file,
                        line,
                        1,
                        None,
                        redact(snippet),
                        certainty=Certainty.UNKNOWN,
                    )
                )
            return
        scope = Scope(folder)
        key = resolve(block.value("hash_key"), scope)
        name = resolve(block.value("name"), scope) or ""
        for service in source.services:
            locks = source.tooling or (service == "aws/dynamodb" and key == "LockID")
            purpose = ""
            if locks:
                purpose = PURPOSE_LOCK if service == "aws/dynamodb" else PURPOSE_STATE
            facts.facts.append(
                Fact(
                    service,
                    Role.LOCK if locks and service == "aws/dynamodb" else Role.MODULE,
                    "terraform.module",
                    file.file,
                    block.line,
                    block.column,
                    User.TOOLING if locks else User.PLATFORM,
                    redact(_line(file, block.line)),
                    name=name,
                    purpose=purpose,
                    certainty=Certainty.PROBABLE,
                )
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
                    from lockhouse.review.hcl import Attribute  # noqa: PLC0415 - only here

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
            _line(file, file.body.attributes[0].line),
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
            self._values(folder, file, block, scopes)

    def _owner(self, block: Block, scopes: list[Scope]) -> tuple[User, str] | None:
        """Tooling, when this resource is a lock table or a state bucket; None: the platform's."""
        kind = block.labels[0]
        if kind in {"aws_dynamodb_table", "aws_dynamodb_global_table"}:
            for scope in scopes:
                if (
                    self._key(block, scope) == "LockID"
                    or (resolve(block.value("name"), scope) or "\0") in self.lock_names
                ):
                    return User.TOOLING, PURPOSE_LOCK
        if kind == "aws_s3_bucket" and any(
            (resolve(block.value("bucket"), s) or "\0") in self.state_buckets for s in scopes
        ):
            return User.TOOLING, PURPOSE_STATE
        return None

    def _key(self, block: Block, scope: Scope) -> str | None:
        return resolve(block.value("hash_key"), scope)

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
        if kind == "aws_vpc_endpoint":
            self._endpoint(file, block)
        if kind == "aws_appsync_datasource":
            self._datasource(file, block)
        if not service or kind == "terraform_remote_state":
            return
        user, purpose = owners.get(".".join(block.labels), (User.PLATFORM, ""))
        if user is User.PLATFORM:
            user, purpose = self._companion(block, owners)
        name = ""
        for scope in scopes:
            name = name or resolve(block.value("bucket" if service == "aws/s3" else "name"), scope) or ""
        if block.kind == "data" and service == "aws/dynamodb" and name in self.lock_names and name:
            user, purpose = User.TOOLING, PURPOSE_LOCK
        if block.kind == "data" and service == "aws/s3" and name in self.state_buckets and name:
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
        facts.facts.append(
            Fact(
                service,
                role,
                rule,
                file.file,
                block.line,
                block.column,
                user if role is not Role.UNUSED_RESOURCE else None,
                redact(_line(file, block.line)),
                name=name,
                purpose=purpose,
                link=".".join(block.labels),
            )
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

    def _endpoint(self, file: TerraformFile, block: Block) -> None:
        value = block.value("service_name")
        match = re.search(r"\.([a-z0-9.-]+)$", plain_text(value)) if value is not None else None
        service = catalogue().boto_like(match[1].rpartition(".")[2]) if match else None
        if service:
            facts = self.facts[file.file]
            facts.facts.append(
                Fact(
                    service,
                    Role.PERMISSION,
                    "network.endpoint",
                    file.file,
                    block.line,
                    1,
                    None,
                    redact(_line(file, block.line)),
                )
            )

    def _datasource(self, file: TerraformFile, block: Block) -> None:
        value = block.value("type")
        match = re.match(r"AMAZON_(\w+)", value.text) if value is not None else None
        service = catalogue().boto_like(match[1].lower()) if match else None
        if service and value is not None:
            self._integration(file, service, value.line, "integration.appsync")

    def _integration(self, file: TerraformFile, service: str, line: int, rule: str) -> None:
        self.facts[file.file].facts.append(
            Fact(service, Role.INTEGRATION, rule, file.file, line, 1, User.APPLICATION, redact(_line(file, line)))
        )

    # Values: policies, integrations, environment, commands

    def _values(self, folder: Folder, file: TerraformFile, block: Block, scopes: list[Scope]) -> None:
        if block.kind in {"variable", "terraform", "remote_state", "locals"} and block.kind != "locals":
            return
        facts = self.facts[file.file]
        if block.kind == "data" and block.labels[:1] == ("aws_iam_policy_document",):
            for statement in block.children("statement") + [
                b for d in block.children("dynamic") for b in d.children("content")
            ]:
                self._statement(file, statement, scopes)
        for name, value in block.values():
            for item in value.walk():
                self._value(folder, file, item, scopes)
            if name in {"command", "user_data", "user_data_base64"}:
                text = plain_text(value)
                if text:
                    read_shell(facts, text, value.line, User.PLATFORM)
        if block.kind == "data" and block.labels[:1] == ("archive_file",):
            for name in ("source_dir", "source_file"):
                self._pull(folder, file, block.value(name))
        if block.kind == "resource" and block.labels[:1] == ("aws_lambda_function",):
            self._pull(folder, file, block.value("filename"))
        if block.kind == "module":
            for name in ("source_path", "source_dir", "lambda_source_dir"):
                self._pull(folder, file, block.value(name))

    def _pull(self, folder: Folder, file: TerraformFile, value: Value | None) -> None:
        if value is None:
            return
        text = (
            "".join(v.text if v.kind == "text" else "." for _, v in value.items)
            if value.kind == "template"
            else value.text
        )
        if value.kind in {"text", "template"} and text:
            path = posixpath.normpath(
                posixpath.join(folder.path, text.lstrip("/") if text.startswith("./") is False else text)
            )
            self.facts[file.file].runs.append(("lambda", path))

    def _statement(self, file: TerraformFile, statement: Block, scopes: list[Scope]) -> None:
        effect = statement.value("effect")
        if effect is not None and effect.text == "Deny":
            return
        resources = self._texts(statement.value("resources"), scopes)
        actions = statement.value("actions")
        for item in actions.walk() if actions is not None else []:
            text = resolve(item, scopes[0]) if item.kind in {"text", "ref", "template"} else None
            if text and is_action(text):
                for resource in resources or [""]:
                    add_grant(self.facts[file.file], text, resource, item.line, _line(file, item.line))

    def _texts(self, value: Value | None, scopes: list[Scope]) -> list[str]:
        if value is None:
            return []
        out = []
        for item in value.walk():
            if item.kind == "ref":
                out.append(self._arn(item, scopes))
            elif item.kind == "text" and item.text:
                out.append(item.text)
            elif item.kind == "template":
                out.append("".join(self._arn(v, scopes) if v.kind == "ref" else v.text for _, v in item.items))
        return out

    def _arn(self, value: Value, scopes: list[Scope]) -> str:
        parts = value.text.split(".")
        if parts[0] == "aws_dynamodb_table" and len(parts) > 1:
            name = resolve_reference(".".join([*parts[:2], "name"]), scopes[0], 0)
            return f"arn:aws:dynamodb:*:*:table/{name}" if name else value.text
        return resolve(value, scopes[0]) or value.text

    def _value(self, folder: Folder, file: TerraformFile, item: Value, scopes: list[Scope]) -> None:
        facts = self.facts[file.file]
        if item.kind == "object":
            self._object(folder, file, item, scopes)
            return
        text = plain_text(item)
        if not text:
            return
        if "states:::" in text:
            for found in re.finditer(r"states:::(?:aws-sdk:)?([a-z0-9-]+)", text):
                service = catalogue().boto_like(found[1])
                if service:
                    self._integration(file, service, item.line, "integration.step_functions")
        if ":apigateway:" in text and (match := re.search(r":apigateway:[^:]*:([a-z0-9-]+):(?:action|path)", text)):
            service = catalogue().boto_like(match[1])
            if service and service != "aws/lambda":
                self._integration(file, service, item.line, "integration.api_gateway")
        add_managed(facts, text, item.line, _line(file, item.line))
        add_policy_text(facts, text, item.line)

    def _object(self, folder: Folder, file: TerraformFile, item: Value, scopes: list[Scope]) -> None:
        action = item.get("Action")
        effect = item.get("Effect")
        if action is not None and (effect is None or effect.text != "Deny"):
            resources = self._texts(item.get("Resource"), scopes)
            for part in action.walk():
                text = resolve(part, scopes[0]) if part.kind in {"text", "ref", "template"} else None
                if text and is_action(text):
                    for resource in resources or [""]:
                        add_grant(self.facts[file.file], text, resource, part.line, _line(file, part.line))
        named, valued = item.get("name"), item.get("value")
        if named is not None and valued is not None and _ENV_NAME.match(named.text):
            self._env(folder, file, named.text, valued)
        for key, value in item.items:
            if _ENV_NAME.match(key):
                self._env(folder, file, key, value)

    def _env(self, folder: Folder, file: TerraformFile, variable: str, value: Value) -> None:
        for item in value.walk():
            if item.kind != "ref":
                continue
            target = self._target(folder, item.text)
            service = catalogue().terraform(target.split(".")[0]) if target else None
            if service and service not in _NOT_LINKED:
                self.facts[file.file].env_links.append(EnvLink(variable, service, target, file.file, value.line))

    def _target(self, folder: Folder, path: str, depth: int = 0) -> str:
        """The resource address that a reference leads to, through locals and the outputs of local modules."""
        parts = (
            path.split("[", maxsplit=1)[0].split(".") if "[" not in path.split(".", maxsplit=1)[0] else path.split(".")
        )
        parts = [p.split("[")[0] for p in path.split(".")]
        if depth > MAX_DEPTH or len(parts) < 2:
            return ""
        if parts[0] == "data" and len(parts) > 2:
            return ".".join(parts[1:3])
        if parts[0] == "local":
            value = member(folder.locals.get(parts[1]), parts[2:]) or folder.locals.get(parts[1])
            inner = next((v.text for v in value.walk() if v.kind == "ref"), "") if value is not None else ""
            return self._target(folder, inner, depth + 1) if inner else ""
        if parts[0] == "module" and len(parts) > 2:
            for child in self.folders.values():
                if any(c is folder and b.labels[:1] == (parts[1],) for c, b in child.calls):
                    for _, block in child.blocks:
                        if (
                            block.kind == "output"
                            and block.labels[:1] == (parts[2],)
                            and (value := block.value("value"))
                        ):
                            inner = next((v.text for v in value.walk() if v.kind == "ref"), "")
                            return self._target(child, inner, depth + 1) if inner else ""
            return ""
        if parts[0] == "var":
            for caller, block in folder.calls:
                value = block.value(parts[1])
                inner = next((v.text for v in value.walk() if v.kind == "ref"), "") if value is not None else ""
                if inner:
                    return self._target(caller, inner, depth + 1)
            return ""
        return ".".join(parts[:2])


def _line(file: TerraformFile, line: int) -> str:
    return file.lines[line - 1] if 0 < line <= len(file.lines) else ""


def join(files: list[TerraformFile], facts: dict[str, FileFacts], extra_tables: list[TableName]) -> Joining:
    """Adds to `facts` what the Terraform files prove together."""
    joining = Joining(files, facts)
    joining.run(extra_tables)
    return joining
