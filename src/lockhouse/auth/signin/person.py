"""What an identity provider says of somebody, the port to providers, and who of them is let in. Pure."""

from __future__ import annotations

from typing import Protocol

import msgspec

from lockhouse.core.sessions import Method
from lockhouse.errors import AccessDenied

MAX_GROUPS = 1000
"""Of one person; a provider that says more has the rest left out."""


class Group(msgspec.Struct, frozen=True):
    """A group of the provider's directory."""

    id: str
    name: str
    """The same as the id where the provider has no other."""


class Person(msgspec.Struct, frozen=True):
    """Somebody whom a provider has just authenticated."""

    issuer: str
    subject: str
    email: str = ""
    """Only where the provider says that it is verified."""
    name: str = ""
    organization: str = ""
    groups: tuple[Group, ...] | None = None
    """None: the provider says nothing of groups, so memberships stay as they are."""


class Ask(msgspec.Struct, frozen=True):
    """One sign-in under way (RFC 6749 section 4.1, RFC 7636, OpenID Connect Core section 3.1.2.1)."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    challenge: str


class Provider(Protocol):
    """An identity provider. Every call is bounded in time and size."""

    method: Method
    label: str
    """What the button says."""

    async def authorize(self, ask: Ask) -> str:
        """The address to send the browser to. Errors: `provider.unavailable`."""
        ...

    async def identify(self, ask: Ask, code: str, issuer: str) -> Person:
        """Who signed in, from the code that came back (and the `iss` beside it, RFC 9207; empty: none).

        Errors: `credential.unknown` when what the provider hands out does not prove it, `provider.unavailable`."""
        ...


class Admission(msgspec.Struct, frozen=True):
    """Who may come in of those whom the provider knows; empty: all."""

    domains: tuple[str, ...] = ()
    """Of verified addresses of mail, lower case."""
    organizations: tuple[str, ...] = ()


def admit(person: Person, rule: Admission) -> None:
    """AccessDenied (`access.denied`) unless the rule lets this person in. It does not say what would."""
    domain = person.email.rpartition("@")[2].lower()
    ok = (not rule.domains or domain in rule.domains) and (
        not rule.organizations or person.organization in rule.organizations
    )
    if not ok:
        raise AccessDenied(
            "cannot sign you in: your account is not one of those that may use this server",
            hint="use another account, or ask an administrator of the server",
            right="sign-in",
        )
