"""Principals, credentials and grants: who acts, with what, and what it may do. One function decides.

A grant gives rights on a namespace (or `*`) below a key prefix. `GIVEN_BY` says which rights carry which: `admin` all,
`apply`, `plan` and `read` what they are about; nothing else implies anything. Deny is the default. What a caller may do
in the end (own grants, those of its teams, narrowed by the credential's scope) is computed in `core.grants`, once for
each credential, and travels in `Identity.grants`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from lockhouse.core.addresses import shell_word
from lockhouse.core.federation import Run, Trust
from lockhouse.errors import AccessDenied


class Right(StrEnum):
    """What may be done with the states below a grant."""

    READ = "read"
    READ_OUTPUTS = "read-outputs"
    """Only the outputs of a state, as a state document without resources."""
    PLAN = "plan"
    """Reading, and taking the lock for what does not write: all that `terraform plan` needs."""
    APPLY = "apply"
    """Planning, locking, and writing what moves a state forward: all that `terraform apply` needs. No overrides."""
    WRITE = "write"
    """Writing, overrides (`state push` of what goes back, another lineage), deleting, restoring, naming."""
    LOCK = "lock"
    FORCE_UNLOCK = "force-unlock"
    ADMIN = "admin"

    __hash__ = str.__hash__
    """Each request looks several of them up; that of `Enum` is a function in Python."""


GIVEN_BY: dict[Right, frozenset[Right]] = {
    **{right: frozenset({right, Right.ADMIN}) for right in Right},
    Right.READ: frozenset({Right.READ, Right.PLAN, Right.APPLY, Right.ADMIN}),
    Right.READ_OUTPUTS: frozenset({Right.READ_OUTPUTS, Right.READ, Right.PLAN, Right.APPLY, Right.ADMIN}),
    Right.PLAN: frozenset({Right.PLAN, Right.APPLY, Right.ADMIN}),
    Right.LOCK: frozenset({Right.LOCK, Right.APPLY, Right.ADMIN}),
}
"""Each right, and the rights of a grant of which any one gives it."""


class Kind(StrEnum):
    """What a principal is."""

    ADMINISTRATOR = "administrator"
    """Made by the first start, and for break-glass."""
    USER = "user"
    TEAM = "team"
    """Its grants are those of every member; it may have credentials of its own."""
    SERVICE_ACCOUNT = "service-account"
    CI_JOB = "ci-job"
    """What runs of a CI system act as: it gets short-lived credentials only."""
    KEY = "key"
    """A service account of data written before there were kinds."""
    ROLE = "role"
    """A set of grants that others assume, one session for each run."""


class Grant(msgspec.Struct, frozen=True):
    """Rights on the keys of a namespace that start with a prefix; the namespace `*` is every namespace."""

    namespace: str
    prefix: str
    rights: tuple[Right, ...]
    exact: bool = False
    """`prefix` is one whole key, and no other key that starts with it is meant."""


class Keys(NamedTuple):
    """Keys of a namespace: those that start with a prefix, or one whole key."""

    prefix: str
    exact: bool = False


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who a user (or, for a group of a directory, a team) is outside of Lockhouse."""

    issuer: str
    """The `iss` of the identity provider, byte for byte."""
    subject: str
    """The `sub` of the user, or the directory's id of the group: never an address of mail, which people change."""
    email: str = ""
    display_name: str = ""


class Principal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who acts. `id` is opaque and never reused; the name is for people and unique among the living."""

    id: str
    name: str
    grants: tuple[Grant, ...]
    at: float
    kind: str = "key"
    """One of `Kind`."""
    revoked_at: float = 0.0
    trusted: tuple[str, ...] = ()
    """Roles: ids of the principals that may assume this one."""
    link: Link | None = None
    """Users and teams: who that is at an identity provider. At most one living principal has an (issuer, subject)."""
    namespace: str = ""
    """Teams: the organization to which it belongs; empty: to the whole server."""
    trust: Trust | None = None
    """CI jobs: whose ID tokens give their credentials."""


class Membership(msgspec.Struct, frozen=True, omit_defaults=True):
    """A principal is in a team."""

    team: str
    member: str
    at: float
    source: str = ""
    """The issuer whose directory says so; empty where a person did."""


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
    description: str = ""
    scope: tuple[Grant, ...] | None = None
    """What the principal's grants are narrowed to; None: not at all."""
    by: str = ""
    """Id of the principal that made it."""
    replaced_by: str = ""
    """Id of the credential that was made by rotating this one."""
    run: Run | None = None
    """The run of a CI system that it was given to."""


class Identity(msgspec.Struct, frozen=True):
    """A verified caller: it travels with the request to the decision and into the history."""

    principal: str
    name: str
    credential: str
    grants: tuple[Grant, ...]
    """In effect: of the principal and its teams, narrowed by the scope."""
    session: str = ""
    """The role session name where the caller assumed a role."""
    base: str = ""
    """The lasting credential behind a temporary one; empty where `credential` itself is lasting."""
    scope: tuple[Grant, ...] | None = None
    """Of the credential: what it makes for itself is not wider."""
    expires_at: float = 0.0
    """When the credential ends (seconds since 1970); 0: never, or not known to bind what it makes."""
    kind: str = ""
    """What the principal is; one of `Kind`."""
    link: str = ""
    """Where the CI job can be seen that the credential was given to."""
    ended_at: float = 0.0
    """The credential has ended then (seconds since 1970), and may only finish what it holds (`core.grace`)."""
    finish_until: float = 0.0
    """When that ends, too."""

    @property
    def grantee(self) -> str:
        """What commands call the principal: its name without that of the session or run."""
        return self.name.removesuffix(f"/{self.session}") if self.session else self.name


