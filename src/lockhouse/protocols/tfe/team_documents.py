"""Teams and their access as documents of the API, and back. Pure. Source: HCP Terraform API, Teams and Team Access."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lockhouse.core.grants import ROLE_RIGHTS, Role
from lockhouse.core.principals import Grant, Principal, Right
from lockhouse.core.workspaces import Workspace
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.tfe.documents import user_id
from lockhouse.protocols.tfe.wire import Document, Json, resource, to_many, to_one

ACCESS: dict[str, tuple[Right, ...]] = {
    "read": ROLE_RIGHTS[Role.READER],
    "plan": ROLE_RIGHTS[Role.PLANNER],
    "write": ROLE_RIGHTS[Role.WRITER],
    "admin": ROLE_RIGHTS[Role.ADMINISTRATOR],
}
"""The levels of team access, and the rights that each gives on the state of the workspace."""
ORGANIZATION_ACCESS = {"read-workspaces": "reader", "manage-workspaces": "operator"}
"""What a team may be given in a whole organization, as roles here."""
_UNUSED = ("manage-policies", "manage-policy-overrides", "manage-vcs-settings", "manage-providers", "manage-modules",
           "manage-run-tasks", "manage-projects", "read-projects", "manage-membership", "manage-teams",
           "manage-organization-access", "access-secret-teams", "manage-agent-pools")  # fmt: skip
_STATES: dict[str, tuple[Right, ...]] = {
    "none": (),
    "read-outputs": (Right.READ_OUTPUTS,),
    "read": (Right.READ_OUTPUTS, Right.READ),
    "write": (Right.READ_OUTPUTS, Right.READ, Right.WRITE),
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")


def name_of(team: Principal) -> str:
    """Its name within its organization."""
    return team.name.removeprefix(f"{team.namespace}:")


def team(found: Principal, members: Sequence[Principal]) -> Json:
    whole = {right for each in found.grants if (each.prefix, each.exact) == ("", False) for right in each.rights}
    given = {
        name: set(ROLE_RIGHTS[Role(role)]) <= whole or Right.ADMIN in whole
        for name, role in ORGANIZATION_ACCESS.items()
    }
    attributes: Json = {
        "name": name_of(found),
        "sso-team-id": found.link.subject if found.link is not None else None,
        "users-count": len(members),
        "visibility": "secret",
        "allow-member-token-management": True,
        "organization-access": {**dict.fromkeys(_UNUSED, False), **given},
        "permissions": {
            "can-update-membership": True,
            "can-destroy": True,
            "can-update-organization-access": True,
            "can-update-api-token": True,
            "can-update-visibility": False,
        },
    }
    relationships: Json = {
        "organization": to_one("organizations", found.namespace),
        "users": to_many("users", [user_id(each.id) for each in members]),
        "authentication-token": {"meta": {}},
    }
    return resource("teams", f"team-{found.id}", attributes, relationships, f"/api/v2/teams/team-{found.id}")


def grant_on(team: Principal, workspace: Workspace) -> Grant | None:
    """The team's grant on exactly this workspace."""
    place = workspace.address
    return next((each for each in team.grants if each.exact and (each.namespace, each.prefix) == place), None)


def access_id(team: Principal, workspace: Workspace) -> str:
    return f"tws-{team.id}.{workspace.id[3:]}"


def parse_access_id(text: str) -> tuple[str, str]:
    """(team id, workspace id); those of nobody when the text is no such id."""
    owner, _, workspace = text.removeprefix("tws-").partition(".")
    return (f"team-{owner}", f"ws-{workspace}") if text.startswith("tws-") else ("", "")


def team_access(team: Principal, workspace: Workspace, grant: Grant) -> Json:
    held = frozenset(grant.rights)
    level = next((name for name, rights in ACCESS.items() if held == frozenset(rights)), "custom")
    everything = Right.ADMIN in held
    states = (
        "write"
        if everything or Right.WRITE in held
        else "read"
        if Right.READ in held
        else ("read-outputs" if Right.READ_OUTPUTS in held else "none")
    )
    locking = everything or Right.LOCK in held
    runs = "apply" if locking and states == "write" else "plan" if Right.PLAN in held else "read"
    attributes: Json = {
        "access": level,
        "runs": runs,
        "variables": "none",
        "state-versions": states,
        "sentinel-mocks": "none",
        "workspace-locking": locking,
        "run-tasks": False,
        "policy-overrides": False,
    }
    relationships: Json = {
        "team": to_one("teams", f"team-{team.id}"),
        "workspace": to_one("workspaces", workspace.id),
    }
    found = access_id(team, workspace)
    return resource("team-workspaces", found, attributes, relationships, f"/api/v2/team-workspaces/{found}")


def read_access(document: Document, before: Grant | None = None) -> tuple[Right, ...]:
    """The rights that a document asks for; what it does not name stays as it was.

    Errors: `request.invalid` for what cannot be honoured here."""
    level = document.text("access") or ("custom" if before is not None else "")
    if level in ACCESS:
        return ACCESS[level]
    if level != "custom":
        raise RequestInvalid(
            f"cannot give the access {level!r}: read, plan, write, admin or custom",
            hint="access: write",
            argument="access",
        )
    for name, nothing in (("variables", "none"), ("sentinel-mocks", "none")):
        if document.text(name, nothing) != nothing:
            raise RequestInvalid(
                f"cannot honour {name}: they are not kept here; say none", hint=f"{name}: none", argument=name
            )
    if document.flag("run-tasks") or document.flag("policy-overrides"):
        raise RequestInvalid(
            "cannot honour run tasks and policies: there are none here", hint="say false", argument="run-tasks"
        )
    held = frozenset(before.rights) if before is not None else frozenset()
    states = document.text("state-versions")
    if states and states not in _STATES:
        raise RequestInvalid(
            f"cannot give state-versions {states!r}",
            hint="state-versions: none, read-outputs, read or write",
            argument="state-versions",
        )
    rights: set[Right] = set(_STATES[states]) if states else set(held & set(_STATES["write"]))
    locking = document.attributes.get("workspace-locking")
    if locking is True or (locking is None and Right.LOCK in held):
        rights.add(Right.LOCK)
    runs = document.text("runs", "plan" if Right.PLAN in held else "read")
    if runs not in ("read", "plan", "apply") or (runs == "apply" and not {Right.WRITE, Right.LOCK} <= rights):
        raise RequestInvalid(
            f"cannot give runs {runs[:20]!r}: read, plan or apply, and apply needs to write state versions and to lock",
            hint="runs: plan, or state-versions: write with workspace-locking: true",
            argument="runs",
        )
    if runs != "read" and Right.READ in rights:
        rights.add(Right.PLAN)
    if not rights:
        raise RequestInvalid(
            "cannot give access to nothing: say state-versions or locking", hint="access: read", argument="access"
        )
    return tuple(right for right in Right if right in rights)


def read_moment(text: str) -> float:
    """RFC 3339 as seconds since 1970; 0 for none. Errors: `request.invalid`."""
    if not text:
        return 0.0
    try:
        at = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        at = None
    if at is None:
        raise RequestInvalid(
            f"cannot read expired-at {text[:40]!r}: it must be a time of RFC 3339",
            hint="for example: 2030-01-01T00:00:00Z",
            argument="expired-at",
        )
    return at.astimezone(UTC).timestamp()
