"""What shell text does: AWS and other command lines, Terraform with backend settings, and files it writes by heredoc.

Used for scripts, Makefiles, Dockerfiles, and the steps of workflows. It reads logical lines (continuations joined,
comments and printed text set aside), replaces variables that the same text assigns, and runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockhouse.review.backends import add_backend, read_backends
from lockhouse.review.catalogue import catalogue
from lockhouse.review.hcl import read_hcl
from lockhouse.review.model import PURPOSE_LOCK, Certainty, FileFacts, Role, TableName, User
from lockhouse.review.policies import add_policy_text

_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][\w]*)\1")
_AWS = re.compile(
    r"(?:^|[\s;&|($`\"'])(?:aws|awslocal)(?:\.exe)?((?:\s+--[a-z-]+(?:[= ](?!-)[^\s;|&]+)?)*)\s+([a-z][a-z0-9-]+)(?:\s+([a-z][a-z0-9-]*))?"  # noqa: E501 reads better whole
)
_BACKEND = re.compile(r"-backend-config[= ]+([\"']?)([^\s\"']+?)\s*=\s*(?:\\?[\"'])?([^\s\"'\\]+)")
_ASSIGN = re.compile(
    r"^\s*(?:export\s+|readonly\s+|local\s+|declare\s+(?:-\w+\s+)?|set\s+|\$)?([A-Za-z_]\w*)\s*[:?]?=\s*[\"']?([^\"'\s;$`()]+)[\"']?\s*;?\s*$"
)
_DEFAULT = re.compile(r"^\s*(?:export\s+|readonly\s+|local\s+)?([A-Za-z_]\w*)=\"?\$\{[\w]+:?-([^}\"]+)\}\"?")
_PRINTED = re.compile(r"^\s*(?:@?\s*)(?:echo|printf|log|info|warn|print|Write-Host|Write-Output|cat <<|: )\b")
_CLI = re.compile(r"(?:^|[\s;&|($`])([a-z][a-z0-9_-]*)\s+[a-z-]")
_URL = re.compile(r"[a-z0-9+]+://[^\s\"'`<>)]+", re.IGNORECASE)
_MAKES = re.compile(r"^(create|mb$|put-bucket|update-continuous|tag|enable|wait$)")
_CREATES = re.compile(r"^(create-|mb$|run-instances|put-bucket|put-public|update-continuous)")
_NAMES = re.compile(r"--(table-name|bucket|queue-name|name|bucket-name)[= ]+[\"']?([\w.-]+)|s3://([\w.-]+)")


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    text: str
    heredoc: str = ""
    heredoc_line: int = 0


def logical_lines(text: str, first_line: int = 1) -> tuple[list[Line], list[tuple[int, str]]]:
    """Logical lines with their first number, and comments as (line, text). Heredoc bodies hang on their line."""
    raw = text.split("\n")
    out: list[Line] = []
    comments: list[tuple[int, str]] = []
    index = 0
    while index < len(raw):
        number = first_line + index
        parts: list[str] = []
        while index < len(raw):
            code, comment = _split_comment(raw[index])
            if comment:
                comments.append((first_line + index, comment))
            index += 1
            if code.rstrip().endswith(("\\", "`", "^")) and not comment and len(parts) < 200:
                parts.append(code.rstrip()[:-1])
                continue
            if comment and not code.strip() and parts:
                continue
            parts.append(code)
            break
        joined = " ".join(parts)
        heredoc = _HEREDOC.search(joined)
        if heredoc and index < len(raw):
            body = []
            start = index
            while index < len(raw) and raw[index].strip() != heredoc[2]:
                body.append(raw[index])
                index += 1
            index += 1
            out.append(Line(number, joined, "\n".join(body), first_line + start))
        elif joined.strip():
            out.append(Line(number, joined))
    return out, comments


def _split_comment(line: str) -> tuple[str, str]:
    quote = ""
    for position, char in enumerate(line[:4000]):
        if quote:
            if char == quote and line[position - 1] != "\\":
                quote = ""
        elif char in "\"'":
            quote = char
        elif char == "#" and (position == 0 or line[position - 1] in " \t;"):
            return line[:position], line[position:]
        elif position == 0 and re.match(r"(?i)(rem|::)\s", line):
            return "", line
    return line, ""


def read_shell(facts: FileFacts, text: str, first_line: int, user: User, *, role_user: bool = False) -> None:
    """Adds what `text` does to `facts`. `user` is who runs it; with `role_user` that holds for everything but Terraform
    itself (a start script of an image is the application even where it makes things).
    """
    lines, comments = logical_lines(text, first_line)
    variables: dict[str, str] = {}
    whole = "\n".join(line.text for line in lines)
    locks = re.search(r"AttributeName=LockID|\"LockID\"|LockID", whole) is not None and "create-table" in whole
    for line in lines:
        assigned = _ASSIGN.match(line.text) or _DEFAULT.match(line.text)
        if assigned:
            variables[assigned[1]] = assigned[2]
        code = _substitute(line.text, variables)
        if line.heredoc:
            _heredoc(facts, line, variables)
        if _PRINTED.match(code):
            continue
        _aws(facts, line, code, user, locks=locks, role_user=role_user)
        _terraform(facts, line, code)
        _others(facts, line, code, user)
    for number, comment in comments:
        comment_facts(facts, number, comment)


def _substitute(text: str, variables: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2], match[0])

    return re.sub(r"\$\{([A-Za-z_]\w*)(?::?-[^}]*)?\}|\$\(?([A-Za-z_]\w*)\)?", value, text) if variables else text


def _aws(facts: FileFacts, line: Line, code: str, user: User, *, locks: bool, role_user: bool) -> None:
    for match in _AWS.finditer(code):
        service = catalogue().boto_like(
            {"s3api": "s3", "configure": "", "deploy": "codedeploy"}.get(match[2], match[2]) or "-"
        )
        if not service:
            continue
        command = match[3] or ""
        tail = code[match.end() :]
        if "awslocal" in match[0] or re.search(
            r"--endpoint-url[= ]+\S*(localhost|127\.0\.0\.1|localstack|dynamodb-local)", code
        ):
            _fact(facts, line, service, Role.EMULATOR, "command.emulator", None)
            continue
        named = _NAMES.search(tail.split(" aws ")[0])
        name = (named[2] or named[3]) if named else ""
        who, role, purpose = user, Role.COMMAND, ""
        if service == "aws/dynamodb" and (
            "LockID" in tail or (locks and command in {"create-table", "wait", "update-continuous-backups"})
        ):
            who, role, purpose = User.TOOLING, Role.LOCK, PURPOSE_LOCK
            if name and command == "create-table":
                facts.tables.append(TableName("table", name, "script", facts.file, line.number))
        elif (
            locks
            and service in {"aws/s3", "aws/kms", "aws/sts", "aws/iam"}
            and (_MAKES.match(command) or command.startswith(("put-", "head-", "get-")))
        ):
            who = User.TOOLING
        elif _CREATES.match(command) and not role_user and not command.startswith("create-invalidation"):
            who = User.PLATFORM
        _fact(facts, line, service, role, "command.aws", who, name=name, purpose=purpose, operation=command)


def _terraform(facts: FileFacts, line: Line, code: str) -> None:
    settings = [(m[2], m[3].rstrip("\"'"), line.number) for m in _BACKEND.finditer(code)]
    if settings:
        add_backend(
            facts,
            "s3" if {"bucket", "dynamodb_table"} & {s[0] for s in settings} else "",
            "flag",
            line.number,
            settings,
            line.text,
        )


def _heredoc(facts: FileFacts, line: Line, variables: dict[str, str]) -> None:
    body = _substitute(line.heredoc, variables)
    if "backend" in body or "remote_state" in body or "dynamodb_table" in body:
        parsed = read_hcl(body.encode(), line.heredoc_line)
        read_backends(facts, parsed.body, body.split("\n"), line.heredoc_line, form="heredoc")
        if re.search(r">\s*\S*\.tfbackend|backend\.(conf|hcl)", line.text):
            settings = [(a.name, a.value.text, a.line) for a in parsed.body.attributes if a.value.kind == "text"]
            add_backend(facts, "s3", "heredoc", line.heredoc_line, settings, "")
    add_policy_text(facts, body, line.heredoc_line)


def _others(facts: FileFacts, line: Line, code: str, user: User) -> None:
    known = catalogue()
    seen: set[str] = set()
    for match in _CLI.finditer(" " + code):
        service = known.cli(match[1])
        if service and service not in seen:
            seen.add(service)
            _fact(facts, line, service, Role.COMMAND, "command.cli", user)
    for match in _URL.finditer(code):
        service = url_service(match[0])
        if service and service not in seen and not (service == "aws/s3" and match[0].startswith("s3://")):
            seen.add(service)
            _fact(facts, line, service, Role.HTTP, "http.host", user, certainty=Certainty.PROBABLE)


def url_service(url: str) -> str | None:
    """The service of a URL by its scheme or host, documentation hosts aside."""
    from lockhouse.review.sdk import host_use  # noqa: PLC0415 - the two readers know each other's text rules

    scheme, _, rest = url.partition("://")
    if scheme.lower() not in {"http", "https"}:
        return catalogue().scheme(scheme) if rest.strip("\"'") else None
    found = host_use(url)
    return found[0] if found else None


def comment_facts(facts: FileFacts, number: int, text: str) -> None:
    """Services that a comment names, one fact each."""
    from lockhouse.review.sdk import services_in_text  # noqa: PLC0415 - as above

    names = set(services_in_text(text))
    for match in re.finditer(r"dynamodb_table|[A-Za-z][A-Za-z0-9]+", text):
        service = catalogue().words.get(match[0]) or ("aws/dynamodb" if match[0] == "dynamodb_table" else None)
        if service:
            names.add(service)
    image = re.search(r"image:\s*[\"']?([\w./:@-]+)", text)
    if image and (found := catalogue().image(image[1])):
        names.add(found[0])
    for service in sorted(names):
        if sum(1 for f in facts.facts if f.service == service and f.role is Role.COMMENT) < 8:
            facts.add(service, Role.COMMENT, "comment", number, text)


def _fact(
    facts: FileFacts,
    line: Line,
    service: str,
    role: Role,
    rule: str,
    user: User | None,
    *,
    name: str = "",
    purpose: str = "",
    operation: str = "",
    certainty: Certainty = Certainty.CERTAIN,
) -> None:
    facts.add(
        service,
        role,
        rule,
        line.number,
        line.text,
        user,
        name=name,
        purpose=purpose,
        certainty=certainty,
        operations=(operation,) if operation else (),
    )
