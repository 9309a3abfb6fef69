"""Principals, credentials and grants: who acts, with what, and what it may do. One function decides.

A grant gives rights on a namespace (or `*`) below a key prefix. Rights do not imply each other except that `admin`
implies all. Deny is the default.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lockhouse.errors import AccessDenied


class Right(StrEnum):
    """What may be done with the states below a grant."""

    READ = "read"
    READ_OUTPUTS = "read-outputs"
    """Only the outputs of a state, as a state document without resources."""
    WRITE = "write"
    LOCK = "lock"
    FORCE_UNLOCK = "force-unlock"
    ADMIN = "admin"


class Grant(msgspec.Struct, frozen=True):
    """Rights on the keys of a namespace that start with a prefix; the namespace `*` is every namespace."""

    namespace: str
    prefix: str
    rights: tuple[Right, ...]


class Principal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who acts. `id` is opaque and never reused; the name is for people and unique among the living."""

    id: str
    name: str
    grants: tuple[Grant, ...]
    at: float
    kind: str = "key"
    """`administrator`, `key` or `role`."""
    revoked_at: float = 0.0
    trusted: tuple[str, ...] = ()
    """Roles: ids of the principals that may assume this one."""


class Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way to prove to be a principal. No secret is stored: access key secrets are derived, tokens are hashed."""

    id: str
    """The access key id, or the public part of a token."""
    principal: str
    kind: str
    """`access_key` or `token`."""
    at: float
    nonce: bytes = b""
    """Access keys: input of the derivation of the secret."""
    digest: bytes = b""
    """Tokens: SHA-256 of the secret part."""
    expires_at: float = 0.0
    """0: never."""
    revoked_at: float = 0.0


class Identity(msgspec.Struct, frozen=True):
    """A verified caller: it travels with the request to the decision and into the history."""

    principal: str
    name: str
    credential: str
    grants: tuple[Grant, ...]
    session: str = ""
    """The role session name where the caller assumed a role."""
    base: str = ""
    """The lasting credential behind a temporary one; empty where `credential` itself is lasting."""


def allows(grants: tuple[Grant, ...], right: Right, namespace: str, key: str = "") -> bool:
    """Whether the grants include this right on this address; with an empty key: on the whole namespace."""
    for grant in grants:
        covers = grant.namespace in ("*", namespace) and key.startswith(grant.prefix)
        if covers and (right in grant.rights or Right.ADMIN in grant.rights):
            return True
    return False


def sees_namespace(grants: tuple[Grant, ...], namespace: str) -> bool:
    """Whether any grant names this namespace, at whatever prefix: enough to learn that it exists."""
    return any(grant.namespace in ("*", namespace) for grant in grants)


_VERBS = {Right.ADMIN: "administer"}
"""What is done with a right, where its name is no verb."""


def require(who: Identity, right: Right, namespace: str, key: str = "") -> None:
    """AccessDenied (`access.denied`) unless `who` has the right there."""
    if not allows(who.grants, right, namespace, key):
        where = f"{namespace}/{key}" if key else namespace
        raise AccessDenied(
            f"cannot {_VERBS.get(right, right)} {where}: {who.name} has no grant of '{right}' there",
            hint=f"an administrator can grant it: lockhouse key grant {who.name} --rights {right} --on {where}",
            right=str(right),
        )
