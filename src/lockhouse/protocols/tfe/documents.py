"""The resources of the API, made from our values. Pure; what each attribute is for stands in PROTOCOLS 4.5.

Attributes that clients need to be present are always present: a workspace without `execution-mode` is run remotely by
some clients and crashes others, one without `permissions` cannot be deleted.
"""

from __future__ import annotations

import hashlib

import msgspec

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Hold
from lockhouse.core.maintenance import OPERATION as MAINTENANCE
from lockhouse.core.outputs import Output
from lockhouse.core.principals import Credential, Identity, Principal, Right, allows, may_write
from lockhouse.core.records import Namespace
from lockhouse.core.versions import Version, parse_version_id
from lockhouse.core.workspaces import Project, StateUpload, Workspace
from lockhouse.protocols.tfe.wire import Json, moment, resource, to_many, to_one
from lockhouse.service.callers import Caller
from lockhouse.service.lock_documents import read_document
from lockhouse.service.locks import may_lock
from lockhouse.service.workspaces import View

UPLOAD_MARK = "u"
"""The last character of the nonce of versions that were announced first: their id is the announcement's."""
UPLOAD_NONCE = 17
HIDDEN = "lockhouse:soft-deleted"
"""The tag of versions whose data was soft-deleted over this API."""
DEFAULTS: Json = {
    "description": None,
    "terraform-version": "latest",
    "working-directory": "",
    "auto-apply": False,
    "auto-apply-run-trigger": False,
    "allow-destroy-plan": True,
    "assessments-enabled": False,
    "file-triggers-enabled": False,
    "global-remote-state": False,
    "project-remote-state": False,
    "queue-all-runs": False,
    "speculative-enabled": False,
    "structured-run-output-enabled": False,
    "source-name": None,
    "source-url": None,
}
"""The settings that clients may set; they are kept and given back, and none of them starts a run."""


def permissions(who: Identity, address: Address) -> Json:
    def may(right: Right) -> bool:
        return allows(who.grants, right, *address)

    read, write, force = (may(right) for right in (Right.READ, Right.WRITE, Right.FORCE_UNLOCK))
    lock, apply = may_lock(who, address), may_write(who, *address)
    return {
        "can-update": write,
        "can-destroy": write,
        "can-queue-run": lock,
        "can-queue-apply": apply,
        "can-queue-destroy": apply,
        "can-lock": lock,
        "can-unlock": lock,
        "can-force-unlock": force,
        "can-read-settings": True,
        "can-read-state-versions": read,
        "can-read-state-outputs": may(Right.READ_OUTPUTS),
        "can-create-state-versions": apply,
        "can-read-variable": read,
        "can-update-variable": False,
        "can-read-run": read,
        "can-read-assessment-results": False,
        "can-manage-tags": write,
        "can-manage-run-tasks": False,
        "can-manage-assessments": False,
        "can-manage-ephemeral-workspaces": False,
        "can-force-delete": write,
    }


def workspace(view: View, caller: Caller, *, outputs: list[Json] | None = None) -> Json:
    found, who, lock = view.workspace, caller.who, view.lock.lock
    closed = view.maintained(caller.now) if lock is None else None
    holder = lock or closed
    facts = view.current.facts if view.current is not None else None
    hold = lock.holds[0] if lock is not None else None
    attributes: Json = {
        "name": found.name,
        **{name: found.settings.get(name, default) for name, default in DEFAULTS.items()},
        "actions": {"is-destroyable": True},
        "created-at": moment(found.at),
        "updated-at": moment(found.updated_at or found.at),
        "latest-change-at": moment(view.current.at if view.current is not None else found.at),
        "environment": "default",
        "execution-mode": "local",
        "operations": False,
        "setting-overwrites": {"execution-mode": True, "agent-pool": True},
        "locked": holder is not None,
        "locked-reason": f"{MAINTENANCE}: {closed.reason}" if closed is not None else _reason(hold),
        "permissions": permissions(who, found.address),
        "resource-count": max(facts.resources, 0) if facts is not None else 0,
        "source": "tfe-api",
        "tag-names": list(found.tags),
        "trigger-patterns": [],
        "trigger-prefixes": [],
        "vcs-repo": None,
        "vcs-repo-identifier": None,
    }
    namespace = found.address.namespace
    relationships: Json = {
        "organization": to_one("organizations", namespace),
        "project": to_one("projects", view.project.id),
        "current-state-version": to_one(
            "state-versions", version_id(found, view.current) if view.current is not None else None
        ),
        "locked-by": to_one("users", user_id(holder.principal) if holder is not None else None),
        "current-run": to_one("runs", None),
        "current-configuration-version": to_one("configuration-versions", None),
        "agent-pool": to_one("agent-pools", None),
        "remote-state-consumers": {
            "links": {"related": f"/api/v2/workspaces/{found.id}/relationships/remote-state-consumers"}
        },
    }
    if outputs is not None:
        relationships["outputs"] = to_many("workspace-outputs", [str(each["id"]) for each in outputs])
    path = f"/api/v2/organizations/{namespace}/workspaces/{found.name}"
    return resource("workspaces", found.id, attributes, relationships, path)


