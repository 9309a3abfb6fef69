"""`lockhouse access` and `lockhouse team`: principals of every kind, what they may do, and who is in which team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import KeyName, On, Rights, Roles, grants, note_unknown_places
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short
from lockhouse.core.grants import ROLE_RIGHTS
from lockhouse.core.principals import Kind
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockhouse.protocols.api.wire_access import GrantDocument, LinkAsk, Members, PrincipalDocument

access = typer.Typer(no_args_is_help=True, help="Who may do what: users, teams, service accounts, CI jobs, roles.")
teams = typer.Typer(no_args_is_help=True, help="Who is in which team. A member has the grants of its teams.")

_CREATED = (Kind.USER, Kind.TEAM, Kind.SERVICE_ACCOUNT, Kind.CI_JOB)
Team = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name.", show_default=False)]
Members_ = Annotated[list[str], typer.Argument(metavar="NAME...", help="Who.", show_default=False)]
Issuer = Annotated[str, typer.Option("--issuer", help="The identity provider, as its tokens name it (`iss`).")]
Subject = Annotated[str, typer.Option("--subject", help="The user (`sub`), or the group of a team, at that provider.")]
Exactly = Annotated[bool, typer.Option("--exactly", help="What --on names is a whole key, not a prefix.")]
Email = Annotated[str, typer.Option("--email", help="For people to read; it decides nothing.")]


@command(access, "create")
def create(
    run: Run,
    *,
    name: Annotated[str, typer.Option("--name", help="A name of its own.", show_default=False)],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help=f"One of: {', '.join(_CREATED)}.")],
    namespace: Annotated[str, typer.Option("--namespace", help="Teams: the organization it belongs to.")] = "",
    issuer: Issuer = "",
    subject: Subject = "",
    email: Email = "",
    rights: Rights = [],  # noqa: B006 - Typer copies it
    role: Roles = [],  # noqa: B006 - as above
    on: On = [],  # noqa: B006 - as above
) -> None:
    """Create a user, a team, a service account or a CI job, without any credential.

    A user signs in; the others are given tokens (`lockhouse token create --name NAME`). A team of an organization is
    named NAMESPACE:NAME.

    Example: lockhouse access create --kind team --name platform --role operator --on terraform-state
    """
    from lockhouse.protocols.api.wire_access import PrincipalAsk

    if kind not in _CREATED:
        raise RequestInvalid(
            f"cannot create a principal of the kind {kind!r}", hint=f"--kind is one of: {', '.join(_CREATED)}"
        )
    asked = PrincipalAsk(
        name=f"{namespace}:{name}" if namespace and not name.startswith(f"{namespace}:") else name,
        kind=Kind(kind),
        grants=tuple(grants(rights, on, role)),
        link=_link(issuer, subject, email),
        namespace=namespace,
    )
    found = run.client.create_principal(asked)
    run.show(found, principal_facts(found))
    note_unknown_places(run, asked.grants)


@command(access, "list")
def list_all(run: Run, *, kind: Annotated[str, typer.Option("--kind", help="Only this kind.")] = "") -> None:
    """List principals, their own grants and when they were last seen.

    Example: lockhouse access list --kind team
    """
    found = run.client.principals(kind)
    run.show(found, principal_rows(found, "nobody"))


@command(access, "show")
def show(run: Run, name: KeyName) -> None:
    """Show one principal: its grants, its teams, and what it may do in the end.

    Example: lockhouse access show platform
    """
    found = run.client.key(name)
    run.show(found, principal_facts(found))


@command(access, "grant")
def grant(
    run: Run,
    name: KeyName,
    *,
    rights: Rights = [],  # noqa: B006 - as above
    role: Roles = [],  # noqa: B006 - as above
    on: On,
    exactly: Exactly = False,
) -> None:
    """Add rights to a principal of any kind; to a team, for all its members.

    Example: lockhouse access grant platform --role operator --on terraform-state
    """
    asked = grants(rights, on, role, exactly=exactly)
    found = run.client.grant(name, asked)
    run.show(found, principal_facts(found))
    note_unknown_places(run, asked)


@command(access, "ungrant")
def ungrant(
    run: Run,
    name: KeyName,
    *,
    rights: Rights = [],  # noqa: B006 - as above
    role: Roles = [],  # noqa: B006 - as above
    on: On,
    exactly: Exactly = False,
) -> None:
    """Take rights away, on exactly the places where they were granted.

    Example: lockhouse access ungrant platform --rights force-unlock --on terraform-state
    """
    found = run.client.ungrant(name, grants(rights, on, role, exactly=exactly))
    run.show(found, principal_facts(found))


@command(access, "link")
def link(run: Run, name: KeyName, *, issuer: Issuer = "", subject: Subject = "", email: Email = "") -> None:
    """Say who a user is (or which group a team is) at an identity provider; without options, nobody there.

    Example: lockhouse access link platform --issuer https://login.example.com --subject group-1234
    """
    from lockhouse.protocols.api.wire_access import LinkAsk

    found = run.client.link(name, _link(issuer, subject, email) or LinkAsk())
    run.show(found, principal_facts(found))


@command(access, "revoke")
def revoke(run: Run, name: KeyName) -> None:
    """End a principal of any kind with all its credentials and memberships, at once and for good.

    A user who was revoked cannot sign in again until somebody creates a user with the same link.

    Example: lockhouse access revoke ann@example.com
    """
    run.client.revoke_key(name)
    run.done(name=name, text=f"revoked {name}")


@command(access, "roles", connects=False)
def roles(run: Run) -> None:
    """List the roles: named sets of rights for --role.

    Example: lockhouse access roles
    """
    found = {str(role): [str(right) for right in rights] for role, rights in ROLE_RIGHTS.items()}
    run.show(
        found,
        columns(("role", "rights"), [(role, ", ".join(its)) for role, its in found.items()], "none", prose=("rights",)),
    )


@command(teams, "members")
def members(run: Run, team: Team) -> None:
    """List who is in a team, and whether a person or a directory put them there.

    Example: lockhouse team members platform
    """
    _show_members(run, run.client.members(team))


@command(teams, "add")
def add(run: Run, team: Team, names: Members_) -> None:
    """Put principals into a team. They have its grants from their next request on.

    Example: lockhouse team add platform ann@example.com ci
    """
    for name in names:
        found = run.client.add_member(team, name)
    _show_members(run, found)


@command(teams, "remove")
def remove(run: Run, team: Team, names: Members_) -> None:
    """Take principals out of a team. Whom a directory puts there comes back at the next sign-in.

    Example: lockhouse team remove platform ann@example.com
    """
    for name in names:
        found = run.client.remove_member(team, name)
    _show_members(run, found)


@command(teams, "set")
def set_teams(
    run: Run, name: KeyName, names: Annotated[list[str] | None, typer.Argument(metavar="TEAM...")] = None
) -> None:
    """Put one principal into exactly these teams; what a directory gave stays.

    Example: lockhouse team set ann@example.com platform
    """
    found = run.client.set_teams(name, names or [])
    run.show(found, principal_facts(found))


def _link(issuer: str, subject: str, email: str) -> LinkAsk | None:
    from lockhouse.protocols.api.wire_access import LinkAsk

    return LinkAsk(issuer=issuer, subject=subject, email=email) if issuer or subject else None


def _show_members(run: Run, found: Members) -> None:
    rows = [(each.name, each.kind, short(each.since), each.source) for each in found.members]
    run.show(
        found, columns(("name", "kind", "since", "put there by"), rows, "no members", least=("since", "put there by"))
    )


def shown_grants(given: Sequence[GrantDocument]) -> str:
    """Grants in one line; a role in place of its rights."""
    return "; ".join(
        f"{each.role or ','.join(each.rights)} on {each.namespace}{'/' if each.prefix else ''}{each.prefix}"
        f"{' exactly' if each.exact else ''}"
        for each in given
    )


def principal_rows(found: Sequence[PrincipalDocument], nothing: str) -> str:
    """A table of principals."""
    rows = [
        (
            each.name,
            each.kind,
            short(each.created_at),
            short(max((one.last_used_at for one in each.credentials), default="")),
            shown_grants(each.grants),
            ", ".join(each.teams),
        )
        for each in found
    ]
    titles = ("name", "kind", "created", "last used", "grants", "teams")
    return columns(titles, rows, nothing, least=("created", "teams", "last used", "kind"), prose=("grants", "teams"))


def principal_facts(found: PrincipalDocument) -> str:
    """All about one principal."""
    link = found.link
    return facts(
        (
            ("name", found.name),
            ("kind", found.kind),
            ("created", short(found.created_at)),
            ("signs in as", f"{link.subject} of {link.issuer}" if link else ""),
            ("email", link.email if link else ""),
            ("grants", shown_grants(found.grants) or "none"),
            ("teams", ", ".join(found.teams)),
            ("in the end", shown_grants(found.effective) if found.teams else ""),
            ("assumed by", ", ".join(found.trusted)),
            ("credentials", ", ".join(each.id for each in found.credentials)),
        )
    )


def register(app: typer.Typer) -> None:
    app.add_typer(access, name="access")
    app.add_typer(teams, name="team")
