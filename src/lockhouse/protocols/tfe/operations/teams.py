"""Teams of an organization, their members, tokens and access to workspaces.

A team here is a principal `ORGANIZATION:TEAM`; access to a workspace is a grant on exactly its state. What HCP has and
this server cannot honour (settings about runs, variables, policies, agents) is refused with 422 instead of being taken
and not done. Source: HCP Terraform API, Teams, Team Membership, Team Tokens, Team Access.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

import msgspec

from lockhouse.core.grants import ROLE_RIGHTS, Role
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Credential, Grant, Kind, Principal, Right, require
from lockhouse.core.workspaces import Workspace
from lockhouse.errors import PrincipalNotFound, RequestInvalid, WorkspaceNotFound
from lockhouse.protocols.tfe import documents, team_documents
from lockhouse.protocols.tfe.call import Call, no_content, respond, respond_one
from lockhouse.protocols.tfe.team_documents import ORGANIZATION_ACCESS
from lockhouse.protocols.tfe.wire import Document, Json, page_of
from lockhouse.protocols.web import Response
from lockhouse.service import access, namespaces, teams, workspaces
from lockhouse.service.access import NewPrincipal
from lockhouse.service.callers import Caller

_TOKEN = "token"  # noqa: S105 - the kind of a credential


async def list_all(call: Call) -> Response:
    """Those that the caller administers or is in."""
    caller, organization, query = call.caller, call["org"], call.query
    wanted, names = query.get("q").lower(), query.words("filter[names]")

    def look(tx: Reader) -> list[Json]:
        namespaces.get(tx, caller, organization)
        mine = {each.team for each in tx.memberships_of(caller.who.principal)}
        found = [each for each in access.living(tx, (Kind.TEAM,)) if each.namespace == organization]
        seen = [each for each in found if each.id in mine or access.administers(tx, caller, each)]
        shown = [(team_documents.name_of(each), each) for each in seen]
        chosen = [
            each
            for name, each in sorted(shown, key=lambda pair: pair[0])
            if wanted in name.lower() and (not names or name in names)
        ]
        return [_document(tx, each) for each in chosen]

    found = await call.house.read(look)
    number, size = query.page()
    return respond(page_of(found[(number - 1) * size : number * size], query, len(found)))


async def create(call: Call) -> Response:
    caller, organization, document = call.caller, call["org"], await call.document()
    new = NewPrincipal(
        id=call.new_id("P"),
        name=f"{organization}:{document.text('name')}",
        grants=_organization_grants(organization, document) or (),
        kind=Kind.TEAM,
        namespace=organization,
    )
    _check_settings(document)

    def command(tx: Transaction) -> Json:
        namespaces.get(tx, caller, organization)
        return _document(tx, access.create(tx, caller, new))

    return respond_one(await _change(call, command), 201)


async def show(call: Call) -> Response:
    found = await call.house.read(lambda tx: _team(tx, call))
    shown = await call.house.read(lambda tx: _document(tx, found))
    members = await call.house.read(lambda tx: _members(tx, found)) if call.query.includes("users") else []
    return respond_one(shown, 200, [documents.user(each.id, each.name) for each in members])


async def change(call: Call) -> Response:
    """Its access to the whole organization; the name stays."""
    document = await call.document()
    _check_settings(document)

    def command(tx: Transaction) -> Json:
        team = _team(tx, call)
        access.require_over(tx, call.caller, team)
        if document.text("name") not in ("", team_documents.name_of(team)):
            raise RequestInvalid(
                "cannot rename a team: make another",
                hint="lockhouse access create --kind team --name NAME",
                argument="name",
            )
        wanted = _organization_grants(team.namespace, document)
        if wanted is not None:
            whole = tuple(each for each in team.grants if (each.prefix, each.exact) == ("", False))
            access.ungrant(tx, call.caller, team.name, whole)
            team = access.grant(tx, call.caller, team.name, wanted)
        return _document(tx, team)

    return respond_one(await _change(call, command))


async def delete(call: Call) -> Response:
    await _change(call, lambda tx: access.revoke(tx, call.caller, _team(tx, call).name))
    return no_content()


async def add_users(call: Call) -> Response:
    return await _each_member(call, teams.add_member)


async def remove_users(call: Call) -> Response:
    return await _each_member(call, teams.remove_member)


async def _each_member(call: Call, act: Callable[[Transaction, Caller, str, str], object]) -> Response:
    names = _user_names(await call.document())

    def command(tx: Transaction) -> None:
        team = _team(tx, call)
        for name in names:
            act(tx, call.caller, team.name, name)

    await _change(call, command)
    return no_content()


# Tokens ---------------------------------------------------------------------------------------------------------------


async def list_tokens(call: Call) -> Response:
    def look(tx: Reader) -> list[Json]:
        team = _administered(tx, call)
        return [documents.token(each, owner=team) for each in _tokens(tx, team)]

    found = await call.house.read(look)
    number, size = call.query.page()
    return respond(page_of(found[(number - 1) * size : number * size], call.query, len(found)))


async def add_token(call: Call) -> Response:
    """One more token of the team."""
    return await _new_token(call, alone=False)


async def create_token(call: Call) -> Response:
    """The one token of the team: those before it end."""
    return await _new_token(call, alone=True)


async def show_token(call: Call) -> Response:
    def look(tx: Reader) -> Json:
        team = _administered(tx, call)
        found = _tokens(tx, team)
        if not found:
            raise PrincipalNotFound(
                f"cannot find a token of the team {team.name}",
                hint=f"make one: lockhouse token create --name {shlex.quote(team.name)}",
            )
        return documents.token(found[-1], owner=team)

    return respond_one(await call.house.read(look))


async def revoke_tokens(call: Call) -> Response:
    def command(tx: Transaction) -> None:
        for each in _tokens(tx, _administered(tx, call)):
            access.revoke_credential(tx, call.caller, each.id)

    await _change(call, command)
    return no_content()


async def _new_token(call: Call, *, alone: bool) -> Response:
    document = await call.document()
    made = call.tokens.new_token("")
    wanted = msgspec.structs.replace(
        made.credential,
        description=document.text("description")[:200],
        expires_at=team_documents.read_moment(document.text("expired-at")),
    )

    def command(tx: Transaction) -> Json:
        team = _administered(tx, call)
        for each in _tokens(tx, team) if alone else ():
            access.revoke_credential(tx, call.caller, each.id)
        access.add_credential(tx, call.caller, team.name, wanted)
        kept = tx.credential(wanted.id)
        assert kept is not None
        return documents.token(kept, text=made.text, owner=team)

    return respond_one(await _change(call, command), 201)


# Access to workspaces -------------------------------------------------------------------------------------------------


async def list_access(call: Call) -> Response:
    """Of one workspace: `filter[workspace][id]`."""
    workspace_id = call.query.get("filter[workspace][id]")
    if not workspace_id:
        raise RequestInvalid(
            "cannot list team access: name filter[workspace][id]", hint="filter[workspace][id]=ws-…", argument="filter"
        )

    def look(tx: Reader) -> list[Json]:
        workspace = workspaces.get_by_id(tx, call.caller, workspace_id).workspace
        found = [each for each in access.living(tx, (Kind.TEAM,)) if each.namespace == workspace.address.namespace]
        return [
            team_documents.team_access(each, workspace, grant)
            for each in found
            if access.administers(tx, call.caller, each)
            for grant in (team_documents.grant_on(each, workspace),)
            if grant is not None
        ]

    found = await call.house.read(look)
    number, size = call.query.page()
    return respond(page_of(found[(number - 1) * size : number * size], call.query, len(found)))


async def create_access(call: Call) -> Response:
    document = await call.document()
    rights = team_documents.read_access(document)
    team_id, workspace_id = document.related_id("team") or "", document.related_id("workspace") or ""

    def command(tx: Transaction) -> Json:
        team, workspace = _pair(tx, call, team_id, workspace_id)
        if team_documents.grant_on(team, workspace) is not None:
            raise RequestInvalid(
                "cannot give access: Team has already been taken", hint="change the access that it has", argument="team"
            )
        return _grant(tx, call, team, workspace, rights)

    return respond_one(await _change(call, command), 201)


async def show_access(call: Call) -> Response:
    def look(tx: Reader) -> Json:
        team, workspace, grant = _access(tx, call)
        return team_documents.team_access(team, workspace, grant)

    return respond_one(await call.house.read(look))


async def change_access(call: Call) -> Response:
    document = await call.document()

    def command(tx: Transaction) -> Json:
        team, workspace, grant = _access(tx, call)
        rights = team_documents.read_access(document, grant)
        access.ungrant(tx, call.caller, team.name, (grant,))
        return _grant(tx, call, team, workspace, rights)

    return respond_one(await _change(call, command))


async def delete_access(call: Call) -> Response:
    def command(tx: Transaction) -> None:
        team, _, grant = _access(tx, call)
        access.ungrant(tx, call.caller, team.name, (grant,))

    await _change(call, command)
    return no_content()


def _grant(tx: Transaction, call: Call, team: Principal, workspace: Workspace, rights: tuple[Right, ...]) -> Json:
    grant = Grant(workspace.address.namespace, workspace.address.key, rights, exact=True)
    access.grant(tx, call.caller, team.name, (grant,))
    return team_documents.team_access(team, workspace, grant)


def _access(tx: Reader, call: Call) -> tuple[Principal, Workspace, Grant]:
    team_id, workspace_id = team_documents.parse_access_id(call["id"])
    try:
        team, workspace = _pair(tx, call, team_id, workspace_id)
    except (PrincipalNotFound, WorkspaceNotFound):
        raise PrincipalNotFound(
            f"cannot find the team access {call['id']!r}", hint="lockhouse access list --kind team"
        ) from None
    grant = team_documents.grant_on(team, workspace)
    if grant is None:
        raise PrincipalNotFound(f"cannot find the team access {call['id']!r}", hint="lockhouse access list --kind team")
    return team, workspace, grant


def _pair(tx: Reader, call: Call, team_id: str, workspace_id: str) -> tuple[Principal, Workspace]:
    """A team and a workspace of one organization, both of which the caller administers."""
    workspace = workspaces.get_by_id(tx, call.caller, workspace_id).workspace
    team = _by_id(tx, call, team_id)
    if team.namespace != workspace.address.namespace:
        raise PrincipalNotFound(f"cannot find the team {team_id!r}", hint="lockhouse access list --kind team")
    require(call.caller.who, Right.ADMIN, *workspace.address)
    return team, workspace


# What all share -------------------------------------------------------------------------------------------------------


def _document(tx: Reader, team: Principal) -> Json:
    return team_documents.team(team, _members(tx, team))


def _members(tx: Reader, team: Principal) -> list[Principal]:
    known = (tx.principal(each.member) for each in tx.members_of(team.id))
    return [each for each in known if each is not None and not each.revoked_at]


def _team(tx: Reader, call: Call) -> Principal:
    return _by_id(tx, call, call["id"])


def _by_id(tx: Reader, call: Call, text: str) -> Principal:
    """A team of an organization by its opaque id. Errors: `principal.not_found`, also for who neither administers it
    nor is in it."""
    team = tx.principal(text.removeprefix("team-"))
    known = team is not None and not team.revoked_at and team.kind == Kind.TEAM and team.namespace != ""
    if team is None or not known or not text.startswith("team-"):
        raise PrincipalNotFound(f"cannot find the team {text!r}", hint="lockhouse access list --kind team")
    member = any(each.team == team.id for each in tx.memberships_of(call.caller.who.principal))
    if not member and not access.administers(tx, call.caller, team):
        raise PrincipalNotFound(f"cannot find the team {text!r}", hint="lockhouse access list --kind team")
    return team


def _administered(tx: Reader, call: Call) -> Principal:
    team = _team(tx, call)
    access.require_over(tx, call.caller, team)
    return team


def _tokens(tx: Reader, team: Principal) -> list[Credential]:
    found = (each for each in tx.credentials(team.id) if not each.revoked_at and each.kind == _TOKEN)
    return sorted(found, key=lambda each: each.at)


def _user_names(document: Document) -> list[str]:
    """HCP names users by their user name here."""
    names = [str(each.get("id", "")) for each in document.items if each.get("type") == "users"]
    if not names:
        raise RequestInvalid(
            "cannot tell who is meant: data is a list of users",
            hint='send data: [{"type": "users", "id": NAME}]',
            argument="data",
        )
    return names


def _check_settings(document: Document) -> None:
    if document.text("sso-team-id"):
        raise RequestInvalid(
            "cannot set sso-team-id here: lockhouse access link TEAM",
            hint="leave it out of the request",
            argument="sso-team-id",
        )
    if document.text("visibility", "secret") != "secret":
        raise RequestInvalid(
            "cannot make a team visible to all: its members and administrators see it",
            hint="say visibility: secret",
            argument="visibility",
        )


def _organization_grants(organization: str, document: Document) -> tuple[Grant, ...] | None:
    """What the team may do in the whole organization; None: the document does not say."""
    given = document.attributes.get("organization-access")
    if not isinstance(given, dict):
        return None
    wanted = {name for name, value in given.items() if value is True}
    if strange := wanted - ORGANIZATION_ACCESS.keys():
        raise RequestInvalid(
            f"cannot honour organization-access {min(strange)}: there is no such thing here",
            hint="leave it out, or say false",
            argument=min(strange),
        )
    rights = {right for name in wanted for right in ROLE_RIGHTS[Role(ORGANIZATION_ACCESS[name])]}
    return (Grant(organization, "", tuple(right for right in Right if right in rights)),) if rights else ()


async def _change(call: Call, command: Callable[[Transaction], Json | object | None]) -> Json:
    try:
        found = await call.house.write(command)
    finally:
        call.tokens.changed()
    return found if isinstance(found, dict) else {}