def _reason(hold: Hold | None) -> str:
    return (read_document(hold.info).info or hold.operation) if hold is not None else ""


def user_id(principal: str) -> str:
    return f"user-{principal}"


def user(principal: str, name: str) -> Json:
    attributes: Json = {
        "username": name,
        "is-service-account": True,
        "email": None,
        "avatar-url": None,
        "v2-only": True,
    }
    return resource("users", user_id(principal), attributes)


def account(who: Identity) -> Json:
    attributes: Json = {
        "username": who.name,
        "email": None,
        "is-service-account": False,
        "avatar-url": None,
        "two-factor": {"enabled": False, "verified": False},
        "permissions": {"can-create-organizations": False, "can-change-email": False, "can-change-username": False},
    }
    return resource("users", user_id(who.principal), attributes)


def organization(namespace: Namespace, who: Identity) -> Json:
    admin = allows(who.grants, Right.ADMIN, namespace.name)
    write = allows(who.grants, Right.WRITE, namespace.name)
    attributes: Json = {
        "name": namespace.name,
        "external-id": organization_id(namespace.name),
        "created-at": moment(namespace.at),
        "email": None,
        "collaborator-auth-policy": "password",
        "default-execution-mode": "local",
        "plan": "lockhouse",
        "saml-enabled": False,
        "cost-estimation-enabled": False,
        "assessments-enforced": False,
        "allow-force-delete-workspaces": True,
        "permissions": {
            "can-update": admin,
            "can-destroy": False,
            "can-create-workspace": write,
            "can-manage-users": admin,
            "can-access-via-teams": True,
        },
    }
    relationships: Json = {"entitlement-set": to_one("entitlement-sets", organization_id(namespace.name))}
    return resource(
        "organizations", namespace.name, attributes, relationships, f"/api/v2/organizations/{namespace.name}"
    )


def organization_id(namespace: str) -> str:
    return "org-" + hashlib.sha256(b"lockhouse/v1/organization/" + namespace.encode()).hexdigest()[:16]


def entitlement_set(namespace: str) -> Json:
    """`operations: false` makes every client run locally."""
    attributes: Json = {
        "agents": False,
        "audit-logging": False,
        "cost-estimation": False,
        "configuration-designer": False,
        "global-run-tasks": False,
        "operations": False,
        "policy-enforcement": False,
        "private-module-registry": False,
        "private-run-tasks": False,
        "run-tasks": False,
        "sentinel": False,
        "sso": False,
        "state-storage": True,
        "teams": True,
        "user-limit": None,
        "vcs-integrations": False,
    }
    return resource("entitlement-sets", organization_id(namespace), attributes)


def project(found: Project, who: Identity) -> Json:
    write = allows(who.grants, Right.WRITE, found.namespace)
    attributes: Json = {
        "name": found.name,
        "description": found.description,
        "created-at": moment(found.at),
        "default-execution-mode": "local",
        "setting-overwrites": {"default-execution-mode": False, "default-agent-pool": False},
        "permissions": {
            "can-read": True,
            "can-update": write,
            "can-destroy": write,
            "can-create-workspace": write,
            "can-move-workspace": write,
        },
    }
    relationships: Json = {"organization": to_one("organizations", found.namespace)}
    return resource("projects", found.id, attributes, relationships, f"/api/v2/projects/{found.id}")


def tag_bindings(bindings: dict[str, str], kind: str = "tag-bindings") -> list[Json]:
    return [
        resource(kind, f"tb-{_short(key)}", {"key": key, "value": value}) for key, value in sorted(bindings.items())
    ]


def tag_id(name: str) -> str:
    return f"tag-{_short(name)}"


def version_id(owner: Workspace, version: Version) -> str:
    """The state version's id in this API: opaque, and enough to find it again."""
    if len(version.nonce) == UPLOAD_NONCE and version.nonce.endswith(UPLOAD_MARK):
        return f"sv-{version.nonce}"
    return f"sv-{owner.id[3:]}.{version.id}"


