"""The documents of the JSON API about who may do what: principals, credentials, grants, roles and trust."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from lockhouse.core.grants import ROLE_RIGHTS, Role, role_of
from lockhouse.core.principals import Grant, Kind, Link, Principal, Right
from lockhouse.errors import DocumentMalformed
from lockhouse.protocols.api.wire import Ask, Document, Key, Name, NamespaceName, Text


class GrantAsk(Ask, frozen=True, kw_only=True):
    """Rights on the keys of `namespace` (`*`: all namespaces) that start with `prefix`."""

    namespace: Annotated[str, msgspec.Meta(max_length=255)]
    rights: tuple[Right, ...] = ()
    prefix: Key = ""
    role: Role | None = None
    """A named set of rights, beside or in place of `rights`."""
    exact: bool = False
    """`prefix` is one whole key."""


class GrantDocument(Document, frozen=True, kw_only=True):
    namespace: str
    prefix: str
    rights: tuple[Right, ...]
    role: str = ""
    """The role that has exactly these rights; empty: none has."""
    exact: bool = False
    """`prefix` is one whole key."""


class LinkDocument(Document, frozen=True, kw_only=True):
    """Who a user, or a team, is at an identity provider."""

    issuer: str
    subject: str
    email: str
    display_name: str


class KeyAsk(Ask, frozen=True, kw_only=True):
    name: Name
    grants: tuple[GrantAsk, ...] = ()
    """Without any: read, write, lock and force-unlock everywhere."""


class CredentialDocument(Document, frozen=True, kw_only=True):
    id: str
    kind: str
    created_at: str
    expires_at: str
    """Empty: never."""
    last_used_at: str
    """Empty: never, as far as is known: uses are written down once a minute."""
    description: str = ""
    scope: tuple[GrantDocument, ...] | None = None
    """What the principal's grants are narrowed to; null: not at all."""
    replaced_by: str = ""
    """Id of the credential that was made by rotating this one."""


class TrustPolicy(Ask, frozen=True, kw_only=True):
    """All claims must be equal to those of the token."""

    issuer: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    audience: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    claims: dict[str, str]
    seconds: Annotated[int, msgspec.Meta(ge=900, le=3600)] = 3600
    proposals: bool = False
    """Whether runs for pull requests and merge requests are believed."""


class TrustDocument(Document, frozen=True, kw_only=True):
    """The trust policy of a CI job."""

    issuer: str
    audience: str
    claims: dict[str, str]
    seconds: int
    proposals: bool
    role_arn: str
    """For `assume_role_with_web_identity`."""


class PrincipalDocument(Document, frozen=True, kw_only=True):
    name: str
    kind: str
    created_at: str
    grants: tuple[GrantDocument, ...]
    """Its own."""
    credentials: tuple[CredentialDocument, ...]
    trusted: tuple[str, ...]
    """Roles: names of who may assume it."""
    teams: tuple[str, ...] = ()
    effective: tuple[GrantDocument, ...] = ()
    """Its own and those of its teams."""
    link: LinkDocument | None = None
    namespace: str = ""
    """Teams: the organization; empty: the whole server."""
    trust: TrustDocument | None = None
    """CI jobs: whose ID tokens give their credentials."""


class LinkAsk(Ask, frozen=True, kw_only=True):
    """Both empty: the link is taken away."""

    issuer: Text = ""
    subject: Text = ""
    email: Annotated[str, msgspec.Meta(max_length=320)] = ""
    display_name: Annotated[str, msgspec.Meta(max_length=200)] = ""


class PrincipalAsk(Ask, frozen=True, kw_only=True):
    """A principal without credentials."""

    name: Annotated[str, msgspec.Meta(max_length=128)]
    kind: Kind
    grants: Annotated[tuple[GrantAsk, ...], msgspec.Meta(max_length=200)] = ()
    link: LinkAsk | None = None
    namespace: NamespaceName = ""
    """Teams: the organization; the name is then `NAMESPACE:TEAM`."""
    trust: TrustPolicy | None = None
    """CI jobs: whose ID tokens give their credentials."""


class ExchangeAsk(Ask, frozen=True, kw_only=True):
    """An ID token of a CI system, for an API token. This is asked without a credential."""

    policy: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """The name of the CI job whose trust policy is to believe it."""
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=16 * 1024)]


