"""What each endpoint of the cloud API needs. Vocabulary: `core.needs`.

Ids are opaque: who has no right at all on what an id stands for is answered 404, as if there were no such thing.
"""

from __future__ import annotations

from lockhouse.core import needs
from lockhouse.core.needs import EVERY_RIGHT, Need, Open, Proof, need
from lockhouse.core.principals import Right

_SEE = (need("a workspace", *EVERY_RIGHT),)
_WRITE = (need("a workspace", Right.WRITE),)
_ADVANCE = (need("a workspace", Right.APPLY, Right.WRITE, note="`force`: `write`"),)
_READ = (need("a workspace", Right.READ),)
_OUTPUTS = (need("a workspace", Right.READ_OUTPUTS),)
_STATE = (need("a workspace", Right.READ, Right.READ_OUTPUTS, note="`read-outputs`: a document of outputs only"),)
_ORGANIZATION = (need("an organization", *EVERY_RIGHT, note="at whatever prefix"),)
_PROJECT = (need("an organization", Right.WRITE),)
_ADMIN = (need("an organization", Right.ADMIN),)
_OWN = (needs.VERIFIED,)
_TEAM = (need("a team", Right.ADMIN, note="over its grants"),)
_ACCESS = (need("a team and a workspace", Right.ADMIN, note="on the workspace and over the team's grants"),)
_W, _N = "workspaces/{id}", "organizations/{org}/workspaces/{name}"
_O, _V, _P = "organizations/{org}", "state-versions/{id}", "projects/{id}"

NEEDS: dict[str, tuple[Need, ...]] = {
    "GET ping": _OWN,
    "GET account/details": _OWN,
    "GET organizations": (needs.SHOWN,),
    "POST organizations": _ADMIN,
    f"GET {_O}": _ORGANIZATION,
    f"GET {_O}/entitlement-set": _ORGANIZATION,
    f"GET {_O}/tags": _ORGANIZATION,
    f"GET {_O}/workspaces": _ORGANIZATION,
    f"POST {_O}/workspaces": _WRITE,
    f"GET {_N}": _SEE,
    f"PATCH {_N}": _WRITE,
    f"DELETE {_N}": _WRITE,
    f"POST {_N}/actions/safe-delete": _WRITE,
    f"GET {_W}": _SEE,
    f"PATCH {_W}": _WRITE,
    f"DELETE {_W}": _WRITE,
    f"POST {_W}/actions/safe-delete": _WRITE,
    f"POST {_W}/actions/lock": (needs.TAKE,),
    f"POST {_W}/actions/unlock": (need("a lock of one's own", Right.LOCK, Right.PLAN, Right.FORCE_UNLOCK),),
    f"POST {_W}/actions/force-unlock": (needs.FORCE,),
    f"GET {_W}/current-state-version": _STATE,
    f"GET {_W}/current-state-version-outputs": _OUTPUTS,
    f"GET {_W}/resources": _STATE,
    f"GET {_W}/state-versions": _READ,
    f"POST {_W}/state-versions": _ADVANCE,
    f"PATCH {_W}/state-versions": (need("a workspace", Right.WRITE, also=(Right.READ,)),),
    "GET state-versions": _READ,
    f"GET {_V}": _SEE,
    f"GET {_V}/download": _STATE,
    f"GET {_V}/outputs": _OUTPUTS,
    "GET state-version-outputs/{id}": _OUTPUTS,
    f"POST {_V}/actions/soft_delete_backing_data": _WRITE,
    f"POST {_V}/actions/restore_backing_data": _WRITE,
    "PUT state-uploads/{pass}": (
        need("a workspace", Right.APPLY, Right.WRITE, note="of who asked for the address; no credential is sent"),
    ),
    f"GET {_W}/relationships/tags": _SEE,
    f"POST {_W}/relationships/tags": _WRITE,
    f"DELETE {_W}/relationships/tags": _WRITE,
    f"GET {_W}/tag-bindings": _SEE,
    f"PATCH {_W}/tag-bindings": _WRITE,
    f"GET {_W}/effective-tag-bindings": _SEE,
    f"GET {_W}/relationships/remote-state-consumers": _SEE,
    f"POST {_W}/relationships/remote-state-consumers": _WRITE,
    f"PATCH {_W}/relationships/remote-state-consumers": _WRITE,
    f"DELETE {_W}/relationships/remote-state-consumers": _WRITE,
    f"GET {_O}/projects": _ORGANIZATION,
    f"POST {_O}/projects": _PROJECT,
    f"GET {_P}": _ORGANIZATION,
    f"PATCH {_P}": _PROJECT,
    f"DELETE {_P}": _PROJECT,
    f"GET {_P}/tag-bindings": _ORGANIZATION,
    f"PATCH {_P}/tag-bindings": _PROJECT,
    "GET users/{user}/authentication-tokens": _OWN,
    "POST users/{user}/authentication-tokens": _OWN,
    "GET authentication-tokens/{id}": _OWN,
    "DELETE authentication-tokens/{id}": (
        Need("itself", note="the caller's own; another's: `admin` over all that its owner can come to"),
    ),
    f"GET {_O}/authentication-token": _ADMIN,
    f"POST {_O}/authentication-token": _ADMIN,
    f"DELETE {_O}/authentication-token": _ADMIN,
    f"GET {_O}/teams": _ORGANIZATION,
    f"POST {_O}/teams": _ADMIN,
    "GET teams/{id}": (need("a team", Right.ADMIN, note="over its grants; or to be in it"),),
    "PATCH teams/{id}": _TEAM,
    "DELETE teams/{id}": _TEAM,
    "POST teams/{id}/relationships/users": _TEAM,
    "DELETE teams/{id}/relationships/users": _TEAM,
    "GET teams/{id}/authentication-tokens": _TEAM,
    "POST teams/{id}/authentication-tokens": _TEAM,
    "GET teams/{id}/authentication-token": _TEAM,
    "POST teams/{id}/authentication-token": _TEAM,
    "DELETE teams/{id}/authentication-token": _TEAM,
    "GET team-workspaces": _SEE,
    "POST team-workspaces": _ACCESS,
    "GET team-workspaces/{id}": _ACCESS,
    "PATCH team-workspaces/{id}": _ACCESS,
    "DELETE team-workspaces/{id}": _ACCESS,
    f"GET {_W}/runs": _SEE,
    "POST runs": _OWN,
    f"GET {_O}/runs/queue": _ORGANIZATION,
    f"GET {_W}/configuration-versions": _SEE,
    f"POST {_W}/configuration-versions": _OWN,
    f"GET {_W}/vars": _SEE,
    f"GET {_W}/all-vars": _SEE,
    f"POST {_W}/vars": _OWN,
    f"GET {_W}/varsets": _SEE,
    f"GET {_O}/varsets": _ORGANIZATION,
}
"""By method and path of the routing table."""
OPEN: dict[str, Open] = {
    "GET /.well-known/terraform.json": Open(Proof.NOTHING, "the addresses of the services"),
    "GET /oauth/authorization": Open(Proof.VISITOR, "asks whether Terraform may have a token"),
    "POST /oauth/authorization": Open(Proof.VISITOR, "gives a code that becomes one token"),
    "POST /oauth/token": Open(Proof.CODE, "gives an API token to Terraform"),
}
"""What may be asked without a credential, by method and whole path."""
