"""Every endpoint of this API: method, path, handler, and how far it is supported.

`docs/reference/tfe.md` shows this table and `UNSUPPORTED`; a test keeps them the same. What is in neither answers 404
in JSON:API, which clients take for "this server has no such feature".
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from lockhouse.protocols.tfe.call import Operation
from lockhouse.protocols.tfe.operations import (
    absent,
    locks,
    organizations,
    outputs,
    projects,
    resources,
    state_versions,
    tags,
    teams,
    tokens,
    workspaces,
)


class Support(StrEnum):
    FULL = "supported"
    PARTLY = "partly"


class Route(NamedTuple):
    method: str
    path: str
    """Below the API's base address; `{name}` is one segment."""
    operation: Operation
    support: Support = Support.FULL
    note: str = ""


_FULL, _PARTLY = Support.FULL, Support.PARTLY
_RUNS = "runs happen where terraform runs: always an empty list"
_TEAM = "of `organization-access` only `read-workspaces` and `manage-workspaces`; the rest is refused with 422"
_ACCESS = "settings of variables, mocks, run tasks and policies are refused with 422"
_NO_RUNS = "refused with 422: execution mode is `local`"
_NO_VARIABLES = "variables are not kept: always an empty list"

ROUTES = (
    Route("GET", "ping", organizations.ping),
    Route("GET", "account/details", organizations.account),
    Route("GET", "organizations", organizations.list_all),
    Route("POST", "organizations", organizations.create, _PARTLY, "makes a namespace; only `name` is used"),
    Route("GET", "organizations/{org}", organizations.show),
    Route("GET", "organizations/{org}/entitlement-set", organizations.entitlements),
    Route("GET", "organizations/{org}/tags", tags.list_organization_tags),
    Route("GET", "organizations/{org}/workspaces", workspaces.list_all, _PARTLY, "sort by name only"),
    Route("POST", "organizations/{org}/workspaces", workspaces.create, _PARTLY, "execution mode `local` only"),
    Route("GET", "organizations/{org}/workspaces/{name}", workspaces.show),
    Route("PATCH", "organizations/{org}/workspaces/{name}", workspaces.change, _PARTLY, "execution mode `local` only"),
    Route("DELETE", "organizations/{org}/workspaces/{name}", workspaces.delete),
    Route("POST", "organizations/{org}/workspaces/{name}/actions/safe-delete", workspaces.safe_delete),
    Route("GET", "workspaces/{id}", workspaces.show_by_id),
    Route("PATCH", "workspaces/{id}", workspaces.change_by_id, _PARTLY, "execution mode `local` only"),
    Route("DELETE", "workspaces/{id}", workspaces.delete_by_id),
    Route("POST", "workspaces/{id}/actions/safe-delete", workspaces.safe_delete_by_id),
    Route("POST", "workspaces/{id}/actions/lock", locks.lock),
    Route("POST", "workspaces/{id}/actions/unlock", locks.unlock),
    Route("POST", "workspaces/{id}/actions/force-unlock", locks.force_unlock),
    Route("GET", "workspaces/{id}/current-state-version", state_versions.current),
    Route("GET", "workspaces/{id}/current-state-version-outputs", outputs.list_current),
    Route(
        "GET",
        "workspaces/{id}/resources",
        resources.list_current,
        _PARTLY,
        "of the current version; both times are those of that version",
    ),
    Route("GET", "workspaces/{id}/state-versions", state_versions.list_of_workspace),
    Route("POST", "workspaces/{id}/state-versions", state_versions.create, _PARTLY, "no run relationship"),
    Route("PATCH", "workspaces/{id}/state-versions", state_versions.create, _FULL, "rollback"),
    Route("GET", "state-versions", state_versions.list_by_filter),
    Route("GET", "state-versions/{id}", state_versions.show),
    Route("GET", "state-versions/{id}/download", state_versions.download),
    Route("GET", "state-versions/{id}/outputs", outputs.list_of_version),
    Route("GET", "state-version-outputs/{id}", outputs.show),
    Route(
        "POST",
        "state-versions/{id}/actions/soft_delete_backing_data",
        state_versions.soft_delete,
        _PARTLY,
        "a version that is not current is taken out of lists and reads until it is restored",
    ),
    Route("POST", "state-versions/{id}/actions/restore_backing_data", state_versions.restore_data),
    Route(
        "PUT", "state-uploads/{pass}", state_versions.upload, _FULL, "signed address; the JSON form is read and dropped"
    ),
    Route("GET", "workspaces/{id}/relationships/tags", tags.list_tags),
    Route("POST", "workspaces/{id}/relationships/tags", tags.add_tags),
    Route("DELETE", "workspaces/{id}/relationships/tags", tags.remove_tags),
    Route("GET", "workspaces/{id}/tag-bindings", tags.list_bindings),
    Route("PATCH", "workspaces/{id}/tag-bindings", tags.add_bindings),
    Route("GET", "workspaces/{id}/effective-tag-bindings", tags.list_effective_bindings),
    Route(
        "GET",
        "workspaces/{id}/relationships/remote-state-consumers",
        tags.list_consumers,
        _PARTLY,
        "kept and listed; access itself is decided by grants (`read-outputs`)",
    ),
    Route("POST", "workspaces/{id}/relationships/remote-state-consumers", tags.add_consumers, _PARTLY, "as above"),
    Route("PATCH", "workspaces/{id}/relationships/remote-state-consumers", tags.replace_consumers, _PARTLY, "as above"),
    Route("DELETE", "workspaces/{id}/relationships/remote-state-consumers", tags.remove_consumers, _PARTLY, "as above"),
    Route("GET", "organizations/{org}/projects", projects.list_all),
    Route("POST", "organizations/{org}/projects", projects.create),
    Route("GET", "projects/{id}", projects.show),
    Route("PATCH", "projects/{id}", projects.change),
    Route("DELETE", "projects/{id}", projects.delete),
    Route("GET", "projects/{id}/tag-bindings", projects.list_bindings),
    Route("PATCH", "projects/{id}/tag-bindings", projects.add_bindings),
    Route("GET", "users/{user}/authentication-tokens", tokens.list_own, _PARTLY, "the caller's own only"),
    Route("POST", "users/{user}/authentication-tokens", tokens.create_own, _PARTLY, "the caller's own only; no expiry"),
    Route("GET", "authentication-tokens/{id}", tokens.show),
    Route("DELETE", "authentication-tokens/{id}", tokens.revoke),
    Route("GET", "organizations/{org}/authentication-token", tokens.show_organization),
    Route("POST", "organizations/{org}/authentication-token", tokens.create_organization),
    Route("DELETE", "organizations/{org}/authentication-token", tokens.revoke_organization),
    Route("GET", "organizations/{org}/teams", teams.list_all, _PARTLY, "those that the caller administers or is in"),
    Route("POST", "organizations/{org}/teams", teams.create, _PARTLY, _TEAM),
    Route("GET", "teams/{id}", teams.show),
    Route("PATCH", "teams/{id}", teams.change, _PARTLY, f"no renaming; {_TEAM}"),
    Route("DELETE", "teams/{id}", teams.delete),
    Route("POST", "teams/{id}/relationships/users", teams.add_users),
    Route("DELETE", "teams/{id}/relationships/users", teams.remove_users),
    Route("GET", "teams/{id}/authentication-tokens", teams.list_tokens),
    Route("POST", "teams/{id}/authentication-tokens", teams.add_token),
    Route("GET", "teams/{id}/authentication-token", teams.show_token),
    Route("POST", "teams/{id}/authentication-token", teams.create_token, _FULL, "those before it end"),
    Route("DELETE", "teams/{id}/authentication-token", teams.revoke_tokens),
    Route("GET", "team-workspaces", teams.list_access),
    Route("POST", "team-workspaces", teams.create_access, _PARTLY, _ACCESS),
    Route("GET", "team-workspaces/{id}", teams.show_access),
    Route("PATCH", "team-workspaces/{id}", teams.change_access, _PARTLY, _ACCESS),
    Route("DELETE", "team-workspaces/{id}", teams.delete_access),
    Route("GET", "workspaces/{id}/runs", absent.empty_of_workspace, _PARTLY, _RUNS),
    Route("POST", "runs", absent.refuse_run, _PARTLY, _NO_RUNS),
    Route("GET", "organizations/{org}/runs/queue", absent.empty_of_organization, _PARTLY, _RUNS),
    Route("GET", "workspaces/{id}/configuration-versions", absent.empty_of_workspace, _PARTLY, _RUNS),
    Route("POST", "workspaces/{id}/configuration-versions", absent.refuse_run, _PARTLY, _NO_RUNS),
    Route("GET", "workspaces/{id}/vars", absent.empty_of_workspace, _PARTLY, _NO_VARIABLES),
    Route("GET", "workspaces/{id}/all-vars", absent.empty_of_workspace, _PARTLY, _NO_VARIABLES),
    Route("POST", "workspaces/{id}/vars", absent.refuse_variable, _PARTLY, "refused with 422"),
    Route("GET", "workspaces/{id}/varsets", absent.empty_of_workspace, _PARTLY, _NO_VARIABLES),
    Route("GET", "organizations/{org}/varsets", absent.empty_of_organization, _PARTLY, _NO_VARIABLES),
)

