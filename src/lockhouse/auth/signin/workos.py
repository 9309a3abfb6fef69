"""WorkOS: AuthKit or an organization's single sign-on through its SDK, and its directory's groups.

The SDK speaks through the judged network of `network`, so its calls have the same limits. A person's issuer is
`https://api.workos.com/CLIENT_ID`: a user id of WorkOS belongs to one environment. Groups are those of the directory
user with the same verified address in the directories of the organization; without an organization, or without a
directory, nothing is said of groups. Source: WorkOS API reference (User Management: get an authorization URL,
authenticate with code; Directory Sync: list directories, list users with `email`, list groups with `user`).
"""

from __future__ import annotations

import asyncio
import logging

import httpx
import msgspec
from workos import AsyncWorkOSClient

from lockhouse.auth.signin import network
from lockhouse.auth.signin.id_token import refused
from lockhouse.auth.signin.person import MAX_GROUPS, Ask, Group, Person
from lockhouse.core.sessions import Method
from lockhouse.errors import Problem

API = "https://api.workos.com"
_PAGE = 100
_log = logging.getLogger("lockhouse.signin")


class WorkosSettings(msgspec.Struct, frozen=True):
    """What the operator says."""

    api_key: str
    client_id: str
    organization: str = ""
    """Send people straight to this organization's connection; empty: AuthKit asks them."""
    url: str = API
    label: str = "WorkOS"
    ca_file: str = ""


class WorkosProvider:
    """One WorkOS environment, on one event loop."""

    method = Method.WORKOS

    def __init__(self, settings: WorkosSettings) -> None:
        self._settings = settings
        self.label = settings.label
        self._issuer = f"{settings.url.rstrip('/')}/{settings.client_id}"
        self._client = AsyncWorkOSClient(
            api_key=settings.api_key,
            client_id=settings.client_id,
            base_url=settings.url,
            max_retries=0,
            http_client=network.client(network.reach_of(settings.url, private=False), settings.ca_file),
        )

    async def authorize(self, ask: Ask) -> str:
        chosen = self._settings.organization
        return self._client.user_management.get_authorization_url(
            redirect_uri=ask.redirect_uri,
            state=ask.state,
            code_challenge=ask.challenge,
            code_challenge_method="S256",
            provider=None if chosen else "authkit",
            organization_id=chosen or None,
        )

    async def identify(self, ask: Ask, code: str, issuer: str) -> Person:  # noqa: ARG002 - WorkOS sends no `iss`
        try:
            async with asyncio.timeout(2 * network.TOTAL_SECONDS):
                answer = await self._client.user_management.authenticate_with_code(
                    code=code, code_verifier=ask.verifier
                )
                user = answer.user
                email = user.email if user.email_verified else ""
                groups = await self._groups(answer.organization_id or "", email)
        except Problem:
            raise
        except Exception as wrong:
            raise _told(wrong) from wrong
        name = " ".join(each for each in (user.first_name, user.last_name) if each)
        return Person(self._issuer, user.id, email, name, answer.organization_id or "", groups)

    async def _groups(self, organization: str, email: str) -> tuple[Group, ...] | None:
        if not organization or not email:
            return None
        sync = self._client.directory_sync
        directories = await sync.list_directories(organization_id=organization, limit=_PAGE)
        known = False
        found: dict[str, Group] = {}
        for directory in directories.data:
            known = True
            users = await sync.list_users(directory=directory.id, email=email, limit=_PAGE)
            for user in users.data:
                if (user.email or "").lower() != email.lower() or user.state != "active":
                    continue
                page = await sync.list_groups(user=user.id, limit=_PAGE)
                async for group in page.auto_paging_iter():
                    found.setdefault(group.id, Group(group.id, group.name))
                    if len(found) >= MAX_GROUPS:
                        break
        return tuple(found.values()) if known else None


def _told(wrong: Exception) -> Problem:
    status = getattr(wrong, "status_code", None) or getattr(getattr(wrong, "response", None), "status_code", None)
    _log.warning("Cannot sign in through WorkOS error=%s status=%s", type(wrong).__name__, status)
    if status in (400, 401, 403, 404, 422):
        return refused("WorkOS did not accept the code")
    if isinstance(wrong, httpx.HTTPError | TimeoutError | OSError):
        return network.unavailable("WorkOS does not answer", type(wrong).__name__)
    return network.unavailable("WorkOS", f"{type(wrong).__name__}")