def parse_id(text: str) -> tuple[str, str] | None:
    """(workspace id, version id), or ("", upload id), of a state version's id; None when it cannot be one."""
    if not text.startswith("sv-"):
        return None
    rest = text[3:]
    if len(rest) == UPLOAD_NONCE and rest.endswith(UPLOAD_MARK) and "." not in rest:
        return "", rest
    owner, _, version = rest.partition(".")
    return (f"ws-{owner}", version) if owner and parse_version_id(version) is not None else None


def state_version(owner: Workspace, version: Version, base: str, outputs: list[Json] | None = None) -> Json:
    facts, found = version.facts, version_id(owner, version)
    attributes: Json = {
        "status": "backing_data_soft_deleted" if HIDDEN in version.tags else "finalized",
        "serial": facts.serial if facts is not None else 0,
        "lineage": facts.lineage if facts is not None else "",
        "created-at": moment(version.at),
        "size": version.size,
        "md5": version.body.md5.hex() if version.body is not None else "",
        "terraform-version": facts.terraform_version if facts is not None else "",
        "state-version": 4,
        "intermediate": False,
        "resources-processed": True,
        "vcs-commit-sha": None,
        "vcs-commit-url": None,
        "hosted-state-download-url": f"{base}state-versions/{found}/download",
        "hosted-json-state-download-url": None,
        "hosted-state-upload-url": None,
        "hosted-json-state-upload-url": None,
    }
    return _state_version(owner, found, attributes, version.origin.principal, outputs)


def pending_version(owner: Workspace, upload: StateUpload, base: str, now: float, urls: tuple[str, str] | None) -> Json:
    over = upload.discarded or now >= upload.expires_at
    found = f"sv-{upload.id}"
    attributes: Json = {
        "status": "discarded" if over else "pending",
        "serial": upload.serial,
        "lineage": upload.lineage,
        "created-at": moment(upload.at),
        "size": 0,
        "md5": upload.md5,
        "terraform-version": "",
        "resources-processed": False,
        "intermediate": False,
        "hosted-state-download-url": f"{base}state-versions/{found}/download",
        "hosted-json-state-download-url": None,
        "hosted-state-upload-url": urls[0] if urls else None,
        "hosted-json-state-upload-url": urls[1] if urls else None,
    }
    return _state_version(owner, found, attributes, "", None)


def _state_version(owner: Workspace, found: str, attributes: Json, principal: str, outputs: list[Json] | None) -> Json:
    relationships: Json = {
        "workspace": to_one("workspaces", owner.id),
        "run": to_one("runs", None),
        "created-by": to_one("users", user_id(principal) if principal else None),
    }
    if outputs is not None:
        relationships["outputs"] = to_many("state-version-outputs", [str(each["id"]) for each in outputs])
    return resource("state-versions", found, attributes, relationships, f"/api/v2/state-versions/{found}")


def output_id(state_version_id: str, name: str) -> str:
    return f"wsout-{state_version_id[3:]}.{_short(name)}"


def parse_output_id(text: str) -> tuple[str, str] | None:
    """(state version id, mark of the name), or None."""
    rest, _, mark = text.removeprefix("wsout-").rpartition(".")
    return (f"sv-{rest}", mark) if text.startswith("wsout-") and rest else None


def is_marked(name: str, mark: str) -> bool:
    return _short(name) == mark


def output(state_version_id: str, name: str, value: Output, *, reveal: bool) -> Json:
    """A sensitive value is null in lists, and shown where it is asked for by its id."""
    shown = value.value if reveal or not value.sensitive else None
    attributes: Json = {
        "name": name,
        "sensitive": value.sensitive,
        "type": _simple_type(value),
        "value": shown,
        "detailed-type": value.type,
    }
    return resource("state-version-outputs", output_id(state_version_id, name), attributes)


def workspace_output(state_version_id: str, name: str, value: Output) -> Json:
    shown = None if value.sensitive else value.value
    attributes: Json = {"name": name, "sensitive": value.sensitive, "output-type": _simple_type(value), "value": shown}
    return resource("workspace-outputs", output_id(state_version_id, name), attributes)


def _simple_type(value: Output) -> str:
    kind: object = msgspec.json.decode(value.type)
    if isinstance(kind, list) and kind:
        kind = kind[0]
    return {"map": "object", "object": "object", "tuple": "array", "list": "array", "set": "array"}.get(
        str(kind), str(kind)
    )


def token(credential: Credential, *, text: str | None = None, owner: Principal | None = None) -> Json:
    attributes: Json = {
        "created-at": moment(credential.at),
        "last-used-at": None,
        "description": credential.description,
        "token": text,
        "expired-at": moment(credential.expires_at) if credential.expires_at else None,
    }
    relationships: Json = {"created-by": to_one("users", user_id(owner.id) if owner is not None else None)}
    return resource("authentication-tokens", f"at-{credential.id}", attributes, relationships)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