UNSUPPORTED = {
    "organizations/:org (PATCH, DELETE)": "namespaces are administered by `lockhouse namespace`",
    "organizations/:org/workspaces/:name/actions/lock (by name)": "HCP has them by id only",
    "state-versions/:id/actions/permanently_delete_backing_data": "versions are removed by retention, not by clients",
    "state-versions/:id/json-download": "the JSON form is not kept (docs/decisions/0032)",
    "runs/:id, plans/:id, applies/:id, run-events, task-stages": "no remote execution",
    "policy-checks, policy-sets, cost-estimates, run-tasks, agents": "no remote execution",
    "vars/:id, varsets/:id": "variables are not kept",
    "team-projects, organization-memberships": "users come by signing in; access is granted on workspaces",
    "account/update, account/password": "principals are administered by `lockhouse key`",
    "registry-modules, registry-providers": "no registry here",
    "oauth-clients, oauth-tokens, ssh-keys, notification-configurations": "no connection to repositories or runs",
}
"""What is deliberately not here: 404, which clients take for "no such feature"."""


class Match(NamedTuple):
    route: Route
    arguments: dict[str, str]


def match(method: str, segments: list[str]) -> Match | None:
    """The route of a decoded path below the base, or None."""
    for route, parts in _BY_SHAPE.get((method, len(segments)), ()):
        arguments: dict[str, str] = {}
        for part, segment in zip(parts, segments, strict=True):
            if part.startswith("{"):
                arguments[part[1:-1]] = segment
            elif part != segment:
                break
        else:
            return Match(route, arguments)
    return None


_BY_SHAPE: dict[tuple[str, int], list[tuple[Route, list[str]]]] = {}
for _route in ROUTES:
    _parts = _route.path.split("/")
    _BY_SHAPE.setdefault((_route.method, len(_parts)), []).append((_route, _parts))
