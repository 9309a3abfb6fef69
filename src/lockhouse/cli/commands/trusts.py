"""`lockhouse trust`: CI jobs that come with an ID token of their CI system instead of a stored secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import KeyName, On, Rights, Roles, grants, note_unknown_places
from lockhouse.cli.commands.access import shown_grants
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short
from lockhouse.core.federation import GITHUB, GITLAB
from lockhouse.core.principals import Kind
from lockhouse.errors import PrincipalNotFound, RequestInvalid

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire_access import PrincipalDocument

trusts = typer.Typer(no_args_is_help=True, help="CI jobs that need no stored secret: whose ID tokens are believed.")
_KNOWN = {"github": GITHUB, "gitlab": GITLAB}


@command(trusts, "create")
def create(
    run: Run,
    name: KeyName,
    *,
    issuer: Annotated[str, typer.Option("--issuer", help="github, gitlab, or the URL of a listed issuer.")],
    audience: Annotated[str, typer.Option("--audience", help="The audience for which the job asks its token.")],
    claim: Annotated[
        list[str], typer.Option("--claim", metavar="NAME=VALUE", help="A claim that must be equal; give all of them.")
    ],
    minutes: Annotated[int, typer.Option("--minutes", help="How long a credential lasts: 15 to 60.")] = 60,
    proposals: Annotated[
        bool, typer.Option("--pull-requests", help="Also believe runs for pull requests and merge requests.")
    ] = False,
    rights: Rights = [],  # noqa: B006 - Typer copies it
    role: Roles = [],  # noqa: B006 - as above
    on: On = [],  # noqa: B006 - as above
) -> None:
    """Create a CI job, say which runs are it, and what they may do.

    Example: lockhouse trust create deploy-app --issuer github --audience https://states.example.com
    --claim repository_id=123 --claim repository_owner_id=45 --claim ref=refs/heads/main --role applier --on acme/app/
    """
    from lockhouse.protocols.api.wire_access import PrincipalAsk, TrustPolicy

    claims = dict(_pair(each) for each in claim)
    if len(claims) != len(claim):
        raise RequestInvalid(
            f"cannot trust the claim {_twice(claim)} with two values: create two CI jobs",
            hint="lockhouse trust create once for each value",
            argument="claim",
        )
    if not 15 <= minutes <= 60:
        raise RequestInvalid(f"cannot use {minutes} minutes: 15 to 60", hint="--minutes 60", argument="minutes")
    policy = TrustPolicy(
        issuer=_KNOWN.get(issuer, issuer), audience=audience, claims=claims, seconds=minutes * 60, proposals=proposals
    )
    given = tuple(grants(rights, on, role))
    found = run.client.create_principal(PrincipalAsk(name=name, kind=Kind.CI_JOB, grants=given, trust=policy))
    run.show(found, _facts(found))
    note_unknown_places(run, given)


@command(trusts, "list")
def list_all(run: Run) -> None:
    """List the CI jobs that have a trust policy.

    Example: lockhouse trust list
    """
    found = [each for each in run.client.principals(Kind.CI_JOB) if each.trust is not None]
    rows = [
        (
            each.name,
            each.trust.issuer,
            " ".join(f"{name}={value}" for name, value in sorted(each.trust.claims.items())),
            shown_grants(each.grants),
        )
        for each in found
        if each.trust is not None
    ]
    run.show(
        found, columns(("name", "issuer", "claims", "grants"), rows, "no trust policies", prose=("claims", "grants"))
    )


@command(trusts, "show")
def show(run: Run, name: KeyName) -> None:
    """Show a CI job: whose tokens it believes, its role, and the runs that it gave credentials.

    Example: lockhouse trust show deploy-app
    """
    found = run.client.key(name)
    if found.trust is None:
        raise _missing(name)
    run.show(found, _facts(found))


@command(trusts, "delete")
def delete(run: Run, name: KeyName) -> None:
    """End a CI job with all credentials of its runs, at once. To change a policy, delete it and create it anew.

    Example: lockhouse trust delete deploy-app
    """
    if run.client.key(name).trust is None:
        raise _missing(name)
    run.client.revoke_key(name)
    run.done(name=name, text=f"deleted {name}")


def _twice(claims: list[str]) -> str:
    names = [each.partition("=")[0] for each in claims]
    return next(name for name in names if names.count(name) > 1)


def _missing(name: str) -> PrincipalNotFound:
    return PrincipalNotFound(f"cannot find a trust policy named {name!r}", hint="lockhouse trust list")


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise RequestInvalid(
            f"cannot use --claim {text!r}: it must be NAME=VALUE",
            hint="for example: --claim repository_id=123",
            argument="claim",
        )
    return name, value


def _facts(found: PrincipalDocument) -> str:
    policy = found.trust
    assert policy is not None
    runs = [f"{each.description} ({short(each.created_at)})" for each in found.credentials]
    return facts(
        (
            ("name", found.name),
            ("role", policy.role_arn),
            ("issuer", policy.issuer),
            ("audience", policy.audience),
            *(("claim", f"{name} = {value}") for name, value in sorted(policy.claims.items())),
            ("lasts", f"{policy.seconds // 60} minutes"),
            ("pull requests", "believed" if policy.proposals else "refused"),
            ("grants", shown_grants(found.grants) or "none"),
            ("runs", ", ".join(runs)),
        )
    )


def register(app: typer.Typer) -> None:
    app.add_typer(trusts, name="trust")