class TeamsAsk(Ask, frozen=True, kw_only=True):
    teams: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=128)], ...], msgspec.Meta(max_length=500)]


class MemberDocument(Document, frozen=True, kw_only=True):
    name: str
    kind: str
    since: str
    source: str
    """The issuer whose directory says so; empty where a person did."""


class Members(Document, frozen=True, kw_only=True):
    team: str
    members: tuple[MemberDocument, ...]


class RotateAsk(Ask, frozen=True, kw_only=True):
    grace: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 3600.0
    """Seconds for which the old one still works; 0: it ends at once."""


class RotatedCredential(Document, frozen=True, kw_only=True):
    """The new secret is shown here and never again: `token`, or `secret_access_key` of the access key `id`."""

    name: str
    id: str
    kind: str
    token: str
    secret_access_key: str
    expires_at: str
    old: str
    old_ends_at: str


class Principals(Document, frozen=True, kw_only=True):
    principals: tuple[PrincipalDocument, ...]


class CreatedKey(Document, frozen=True, kw_only=True):
    """The secret is shown here and never again."""

    name: str
    access_key_id: str
    secret_access_key: str
    grants: tuple[GrantDocument, ...]


class GrantsAsk(Ask, frozen=True, kw_only=True):
    grants: Annotated[tuple[GrantAsk, ...], msgspec.Meta(min_length=1, max_length=200)]


class RoleAsk(Ask, frozen=True, kw_only=True):
    name: Name
    grants: Annotated[tuple[GrantAsk, ...], msgspec.Meta(min_length=1, max_length=200)]
    trusted: tuple[Name, ...] = ()


class RoleDocument(Document, frozen=True, kw_only=True):
    name: str
    arn: str
    grants: tuple[GrantDocument, ...]


class TrustAsk(Ask, frozen=True, kw_only=True):
    names: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)]


class TokenAsk(Ask, frozen=True, kw_only=True):
    name: Name = ""
    """Of the key or administrator whose token it is; empty: of the caller."""
    expires_in: Annotated[float, msgspec.Meta(ge=1, le=10 * 366 * 86_400)] | None = None
    """Seconds; without it the token lasts until it is revoked."""
    scope: Annotated[tuple[GrantAsk, ...], msgspec.Meta(max_length=50)] | None = None
    """What the token may do of all that its principal may; without it: all."""
    description: Annotated[str, msgspec.Meta(max_length=200)] = ""


class AccessKeyAsk(TokenAsk, frozen=True, kw_only=True):
    """As a token, but an access key comes of it."""


class CreatedToken(Document, frozen=True, kw_only=True):
    """The token is shown here and never again."""

    name: str
    id: str
    token: str
    expires_at: str


class Revoked(Document, frozen=True, kw_only=True):
    id: str


def grants_of(asked: Sequence[GrantAsk]) -> tuple[Grant, ...]:
    return tuple(
        Grant(each.namespace, each.prefix, (*each.rights, *(ROLE_RIGHTS[each.role] if each.role else ())), each.exact)
        for each in asked
    )


def link_of(asked: LinkAsk | None) -> Link | None:
    if asked is None or not (asked.issuer or asked.subject):
        return None
    if not (asked.issuer and asked.subject):
        raise DocumentMalformed(
            "cannot link: both issuer and subject are needed", hint="give both, or neither", argument="link"
        )
    return Link(asked.issuer, asked.subject, asked.email, asked.display_name)


def grant_documents(grants: Sequence[Grant]) -> tuple[GrantDocument, ...]:
    return tuple(
        GrantDocument(
            namespace=each.namespace,
            prefix=each.prefix,
            rights=each.rights,
            role=str(role_of(each.rights) or ""),
            exact=each.exact,
        )
        for each in grants
    )


def role_arn(account_id: str, role: Principal) -> str:
    return f"arn:aws:iam::{account_id}:role/{role.name}"


class Status(Document, frozen=True, kw_only=True):
    version: str
    name: str
    """Who asks."""
    kind: str
    grants: tuple[GrantDocument, ...]
    account_id: str
    region: str
    held_locks: int
    """Among what the caller may see; at most 1000 are counted."""
    certificate_end: str = ""
    """When the certificate that this server shows ends; empty without https, or where a proxy has it."""
