"""From settings to the entrance: which provider there is, who may come in, how long they stay.

A provider is made when it is first needed, on the event loop; its library is imported then. Secrets come from a setting
or from a file of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lockhouse.auth.authenticator import Authenticator
from lockhouse.auth.signin.person import Admission, Provider
from lockhouse.config import Settings
from lockhouse.core.jobs import Jobs
from lockhouse.errors import SettingInvalid
from lockhouse.runtime.entrance import Entrance, Terms
from lockhouse.runtime.house import House
from lockhouse.service.signin import Rule

if TYPE_CHECKING:
    from lockhouse.auth.signin.federation import Issuers

MAX_SECRET = 4096


def build_entrance(settings: Settings, house: House, authenticator: Authenticator, master: bytes) -> Entrance:
    """The entrance of this server. Errors: `setting.invalid` for a secret that cannot be read."""
    terms = Terms(
        lifetime=settings.session_lifetime,
        idle=settings.session_idle,
        admission=Admission(settings.signin_domains, settings.signin_organizations),
        arrival=Rule(create=settings.signin_create_users, teams=settings.signin_teams),
    )
    return Entrance(
        house,
        authenticator,
        master,
        terms=terms,
        provider=_provider(settings, house.engine.now),
        public_url=settings.public_url,
    )


def build_issuers(settings: Settings, now: Callable[[], float]) -> Callable[[], Issuers]:
    """The CI systems that the settings list; made when a token is first exchanged."""

    def issuers() -> Issuers:
        from lockhouse.auth.signin.federation import Issuers  # noqa: PLC0415 - only where it is used

        return Issuers(
            settings.ci_issuers,
            now,
            ca_file=str(settings.signin_ca_file or ""),
            private=settings.ci_private_network,
        )

    return issuers


def build_jobs(settings: Settings) -> Jobs | None:
    """What asks CI systems about their jobs; None: the settings name none. Errors: `setting.invalid` for a token file
    that cannot be read."""
    if not settings.ci_job_checks:
        return None
    from lockhouse.auth.jobs import Check, JobChecks  # noqa: PLC0415 - only where it is used

    for each in settings.ci_job_checks:
        _secret("", each.token_file, "ci_job_checks")
    return JobChecks(
        [Check(*each) for each in settings.ci_job_checks],
        ca_file=str(settings.signin_ca_file or ""),
        private=settings.ci_private_network,
    )


def _provider(settings: Settings, now: Callable[[], float]) -> Callable[[], Provider] | None:
    ca_file = str(settings.signin_ca_file or "")
    if settings.signin == "oidc":
        secret = _secret(settings.oidc_client_secret, settings.oidc_client_secret_file, "oidc_client_secret_file")

        def oidc() -> Provider:
            from lockhouse.auth.signin.oidc import OidcProvider, OidcSettings  # noqa: PLC0415 - only where it is used

            return OidcProvider(
                OidcSettings(
                    issuer=settings.oidc_issuer,
                    client_id=settings.oidc_client_id,
                    client_secret=secret,
                    scopes=settings.oidc_scopes,
                    groups_claim=settings.oidc_groups_claim,
                    organization_claim=settings.oidc_organization_claim,
                    algorithms=settings.oidc_algorithms,
                    label=settings.oidc_label,
                    ca_file=ca_file,
                    private=settings.signin_private_network,
                ),
                now,
            )

        return oidc
    if settings.signin == "workos":
        key = _secret(settings.workos_api_key, settings.workos_api_key_file, "workos_api_key_file")

        def workos() -> Provider:
            # It takes about a second of processor time, so it is imported only where it is used.
            from lockhouse.auth.signin.workos import WorkosProvider, WorkosSettings  # noqa: PLC0415

            return WorkosProvider(
                WorkosSettings(
                    api_key=key,
                    client_id=settings.workos_client_id,
                    organization=settings.workos_organization,
                    url=settings.workos_url,
                    ca_file=ca_file,
                )
            )

        return workos
    return None


def _secret(value: str, file: Path | None, setting: str) -> str:
    if file is None:
        return value
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(MAX_SECRET).strip()
    except (OSError, UnicodeDecodeError) as wrong:
        raise SettingInvalid(
            f"cannot read {file}: {wrong}",
            hint=f"name a file that the server may read, in UTF-8: --{setting.replace('_', '-')} FILE",
            setting=setting,
        ) from None
