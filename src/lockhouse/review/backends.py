"""Where Terraform keeps its state and its lock, in every form that people write it.

`terraform { backend }` and `cloud` blocks, Terragrunt's `remote_state` and `generate`, `*.tfbackend` files,
`-backend-config` flags, heredocs, `terraform_remote_state` data sources, and CDK for Terraform. Each gives a Backend
value and the facts it proves; the user is always Terraform tooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockhouse.review.hcl import Block, Value, plain_text, read_hcl
from lockhouse.review.model import PURPOSE_LOCK, PURPOSE_STATE, Backend, FileFacts, Role, TableName, User
from lockhouse.review.redaction import redact

Setting = tuple[str, str, int]
Resolve = Callable[[Value], str | None]

STORES = {
    "gcs": "gcp/storage",
    "azurerm": "azure/storage",
    "remote": "hcp-terraform",
    "cloud": "hcp-terraform",
    "pg": "postgresql",
    "consul": "consul",
}


def _text(value: Value) -> str | None:
    return plain_text(value) if value.kind in {"text", "template"} else None


def add_backend(facts: FileFacts, kind: str, form: str, line: int, settings: Sequence[Setting], snippet: str) -> None:
    """One backend and what it proves. `settings` hold resolved text; an unresolved value is given as `?`."""
    facts.backends.append(Backend(kind, form, facts.file, line, tuple(settings)))
    values = {key: (value, at) for key, value, at in settings}

    def fact(service: str, role: Role, at: int, name: str, purpose: str, rule: str) -> None:
        facts.add(service, role, rule, at, snippet, User.TOOLING, name="" if name == "?" else name, purpose=purpose)

    rule = f"terraform.backend.{form}"
    if kind == "s3":
        bucket, at = values.get("bucket", ("", line))
        if form != "flag" or "bucket" in values or "key" in values:
            fact("aws/s3", Role.BACKEND, at, bucket, PURPOSE_STATE, rule)
            if bucket not in {"", "?"}:
                facts.tables.append(TableName("bucket", bucket, "backend", facts.file, at))
        table, at = values.get("dynamodb_table", values.get("lock_table", ("", line)))
        if table:
            fact("aws/dynamodb", Role.LOCK, at, table, PURPOSE_LOCK, rule)
            if table != "?":
                facts.tables.append(TableName("table", table, "backend", facts.file, at))
        key, at = values.get("kms_key_id", ("", line))
        if key:
            fact("aws/kms", Role.BACKEND, at, "", "state encryption", rule)
    elif kind in STORES:
        fact(STORES[kind], Role.BACKEND, line, "", PURPOSE_STATE, rule)


def _settings(block: Block, resolve: Resolve) -> list[Setting]:
    return [(a.name, _or_unknown(resolve(a.value)), a.line) for a in block.attributes]


def _or_unknown(text: str | None) -> str:
    return "?" if text is None else text


def object_settings(value: Value, resolve: Resolve) -> list[Setting]:
    """Settings of a `config = {…}` object; `merge({…}, {…})` is read through."""
    out: list[Setting] = []
    for item in value.walk():
        if item.kind == "object":
            out += [(k, _or_unknown(resolve(v)), v.line) for k, v in item.items if k]
    return out


def read_backends(
    facts: FileFacts, body: Block, lines: Sequence[str], first_line: int, *, form: str = "", resolve: Resolve = _text
) -> None:
    """Backends at the top level of an HCL body. `lines` are the text that `first_line` is the first line of."""

    def snippet(line: int) -> str:
        index = line - first_line
        return lines[index] if 0 <= index < len(lines) else ""

    for block in body.blocks:
        if block.kind == "terraform":
            for backend in block.children("backend"):
                kind = backend.labels[0] if backend.labels else ""
                _each_line(facts, kind, form or "block", backend.line, _settings(backend, resolve), snippet)
            for cloud in block.children("cloud"):
                _each_line(facts, "cloud", form or "block", cloud.line, _settings(cloud, resolve), snippet)
        elif block.kind == "remote_state":
            named = block.value("backend")
            config = block.value("config")
            settings = object_settings(config, resolve) if config is not None else []
            _each_line(
                facts, (resolve(named) if named else None) or "", form or "terragrunt", block.line, settings, snippet
            )
        elif block.kind == "data" and block.labels[:1] == ("terraform_remote_state",):
            named = block.value("backend")
            config = block.value("config")
            settings = object_settings(config, resolve) if config is not None else []
            settings += [s for inner in block.children("config") for s in _settings(inner, resolve)]
            _each_line(facts, (resolve(named) if named else None) or "", form or "data", block.line, settings, snippet)
        elif block.kind == "generate":
            contents = block.value("contents")
            text = plain_text(contents) if contents is not None else ""
            if contents is not None and "backend" in text:
                inner = read_hcl(text.encode(), contents.line)
                read_backends(facts, inner.body, text.split("\n"), contents.line, form="generated", resolve=resolve)


def _each_line(
    facts: FileFacts, kind: str, form: str, line: int, settings: list[Setting], snippet: Callable[[int], str]
) -> None:
    first = len(facts.facts)
    add_backend(facts, kind, form, line, settings, "")
    for index in range(first, len(facts.facts)):
        fact = facts.facts[index]
        facts.facts[index] = fact._replace(snippet=redact(snippet(fact.line)))
