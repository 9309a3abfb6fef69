"""`lockhouse key`, `role` and `token`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import KeyName, On, Rights, grants
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockhouse.protocols.api.wire import CreatedKey, GrantDocument, PrincipalDocument

keys = typer.Typer(no_args_is_help=True, help="Access keys: who may do what.")
roles = typer.Typer(no_args_is_help=True, help="Roles: sets of grants that a key assumes, one session for each run.")
tokens = typer.Typer(no_args_is_help=True, help='API tokens: for this program, `backend "http"` and scripts.')

Name = Annotated[str, typer.Option("--name", help="A name of its own.", show_default=False)]
Names = Annotated[list[str], typer.Option("--by", metavar="NAME", help="Who may assume it.", show_default=False)]


@command(keys, "create")
def create(run: Run, *, name: Name, rights: Rights = [], on: On = []) -> None:  # noqa: B006 - Typer copies it
    """Create a key: an access key id and its secret, which is shown this once.

    Without --rights and --on it may read, write, lock and force-unlock everywhere.

    Example: lockhouse key create --name ci --rights read,write,lock --on terraform-state/apps/
    """
    made = run.client.create_key(name, grants(rights, on))
    run.show(made, _secret(made))


@command(keys, "list")
def list_keys(run: Run) -> None:
    """List keys, their grants and when they were last used."""
    found = run.client.keys()
    run.show(found, _principals(found, "no keys"))


@command(keys, "show")
def show(run: Run, name: KeyName) -> None:
    """Show one key or role."""
    found = run.client.key(name)
    run.show(found, _principal(found))


@command(keys, "revoke")
def revoke(run: Run, name: KeyName) -> None:
    """End a key with all its access keys and tokens, at once and for good.

    Example: lockhouse key revoke ci
    """
    run.client.revoke_key(name)
    run.done(name=name, text=f"revoked {name}")


@command(keys, "rotate")
def rotate(run: Run, name: KeyName) -> None:
    """Make one more access key of the same name; later, end the old one with `lockhouse token revoke ID`."""
    made = run.client.create_access_key(name)
    run.show(made, _secret(made))


@command(keys, "grant")
def grant(run: Run, name: KeyName, *, rights: Rights, on: On) -> None:
    """Add rights to a key or role.

    Example: lockhouse key grant ci --rights force-unlock --on terraform-state
    """
    found = run.client.grant(name, grants(rights, on))
    run.show(found, _principal(found))


@command(keys, "ungrant")
def ungrant(run: Run, name: KeyName, *, rights: Rights, on: On) -> None:
    """Take rights away, on exactly the places where they were granted."""
    found = run.client.ungrant(name, grants(rights, on))
    run.show(found, _principal(found))


@command(roles, "create")
def create_role(run: Run, *, name: Name, rights: Rights, on: On, by: Names = []) -> None:  # noqa: B006 - as above
    """Create a role. Sessions of it (AssumeRole) are holders of their own, so one run cannot write for another.

    Example: lockhouse role create --name deploy --rights read,write,lock --on terraform-state --by ci
    """
    made = run.client.create_role(name, grants(rights, on), by)
    run.show(made, facts((("role", made.name), ("arn", made.arn), ("grants", _grants(made.grants)))))


@command(roles, "list")
def list_roles(run: Run) -> None:
    """List roles and who may assume them."""
    found = run.client.roles()
    rows = [(each.name, _grants(each.grants), ", ".join(each.trusted)) for each in found]
    run.show(found, columns(("name", "grants", "assumed by"), rows, "no roles"))


@command(roles, "trust")
def trust(run: Run, name: KeyName, *, by: Names) -> None:
    """Say who may assume a role, in place of whoever might before.

    Example: lockhouse role trust deploy --by ci --by release
    """
    found = run.client.trust(name, by)
    run.show(found, _principal(found))


@command(roles, "revoke")
def revoke_role(run: Run, name: KeyName) -> None:
    """End a role and all its sessions, at once and for good."""
    run.client.revoke_key(name)
    run.done(name=name, text=f"revoked {name}")


@command(tokens, "create")
def create_token(
    run: Run,
    *,
    name: Annotated[str, typer.Option("--name", help="Of which key; without it, of your own.")] = "",
    days: Annotated[float, typer.Option("--days", help="How long it lasts; 0: until it is revoked.", min=0)] = 0,
) -> None:
    """Create an API token, which is shown this once.

    Example: lockhouse token create --name ci --days 90
    """
    made = run.client.create_token(name, days * 86_400 or None)
    run.show(made, made.token)


@command(tokens, "list")
def list_tokens(
    run: Run, name: Annotated[str, typer.Argument(metavar="[NAME]", help="Of which key; without it, your own.")] = ""
) -> None:
    """List the access keys and tokens of a key."""
    found = run.client.key(name or run.client.status().name).credentials
    rows = [
        (each.id, each.kind.replace("_", " "), short(each.created_at), short(each.expires_at), short(each.last_used_at))
        for each in found
    ]
    run.show(found, columns(("id", "kind", "created", "expires", "last used"), rows, "no tokens"))


@command(tokens, "revoke")
def revoke_token(
    run: Run, credential: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")]
) -> None:
    """End one token or access key, at once and for good."""
    ended = run.client.revoke_credential(credential)
    run.show(ended, f"revoked {ended.id}")


def _secret(made: CreatedKey) -> str:
    return facts(
        (
            ("name", made.name),
            ("access key id", made.access_key_id),
            ("secret access key", made.secret_access_key),
            ("grants", _grants(made.grants)),
        )
    )


def _grants(given: Sequence[GrantDocument]) -> str:
    return "; ".join(
        f"{','.join(each.rights)} on {each.namespace}{'/' if each.prefix else ''}{each.prefix}" for each in given
    )


def _principals(found: Sequence[PrincipalDocument], nothing: str) -> str:
    rows = [
        (
            each.name,
            each.kind,
            short(each.created_at),
            short(max((one.last_used_at for one in each.credentials), default="")),
            _grants(each.grants),
        )
        for each in found
    ]
    return columns(("name", "kind", "created", "last used", "grants"), rows, nothing)


def _principal(found: PrincipalDocument) -> str:
    return facts(
        (
            ("name", found.name),
            ("kind", found.kind),
            ("created", short(found.created_at)),
            ("grants", _grants(found.grants) or "none"),
            ("assumed by", ", ".join(found.trusted)),
            ("credentials", ", ".join(each.id for each in found.credentials)),
        )
    )


def register(app: typer.Typer) -> None:
    app.add_typer(keys, name="key")
    app.add_typer(roles, name="role")
    app.add_typer(tokens, name="token")
