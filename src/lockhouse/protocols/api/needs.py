"""What each route of the JSON API needs. Vocabulary: `core.needs`."""

from __future__ import annotations

from lockhouse.core import needs
from lockhouse.core.needs import Need, Open, Proof, need
from lockhouse.core.principals import Right

_ADMIN, _SERVER = (needs.ADMIN_OF_NAMESPACE,), (needs.ADMIN_OF_SERVER,)
_SEE, _SHOWN, _OWN = (needs.IN_NAMESPACE,), (needs.SHOWN,), (needs.VERIFIED,)
_READ, _WRITE, _OVER = (needs.READ,), (needs.WRITE,), (needs.ADMIN_OVER,)
_TEAM = (need("a team", Right.ADMIN, note="over its grants"),)
_GRANTS = (need("the grants", Right.ADMIN, note="over all that is granted"),)
_KEEP_OUT = (need("a prefix", Right.ADMIN, note="on the namespace, the prefix or the one key"),)
_LIST = (need("a prefix", Right.READ),)
_PART = (need("some keys with a prefix", Right.READ, note="shows what the caller's grants cover"),)
_HOOK = (need("a webhook", Right.ADMIN, note="on its namespace and prefix, or on `*`"),)
_BOTH = (need("a state", Right.WRITE, also=(Right.READ,)),)
_PARKED = (need("a parked write", Right.READ),)
_N, _S, _P = "/namespaces/{namespace}", "/namespaces/{namespace}/state", "/parked/{id}"

NEEDS: dict[str, tuple[Need, ...]] = {
    "GET /status": _OWN,
    "POST /backup": _SERVER,
    "POST /packing": _SERVER,
    "POST /scrub": _SERVER,
    "GET /encryption": _SERVER,
    "POST /encryption/rotate": _SERVER,
    "DELETE /encryption/keys/{id}": _SERVER,
    "GET /namespaces": _SHOWN,
    "POST /namespaces": _ADMIN,
    f"GET {_N}": _SEE,
    f"PATCH {_N}": _ADMIN,
    f"DELETE {_N}": _ADMIN,
    f"GET {_N}/workspaces": _SEE,
    f"PUT {_N}/workspaces/{{name}}": _WRITE,
    "GET /principals": _SHOWN,
    "POST /principals": _GRANTS,
    "PUT /principals/{name}/link": _SERVER,
    "PUT /principals/{name}/teams": _TEAM,
    "GET /teams/{name}/members": (need("a team", Right.ADMIN, note="over its grants; or to be a member"),),
    "PUT /teams/{name}/members/{member}": _TEAM,
    "DELETE /teams/{name}/members/{member}": _TEAM,
    "GET /keys": _SHOWN,
    "POST /keys": _GRANTS,
    "GET /keys/{name}": (need("a principal", Right.ADMIN, note="over all that it can come to; or to be it"),),
    "DELETE /keys/{name}": _OVER,
    "POST /keys/{name}/access-keys": _OVER,
    "POST /keys/{name}/grants": _GRANTS,
    "POST /keys/{name}/ungrant": _GRANTS,
    "GET /roles": _SHOWN,
    "POST /roles": _GRANTS,
    "PUT /roles/{name}/trust": _OVER,
    "POST /tokens": _OVER,
    "POST /access-keys": _OVER,
    "POST /credentials/{id}/rotate": _OVER,
    "DELETE /credentials/{id}": _OVER,
    f"GET {_N}/states": _PART,
    f"GET {_S}": _READ,
    f"PATCH {_S}": (need("a state", Right.ADMIN),),
    f"DELETE {_S}": _BOTH,
    f"GET {_S}/versions": _READ,
    f"GET {_S}/body": (needs.READ_OR_OUTPUTS,),
    f"POST {_S}/restore": _BOTH,
    f"POST {_S}/undelete": _WRITE,
    f"PUT {_S}/tags": _WRITE,
    f"GET {_S}/trash": _READ,
    f"DELETE {_S}/trash": (need("a state", Right.ADMIN),),
    f"GET {_N}/retention": _READ,
    f"PUT {_N}/retention": _ADMIN,
    f"DELETE {_N}/retention": _ADMIN,
    f"POST {_N}/retention/preview": _READ,
    f"POST {_N}/import": (need("a state", Right.ADMIN),),
    f"GET {_N}/objects": _LIST,
    "GET /parked": _SHOWN,
    f"GET {_P}": _PARKED,
    f"GET {_P}/body": _PARKED,
    f"POST {_P}/accept": (need("a parked write", Right.WRITE, also=(Right.READ,)),),
    f"DELETE {_P}": (need("a parked write", Right.WRITE, also=(Right.READ,)),),
    "GET /locks": _SHOWN,
    f"GET {_N}/lock": (needs.SEE_LOCK,),
    f"POST {_N}/force-unlock": (needs.FORCE,),
    f"POST {_N}/release-stale": (needs.FORCE,),
    f"GET {_N}/stale-locks": _READ,
    f"PUT {_N}/stale-locks": _ADMIN,
    f"DELETE {_N}/stale-locks": _ADMIN,
    "GET /maintenance": _SHOWN,
    f"PUT {_N}/maintenance": _KEEP_OUT,
    f"DELETE {_N}/maintenance": _KEEP_OUT,
    "POST /reviews": (need("anything", Right.WRITE, note="anywhere"),),
    "GET /reviews": _SHOWN,
    "GET /reviews/{id}": (need("a review", Right.READ, note="on `*`; or to have sent it"),),
    "DELETE /reviews/{id}": (need("a review", Right.ADMIN, note="on `*`; or to have sent it"),),
    "GET /traffic/locks": _SHOWN,
    "GET /audit": (need("everything", Right.ADMIN, note="on the namespace that is asked for, or on `*`"),),
    "GET /audit/segments": _SERVER,
    "GET /audit/checkpoint": _SERVER,
    "GET /webhooks": _SHOWN,
    "POST /webhooks": _HOOK,
    "GET /webhooks/{name}": _HOOK,
    "PATCH /webhooks/{name}": _HOOK,
    "POST /webhooks/{name}/replay": _HOOK,
    "POST /webhooks/{name}/test": _HOOK,
    "DELETE /webhooks/{name}": _HOOK,
    "GET /sessions": (Need("itself", note="another's: `admin` over all that its owner can come to"),),
    "DELETE /sessions/{id}": (need("a session", Right.ADMIN, note="over all that its owner can come to; or to be it"),),
    "DELETE /principals/{name}/sessions": (
        need("a principal", Right.ADMIN, note="over all that it can come to; or to be it"),
    ),
}
"""By method and path of the routing table."""
OPEN: dict[str, Open] = {
    "GET /healthz": Open(Proof.NOTHING, "that the process lives, and its version"),
    "GET /readyz": Open(Proof.NOTHING, "that the database answers, and whether the bucket of large bodies does not"),
    "GET /metrics": Open(Proof.NOTHING, "counts and times, without a name of anything that is kept here"),
    "GET /lockhouse/v1/openapi.json": Open(Proof.NOTHING, "the description of the API"),
    "POST /lockhouse/v1/exchange": Open(Proof.JOB, "gives an API token for the job's run"),
}
"""What may be asked without a credential, by method and whole path."""