def allows(grants: tuple[Grant, ...], right: Right, namespace: str, key: str = "") -> bool:
    """Whether the grants include this right on this address; with an empty key: on the whole namespace."""
    given_by = GIVEN_BY[right]
    for grant in grants:
        covers = grant.namespace in ("*", namespace) and key.startswith(grant.prefix)
        if covers and not given_by.isdisjoint(grant.rights) and (not grant.exact or key == grant.prefix):
            return True
    return False


def allows_below(grants: tuple[Grant, ...], right: Right, namespace: str, prefix: str) -> bool:
    """Whether the grants include this right on every key with this prefix."""
    return allows(tuple(each for each in grants if not each.exact), right, namespace, prefix)


def listable(grants: tuple[Grant, ...], right: Right, namespace: str, prefix: str = "") -> tuple[Keys, ...]:
    """The parts of the keys with this prefix on which the grants include this right: the fewest that say it, in the
    order of the keys, none with a key of another."""
    given_by = GIVEN_BY[right]
    found: set[Keys] = set()
    for grant in grants:
        if grant.namespace in ("*", namespace) and not given_by.isdisjoint(grant.rights):
            if grant.prefix.startswith(prefix):
                found.add(Keys(grant.prefix, grant.exact))
            elif not grant.exact and prefix.startswith(grant.prefix):
                return (Keys(prefix),)
    below = [each.prefix for each in found if not each.exact]
    return tuple(
        each
        for each in sorted(found, key=lambda part: part.prefix.encode("utf-8", "surrogatepass"))
        if not any(each.prefix.startswith(other) and (each.exact or each.prefix != other) for other in below)
    )


def sees_namespace(grants: tuple[Grant, ...], namespace: str) -> bool:
    """Whether any grant names this namespace, at whatever prefix: enough to learn that it exists."""
    for grant in grants:  # noqa: SIM110 - on the path of every lock request
        if grant.namespace in ("*", namespace):
            return True
    return False


_VERBS = {Right.ADMIN: "administer", Right.READ_OUTPUTS: "read the outputs of"}
"""What is done with a right, where its name is no verb."""


def require(who: Identity, right: Right, namespace: str, key: str = "") -> None:
    """AccessDenied (`access.denied`) unless `who` has the right there."""
    if not allows(who.grants, right, namespace, key):
        raise _refusal(who, right, namespace, key)


def may_write(who: Identity, namespace: str, key: str) -> bool:
    """Whether `who` may write what moves a state forward."""
    return any(allows(who.grants, right, namespace, key) for right in (Right.WRITE, Right.APPLY))


def require_writing(who: Identity, namespace: str, key: str, *, override: bool = False) -> None:
    """AccessDenied (`access.denied`) unless `may_write`; an override needs `write` itself."""
    if override or not may_write(who, namespace, key):
        require(who, Right.WRITE, namespace, key)


def require_below(who: Identity, right: Right, namespace: str, prefix: str = "") -> None:
    """AccessDenied (`access.denied`) unless `who` has the right on every key with this prefix."""
    if not allows_below(who.grants, right, namespace, prefix):
        raise _refusal(who, right, namespace, prefix)


def require_listing(who: Identity, rights: tuple[Right, ...], namespace: str, prefix: str = "") -> None:
    """AccessDenied (`access.denied`) unless `who` has one of the rights on every key with this prefix: for lists from
    which nothing may be missing. The refusal names what may be listed instead."""
    if any(allows_below(who.grants, right, namespace, prefix) for right in rights):
        return
    parts = (part for right in rights for part in listable(who.grants, right, namespace, prefix) if not part.exact)
    prefixes = tuple(dict.fromkeys(part.prefix for part in parts))
    refusal = _refusal(who, rights[0], namespace, prefix)
    if prefixes:
        refusal.hint = f"ask for less: {_named(prefixes)}; or {refusal.hint}"
    raise refusal


_MAX_NAMED = 3


def _named(prefixes: tuple[str, ...]) -> str:
    """Some prefixes, as options that can be pasted."""
    named = " or ".join(f"--prefix {shell_word(each)}" for each in prefixes[:_MAX_NAMED])
    more = len(prefixes) - _MAX_NAMED
    return f"{named} ({more} more: lockhouse status)" if more > 0 else named


def way_in(who: Identity, right: Right, where: str) -> str:
    """The hint of a refusal: the command that grants it, whatever stands in the names. `where`: NAMESPACE or
    NAMESPACE/PREFIX."""
    whom, place = shell_word(who.grantee), shell_word(where)
    return f"an administrator can grant it: lockhouse access grant {whom} --rights {right} --on {place}"


def _refusal(who: Identity, right: Right, namespace: str, key: str) -> AccessDenied:
    where = f"{namespace}/{key}" if key else namespace
    return AccessDenied(
        f"cannot {_VERBS.get(right, right)} {where}: {who.name} has no grant of '{right}' there",
        hint=way_in(who, right, where),
        right=str(right),
    )
