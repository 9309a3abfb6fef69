"""What the values of Terraform blocks say of who uses what: grants, integrations, environment variables, code.

It is read once all folders are known, for a value may lead through locals, outputs and the arguments of module calls.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from lockhouse.review.catalogue import catalogue
from lockhouse.review.hcl import Block, Value, plain_text
from lockhouse.review.model import EnvLink, FileFacts, Role, User
from lockhouse.review.policies import add_grant, add_managed, add_policy_text, is_action
from lockhouse.review.shell import read_shell
from lockhouse.review.terraform import TerraformFile
from lockhouse.review.terraform_values import MAX_DEPTH, Folder, Scope, member, resolve, resolve_reference

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
_ENV_NAME = re.compile(r"^[A-Z][A-Z0-9_]{2,}$")
_CODE = {
    ("data", "archive_file"): ("source_dir", "source_file"),
    ("resource", "aws_lambda_function"): ("filename",),
    ("module", ""): ("source_path", "source_dir", "lambda_source_dir"),
}
"""Arguments that name the code which is run."""


class Uses:
    """Adds to `facts` what blocks say; `folders` by their path."""

    def __init__(self, facts: Mapping[str, FileFacts], folders: Mapping[str, Folder]) -> None:
        self.facts = facts
        self.folders = folders

    def read(self, folder: Folder, file: TerraformFile, block: Block, scopes: list[Scope]) -> None:
        if block.kind in {"variable", "terraform", "remote_state"}:
            return
        kind = block.labels[0] if block.kind in {"resource", "data"} and block.labels else ""
        if kind == "aws_vpc_endpoint":
            self._endpoint(file, block)
        if kind == "aws_appsync_datasource":
            self._datasource(file, block)
        if block.kind == "data" and kind == "aws_iam_policy_document":
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
                    read_shell(self.facts[file.file], text, value.line, User.PLATFORM)
        for name in _CODE.get((block.kind, kind), ()):
            self._pull(folder, file, block.value(name))

    def _endpoint(self, file: TerraformFile, block: Block) -> None:
        value = block.value("service_name")
        match = re.search(r"\.([a-z0-9.-]+)$", plain_text(value)) if value is not None else None
        service = catalogue().boto_like(match[1].rpartition(".")[2]) if match else None
        if service:
            facts = self.facts[file.file]
            facts.add(service, Role.PERMISSION, "network.endpoint", block.line, file.line(block.line))

    def _datasource(self, file: TerraformFile, block: Block) -> None:
        value = block.value("type")
        match = re.match(r"AMAZON_(\w+)", value.text) if value is not None else None
        service = catalogue().boto_like(match[1].lower()) if match else None
        if service and value is not None:
            self._integration(file, service, value.line, "integration.appsync")

    def _integration(self, file: TerraformFile, service: str, line: int, rule: str) -> None:
        self.facts[file.file].add(service, Role.INTEGRATION, rule, line, file.line(line), User.APPLICATION)

    def _pull(self, folder: Folder, file: TerraformFile, value: Value | None) -> None:
        if value is None:
            return
        text = (
            "".join(v.text if v.kind == "text" else "." for _, v in value.items)
            if value.kind == "template"
            else value.text
        )
        if value.kind in {"text", "template"} and text:
            path = posixpath.normpath(posixpath.join(folder.path, text.lstrip("/")))
            self.facts[file.file].runs.append(("lambda", path))

    def _statement(self, file: TerraformFile, statement: Block, scopes: list[Scope]) -> None:
        effect = statement.value("effect")
        if effect is not None and effect.text == "Deny":
            return
        resources = self._texts(statement.value("resources"), scopes)
        actions = statement.value("actions")
        if actions is not None:
            self._grants(file, actions, resources, scopes)

    def _grants(self, file: TerraformFile, actions: Value, resources: list[str], scopes: list[Scope]) -> None:
        for item in actions.walk():
            text = resolve(item, scopes[0]) if item.kind in {"text", "ref", "template"} else None
            if text and is_action(text):
                for resource in resources or [""]:
                    add_grant(self.facts[file.file], text, resource, item.line, file.line(item.line))

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
        add_managed(facts, text, item.line, file.line(item.line))
        add_policy_text(facts, text, item.line)

    def _object(self, folder: Folder, file: TerraformFile, item: Value, scopes: list[Scope]) -> None:
        action = item.get("Action")
        effect = item.get("Effect")
        if action is not None and (effect is None or effect.text != "Deny"):
            self._grants(file, action, self._texts(item.get("Resource"), scopes), scopes)
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
        parts = [p.split("[")[0] for p in path.split(".")]
        if depth > MAX_DEPTH or len(parts) < 2:
            return ""
        if parts[0] == "data" and len(parts) > 2:
            return ".".join(parts[1:3])
        if parts[0] == "local":
            value = member(folder.locals.get(parts[1]), parts[2:]) or folder.locals.get(parts[1])
            return self._target(folder, _reference(value), depth + 1)
        if parts[0] == "module" and len(parts) > 2:
            for child in self.folders.values():
                if any(c is folder and b.labels[:1] == (parts[1],) for c, b in child.calls):
                    for _, block in child.blocks:
                        if block.kind == "output" and block.labels[:1] == (parts[2],) and block.value("value"):
                            return self._target(child, _reference(block.value("value")), depth + 1)
            return ""
        if parts[0] == "var":
            for caller, block in folder.calls:
                if inner := _reference(block.value(parts[1])):
                    return self._target(caller, inner, depth + 1)
            return ""
        return ".".join(parts[:2])


def _reference(value: Value | None) -> str:
    """The first reference in a value; empty: it has none."""
    return next((each.text for each in value.walk() if each.kind == "ref"), "") if value is not None else ""
