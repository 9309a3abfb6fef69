"""Settings: one frozen value, each setting declared once, in its field.

A setting called `lock_wait` is the flag `--lock-wait`, the variable `LOCKHOUSE_LOCK_WAIT` and the key `lock_wait` in
`lockhouse.toml` (`config.loading` reads them). Help text, unit, default and check stand in the declaration: the command
line, `docs/reference/settings.md` and its test read them from `SETTINGS`.
"""

# ruff: noqa: RUF009 - `_setting` answers a dataclass field

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lockhouse.config import forms
from lockhouse.config.forms import EMBEDDED, Listen, Scalar, Setting
from lockhouse.errors import SettingInvalid

__all__ = ["CONFIG_FILE", "EMBEDDED", "SETTINGS", "Listen", "Setting", "Settings"]

T = TypeVar("T")
CONFIG_FILE = "lockhouse.toml"
_HELP = "lockhouse serve --help"


def _setting(
    parse: Callable[[Scalar], T],
    default: Scalar,
    help: str,  # noqa: A002
    unit: str,
    *,
    secret: bool = False,
) -> T:
    """Declare a field; the annotation of the field is what `parse` answers. A secret one is not shown by `repr`."""
    made: T = dataclasses.field(
        default_factory=lambda: parse(default),
        repr=not secret,
        metadata={"help": help, "unit": unit, "default": default, "parse": parse, "secret": secret},
    )
    return made


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that an operator decides."""

    data: Path = _setting(
        forms.path,
        "lockhouse-data",
        "Where states, locks, keys and the first credentials are kept. Made if missing; one server at a time.",
        "directory",
    )
    listen: Listen = _setting(
        forms.listen, "127.0.0.1:7373", "Where to accept connections. Port 0 picks a free one.", "HOST:PORT"
    )
    config: Path | None = _setting(
        forms.optional_path,
        "",
        f"Settings file. Without it, {CONFIG_FILE} in the current directory is read if there.",
        "file",
    )
    database_url: str = _setting(
        forms.database,
        EMBEDDED,
        "Where records are kept: SQLite in the data directory, or a PostgreSQL database that several servers share. A "
        "password is best given in PGPASSWORD, in the file that PGPASSFILE names, or in `database_password_file`.",
        "URL",
    )
    database_password_file: Path | None = _setting(
        forms.optional_path, "", "A file with the password for the database, and nothing else.", "file"
    )
    database_connections: int = _setting(
        forms.count(3, 200), 8, "How many connections to PostgreSQL one server opens at most.", "connections"
    )
    master_key_file: Path | None = _setting(
        forms.optional_path,
        "",
        "The master key, from which the secrets of all access keys are derived; the same for all servers that share a "
        "database. Without it, `master.key` in the data directory, made at the first start.",
        "file of 32 bytes",
    )
    blobs: str = _setting(
        forms.blobs,
        EMBEDDED,
        "Where bodies are kept that are too large for rows: files in the data directory, rows of the database, or a "
        "bucket that speaks S3 (options: endpoint, region, virtual_host, credentials=FILE).",
        "embedded, database or s3://BUCKET/PREFIX?OPTION=…",
    )
    encryption_key: str = _setting(
        forms.encryption_key,
        "",
        "Where the keys are with which all bodies of states are sealed. Without it, in `encryption.key` in the data "
        "directory, made at the first start; keep a copy of that file apart from the backups.",
        "file:PATH, env:NAME, aws-kms:KEY or off",
    )
    backups: Path | None = _setting(
        forms.optional_path,
        "",
        "Where `lockhouse backup create` keeps backups, best on another disk. Without it, in `backups` in the data "
        "directory.",
        "directory",
    )
    namespace: str = _setting(
        forms.matching(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", "3 to 63 letters, digits, '-', '.' or '_'"),
        "terraform-state",
        "The namespace (bucket) that the first start makes.",
        "name",
    )
    lock_wait: float = _setting(
        forms.seconds(0, 50),
        20.0,
        "The longest time that a lock request is held while somebody else has the lock. 0 refuses at once.",
        "seconds, 0 to 50",
    )
    require_lock: bool = _setting(
        forms.switch,
        False,
        "Whether namespaces (buckets) made from now on refuse state writes without a lock.",
        "true or false",
    )
    restore_window: float = _setting(
        forms.number_of_days,
        30.0,
        "How long a version that was deleted by its id, or by retention, can be had back from the trash.",
        "days, 0 to 3650",
    )
    retention_floor: float = _setting(
        forms.number_of_days,
        1.0,
        "How old a version must be before a retention policy may take it, whatever the policy says.",
        "days, 0 to 3650",
    )
    packing: bool = _setting(
        forms.switch,
        True,
        "Whether older versions are packed against newer ones in the background, so that the history stays small.",
        "true or false",
    )
    scrub_rate: int = _setting(
        forms.size(0, 10 << 30),
        "4MiB",
        "How many bytes of stored bodies are checked against their digests per second in the background. 0 never does.",
        "bytes, or KiB, MiB, GiB",
    )
    account_id: str = _setting(
        forms.matching(r"\d{12}", "12 digits"),
        "000000000000",
        "The account number that AWS clients see (`allowed_account_ids`).",
        "12 digits",
    )
    region: str = _setting(
        forms.matching(r"[a-z0-9-]{1,32}", "a region name, such as us-east-1"),
        "us-east-1",
        "The region that AWS clients see for buckets made without one.",
        "region name",
    )
    public_url: str = _setting(
        forms.url, "", "The address by which clients reach this server, where it is behind a proxy.", "URL"
    )
    public_host: str = _setting(
        forms.matching(r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)?", "a host name without port"),
        "",
        "The host name below which bucket names are host names too (virtual-host style addressing).",
        "host name",
    )
    tls_cert: Path | None = _setting(
        forms.optional_path, "", "Certificate chain for https. One that is renewed needs no restart.", "PEM file"
    )
    tls_key: Path | None = _setting(forms.optional_path, "", "Private key of the certificate.", "PEM file")
    tls_self_signed: bool = _setting(
        forms.switch,
        False,
        "Whether to serve https with a certificate made at the first start, for development.",
        "true or false",
    )
    max_body: int = _setting(
        forms.size(1 << 20, 5 << 30), "1GiB", "The largest body that one request may carry.", "bytes, or KiB, MiB, GiB"
    )
    max_connections: int = _setting(
        forms.count(1, 100_000), 2048, "How many connections may be open at once; more are answered 503.", "connections"
    )
    max_connections_per_address: int = _setting(
        forms.count(0, 100_000),
        1024,
        "How many connections one network address may have open at once; more are closed. Trusted proxies may have "
        "any number. 0: no limit.",
        "connections",
    )
    address_rate: int = _setting(
        forms.count(0, 1_000_000),
        20000,
        "How many requests a network address may send, on average of ten seconds, before its credentials are looked "
        "at. 0: no limit.",
        "requests per second",
    )
    principal_rate: int = _setting(
        forms.count(0, 1_000_000),
        20000,
        "How many requests a principal may send, on average of ten seconds, from wherever. 0: no limit.",
        "requests per second",
    )
    failure_rate: int = _setting(
        forms.count(0, 1_000_000),
        3000,
        "How many wrong credentials a network address may present; more, and all of its requests are refused until "
        "the next may come. 0: no limit.",
        "wrong credentials per minute",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        forms.networks,
        "",
        "The networks of proxies whose X-Forwarded-For is believed. Empty: the address of the connection counts.",
        "networks, such as 10.0.0.0/8",
    )
    header_deadline: float = _setting(
        forms.seconds(1, 600), 15.0, "How long a client may take to send a request's header.", "seconds, 1 to 600"
    )
    body_deadline: float = _setting(
        forms.seconds(1, 600), 60.0, "How long a client may pause while it sends a body.", "seconds, 1 to 600"
    )
    audit_reads: bool = _setting(
        forms.switch,
        True,
        "Whether the audit log tells of requests that were allowed and changed nothing.",
        "true or false",
    )
    webhook_private_networks: bool = _setting(
        forms.switch,
        False,
        "Whether webhooks may lead to loopback and private networks, on loopback over plain http too.",
        "true or false",
    )
    waiting_notice: float = _setting(
        forms.seconds(1, 86_400),
        300.0,
        "How long somebody asks for a lock before the event `lock.waiting`.",
        "seconds, 1 to 86400",
    )
    audit_retention: int = _setting(
        forms.count(0, 36_500), 0, "How long entries of the audit log are kept; 0 keeps them for ever.", "days"
    )
    drain: float = _setting(
        forms.seconds(0, 600), 20.0, "How long requests may go on after SIGTERM.", "seconds, 0 to 600"
    )
    signin: str = _setting(
        forms.one_of("local", "oidc", "workos"),
        "local",
        "How people sign in to the console and `terraform login`: with an API token, or through an identity provider. "
        "An administrator's token always works.",
        "local, oidc or workos",
    )
    oidc_issuer: str = _setting(
        forms.issuer, "", "The OpenID Connect issuer, exactly as it names itself in its discovery document.", "URL"
    )
    oidc_client_id: str = _setting(forms.string, "", "The client id that the issuer gave this server.", "text")
    oidc_client_secret: str = _setting(
        forms.string,
        "",
        "The client's secret; better in a file or the variable than on the command line. Empty: a public client.",
        "secret",
        secret=True,
    )
    oidc_client_secret_file: Path | None = _setting(
        forms.optional_path, "", "A file with the client's secret, in place of it.", "file"
    )
    oidc_scopes: tuple[str, ...] = _setting(
        forms.words(r"[A-Za-z0-9:/._-]{1,200}", "scopes"),
        "openid,profile,email",
        "What to ask the issuer for; `openid` must be there. Some issuers tell groups only with one more.",
        "scopes",
    )
    oidc_groups_claim: str = _setting(
        forms.string,
        "groups",
        "The claim with the names of somebody's groups. Empty: groups are not looked at.",
        "claim",
    )
    oidc_organization_claim: str = _setting(
        forms.string, "", "The claim that `signin_organizations` is compared with, such as org_id, tid or hd.", "claim"
    )
    oidc_algorithms: tuple[str, ...] = _setting(
        forms.words(r"(RS|PS|ES)(256|384|512)|EdDSA", "RS256, PS256, ES256, EdDSA or their longer forms"),
        "RS256,ES256",
        "The algorithms by which ID tokens may be signed.",
        "algorithms",
    )
    oidc_label: str = _setting(forms.string, "single sign-on", "What the sign-in button says.", "text")
    workos_api_key: str = _setting(
        forms.string,
        "",
        "The API key of the WorkOS environment; better in a file or the variable.",
        "secret",
        secret=True,
    )
    workos_api_key_file: Path | None = _setting(
        forms.optional_path, "", "A file with the API key, in place of it.", "file"
    )
    workos_client_id: str = _setting(forms.string, "", "The client id of the WorkOS environment.", "text")
    workos_organization: str = _setting(
        forms.string,
        "",
        "Send people straight to this organization's connection. Empty: AuthKit asks them.",
        "organization id",
    )
    workos_url: str = _setting(forms.url, "https://api.workos.com", "Where the WorkOS API is.", "URL")
    ci_issuers: tuple[str, ...] = _setting(
        forms.words(r"https?://[A-Za-z0-9.:\[\]/_~-]{1,500}", "URLs"),
        "https://token.actions.githubusercontent.com,https://gitlab.com",
        "The CI systems whose ID tokens trust policies may name, exactly as these tokens name them (`iss`). "
        "Nobody else is asked for keys.",
        "URLs",
    )
    expiry_grace: float = _setting(
        forms.seconds(0, 72),
        12.0,
        "How long after its end a credential may still finish what it holds a lock for: save that state and unlock it, "
        "and nothing else. 0: not at all.",
        "hours, 0 to 72",
    )
    stale_silence: float = _setting(
        forms.seconds(5, 1440),
        30.0,
        "How long a credential that has ended or was revoked must be silent before the lock that it holds is called "
        "stale.",
        "minutes, 5 to 1440",
    )
    ci_job_links: tuple[tuple[str, str], ...] = _setting(
        forms.links,
        "",
        "Where the jobs of a CI system can be seen: its issuer, a space, and an address with `{claim}` where a claim "
        "of the ID token goes, such as `https://ci.example.com https://ci.example.com/{project}/builds/{build}`. "
        "GitHub's and GitLab's need none.",
        "ISSUER TEMPLATE, …",
    )
    ci_job_checks: tuple[forms.JobCheck, ...] = _setting(
        forms.job_checks,
        "",
        "Whose API is asked whether the job that holds a lock has ended: the issuer of its ID tokens, `github` or "
        "`gitlab`, the address of the API, and a file with a token that may read jobs (read at every question). "
        "Without it nobody is asked.",
        "ISSUER KIND API-URL [TOKEN-FILE], …",
    )
    ci_private_network: bool = _setting(
        forms.switch, False, "Whether these CI systems and their APIs may be in a private network.", "true or false"
    )
    signin_teams: tuple[tuple[str, str], ...] = _setting(
        forms.pairs,
        "",
        "Which groups of the provider (by name or id) are which teams here. A team that is linked to a group needs no "
        "entry.",
        "GROUP=TEAM, …",
    )
    signin_domains: tuple[str, ...] = _setting(
        forms.words(r"[a-z0-9.-]{1,253}", "domains", lower=True),
        "",
        "Only people with a verified address of mail in these domains may sign in. Empty: all.",
        "domains",
    )
    signin_organizations: tuple[str, ...] = _setting(
        forms.words(r"[A-Za-z0-9._:/-]{1,200}", "organizations"),
        "",
        "Only people of these organizations may sign in (WorkOS organization ids; with OpenID Connect see "
        "`oidc_organization_claim`). Empty: all.",
        "organizations",
    )
    signin_create_users: bool = _setting(
        forms.switch,
        True,
        "Whether somebody who signs in for the first time becomes a user, without any grants but those of teams. "
        "Otherwise only users who are known already come in.",
        "true or false",
    )
    signin_ca_file: Path | None = _setting(
        forms.optional_path,
        "",
        "Certificates to trust for the identity provider, in place of the system's.",
        "PEM file",
    )
    signin_private_network: bool = _setting(
        forms.switch,
        False,
        "Whether the identity provider may be at an address of a private network.",
        "true or false",
    )
    session_lifetime: float = _setting(
        forms.seconds(60, 30 * 86400), 8 * 3600, "How long a session lasts at most.", "seconds, 60 to 2592000"
    )
    session_idle: float = _setting(
        forms.seconds(60, 30 * 86400), 3600, "How long a session lasts while nobody uses it.", "seconds, 60 to 2592000"
    )
    login_lifetime: float = _setting(
        forms.seconds(0, 3650 * 86400),
        90 * 86400,
        "How long a token lasts that `terraform login` makes. 0: until it is revoked.",
        "seconds",
    )
    sessions_url: str = _setting(
        forms.redis,
        "",
        "A Redis to keep sessions in. Empty: they are kept in the database.",
        "URL",
        secret=True,
    )
    otel_endpoint: str = _setting(
        forms.url,
        "",
        "Where to send OpenTelemetry traces: an OTLP/HTTP collector, to whose address /v1/traces is added. Needs the "
        "extra `otel`. Empty: where the standard variable OTEL_EXPORTER_OTLP_ENDPOINT says, else nowhere.",
        "URL",
    )
    log_level: str = _setting(
        forms.one_of("debug", "info", "warning", "error"), "info", "The least important line that is logged.", "level"
    )
    log_format: str = _setting(forms.one_of("text", "json"), "text", "How log lines are written.", "text or json")

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingInvalid(
                "cannot serve https with only one of tls_cert and tls_key",
                hint="give both, or for development: lockhouse serve --tls-self-signed",
                setting="tls_key",
            )
        if self.tls_self_signed and self.tls_cert is not None:
            raise SettingInvalid(
                "cannot use tls_self_signed together with tls_cert",
                hint="give one of the two",
                setting="tls_self_signed",
            )
        self._check_sign_in()

    def _check_sign_in(self) -> None:
        needed: dict[str, tuple[str, ...]] = {
            "oidc": ("oidc_issuer", "oidc_client_id"),
            "workos": ("workos_client_id",),
        }
        for name in needed.get(self.signin, ()):
            if not getattr(self, name):
                raise SettingInvalid(
                    f"cannot sign people in with {self.signin} without {name}", hint=_HELP, setting=name
                )
        if self.signin == "workos" and not self.workos_api_key and self.workos_api_key_file is None:
            raise SettingInvalid(
                "cannot sign people in with workos without an API key", hint=_HELP, setting="workos_api_key"
            )
        if self.signin == "oidc":
            if "openid" not in self.oidc_scopes:
                raise SettingInvalid(
                    "cannot sign people in without the scope openid", hint=_HELP, setting="oidc_scopes"
                )
            if not self.oidc_algorithms:
                raise SettingInvalid(
                    "cannot believe any token: name an algorithm", hint=_HELP, setting="oidc_algorithms"
                )
            if self.signin_organizations and not self.oidc_organization_claim:
                raise SettingInvalid(
                    "cannot tell organizations apart without oidc_organization_claim",
                    hint=_HELP,
                    setting="oidc_organization_claim",
                )

    @property
    def backups_directory(self) -> Path:
        return self.backups or self.data / "backups"

    @property
    def scheme(self) -> str:
        return "https" if self.tls_self_signed or self.tls_cert is not None else "http"


def _declared() -> dict[str, Setting]:
    return {
        field.name: Setting(
            field.name,
            field.metadata["help"],
            field.metadata["unit"],
            field.metadata["default"],
            field.metadata["parse"],
            field.metadata["secret"],
        )
        for field in dataclasses.fields(Settings)
    }


SETTINGS: dict[str, Setting] = _declared()
"""Every setting by name, in the order of the documentation."""
