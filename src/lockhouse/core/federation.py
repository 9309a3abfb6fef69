"""Which runs of a CI system a trust policy believes, and what is kept of a run. Pure.

A policy compares claims exactly: no prefixes, no patterns. It must name claims that cannot be given to somebody else:
GitHub's repository_id and repository_owner_id, GitLab's project_id; names of repositories can be registered anew after
a rename. Runs for proposed changes are refused unless the policy says otherwise, since whoever proposes writes the job.
Sources: GitHub "OpenID Connect reference", GitLab "ID token authentication" (claims of both).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from lockhouse.errors import AccessDenied, RequestInvalid

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
MIN_SECONDS = 15 * 60
MAX_SECONDS = 60 * 60
MAX_CLAIMS = 20
MAX_VALUE = 500
_FIELD = re.compile(r"\{([A-Za-z0-9_:./-]{1,100})\}")
_SESSION = re.compile(r"[^A-Za-z0-9_+=,.@-]")
_KEPT = (
    "sub", "repository", "repository_id", "ref", "sha", "environment", "workflow_ref", "run_id", "run_attempt", "job",
    "actor", "event_name", "project_path", "project_id", "pipeline_id", "job_id", "user_login", "pipeline_source",
)  # fmt: skip


class Trust(msgspec.Struct, frozen=True):
    """Whose tokens give the credentials of a CI job."""

    issuer: str
    """Exactly as the tokens name it."""
    audience: str
    claims: dict[str, str]
    """Claim to value; all must be equal."""
    seconds: int = MAX_SECONDS
    """How long a credential lasts, at most."""
    proposals: bool = False
    """Whether runs for pull requests and merge requests are believed."""


class Run(msgspec.Struct, frozen=True):
    """The run that a credential was given to."""

    name: str
    """Its session name."""
    link: str
    """Where its job can be seen; empty: not known."""
    peer: str
    """The address that asked."""
    claims: dict[str, str]


def check(trust: Trust) -> None:
    """RequestInvalid (`request.invalid`) for a policy that would believe more than it seems to."""
    named = trust.claims
    wrong = [
        name for name, value in named.items() if not name or not value or len(name) > 100 or len(value) > MAX_VALUE
    ]
    if wrong or not 0 < len(named) <= MAX_CLAIMS or any("*" in value for value in named.values()):
        raise RequestInvalid(
            f"cannot trust this: name 1 to {MAX_CLAIMS} claims with whole values, without wildcards",
            hint="for example: --claim repository_id=123 --claim repository_owner_id=45 --claim ref=refs/heads/main",
            argument="claims",
        )
    if not MIN_SECONDS <= trust.seconds <= MAX_SECONDS:
        raise RequestInvalid(
            f"cannot trust for {trust.seconds} seconds: 15 to 60 minutes", hint="--minutes 60", argument="seconds"
        )
    if not 0 < len(trust.audience) <= MAX_VALUE:
        raise RequestInvalid(
            "cannot trust without an audience",
            hint="--audience URL: what the job asks its token for",
            argument="audience",
        )
    fixed: tuple[str, ...] = ()
    if trust.issuer == GITHUB or "repository_id" in named:
        fixed = ("repository_id", "repository_owner_id")
    elif trust.issuer == GITLAB or "project_id" in named:
        fixed = ("project_id",)
    missing = [name for name in fixed if name not in named]
    if missing or (fixed and not {"ref", "environment"} & named.keys()):
        raise RequestInvalid(
            f"cannot trust this: {' and '.join(fixed)} are needed, and ref or environment",
            hint="names of repositories can be taken over; their ids cannot",
            argument="claims",
        )


def refuse_others(trust: Trust, claims: Mapping[str, object]) -> None:
    """AccessDenied (`access.denied`) unless the claims (of a proved token) are those of the policy. What differs is
    named, never its value."""
    for name, wanted in trust.claims.items():
        if text(claims.get(name)) != wanted:
            raise AccessDenied(
                f"cannot give credentials: the token's {name} is another one",
                hint="compare with what the trust policy says: lockhouse trust list",
                right="exchange",
            )
    event = text(claims.get("event_name"))
    source = text(claims.get("pipeline_source"))
    if not trust.proposals and (
        event.startswith("pull_request") or source.endswith(("merge_request_event", "pull_request_event"))
    ):
        raise AccessDenied(
            "cannot give credentials to a run for a proposed change",
            hint="an administrator can make a CI job that takes them (--pull-requests): lockhouse trust create",
            right="exchange",
        )


def run_of(claims: Mapping[str, object], peer: str, template: str = "") -> Run:
    """What is kept of a run. `template`: of the address of its job, for an issuer whose form is not known here."""
    kept = {name: text(claims.get(name))[:MAX_VALUE] for name in _KEPT if text(claims.get(name))}
    number = kept.get("run_id") or kept.get("job_id") or kept.get("pipeline_id") or kept.get("sub", "")
    attempt = kept.get("run_attempt", "")
    name = _SESSION.sub("-", f"{number}.{attempt}" if attempt else number)[:64]
    return Run(name if len(name) > 1 else f"run-{name}", _link(claims, kept, template), peer, kept)


def text(value: object) -> str:
    """A claim as text: numbers and truth values as JSON writes them; anything else is empty and equals nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) and value.isprintable() else ""


def web_address(issuer: str) -> str:
    """Where people see what an issuer of GitHub's kind runs. GitHub Enterprise Server signs as
    `https://HOST/_services/token`, data residency as `https://token.actions.NAME.ghe.com`, an enterprise of its own as
    GitHub's issuer with its name behind."""
    if issuer == GITHUB or issuer.startswith(f"{GITHUB}/"):
        return "https://github.com"
    residency = re.fullmatch(r"https://token\.actions\.([a-z0-9-]+\.ghe\.com)(/.*)?", issuer)
    return f"https://{residency[1]}" if residency else issuer.removesuffix("/_services/token")


def _link(claims: Mapping[str, object], kept: Mapping[str, str], template: str) -> str:
    issuer = text(claims.get("iss"))
    if template:
        needed = _FIELD.findall(template)
        if not all(text(claims.get(name)) for name in needed):
            return ""
        return _FIELD.sub(lambda found: quote(text(claims[found[1]])[:MAX_VALUE], safe="/"), template)
    if "run_id" in kept and re.fullmatch(r"[\w.-]+/[\w.-]+", kept.get("repository", ""), re.ASCII):
        link = f"{web_address(issuer)}/{kept['repository']}/actions/runs/{kept['run_id']}"
        return f"{link}/attempts/{kept['run_attempt']}" if "run_attempt" in kept else link
    if "job_id" in kept and re.fullmatch(r"[\w./-]+", kept.get("project_path", ""), re.ASCII):
        return f"{issuer}/{kept['project_path']}/-/jobs/{kept['job_id']}"
    return ""
