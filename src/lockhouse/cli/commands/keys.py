"""`lockhouse key`, `role` and `token`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from lockhouse.cli.arguments import KeyName, On, Rights, Roles, grants, note_unknown_places
from lockhouse.cli.commands.access import principal_facts, principal_rows, shown_grants
from lockhouse.cli.frame import Run, command
from lockhouse.cli.printing import columns, facts, short
from lockhouse.errors import RequestInvalid

if TYPE_CHECKING:
    from lockhouse.protocols.api.wire_access import CreatedKey

keys = typer.Typer(no_args_is_help=True, help="Access keys: who may do what.")
roles = typer.Typer(no_args_is_help=True, help="Roles: sets of grants that a key assumes, one session for each run.")
tokens = typer.Typer(no_args_is_help=True, help='API tokens: for this program, `backend "http"` and scripts.')

Name = Annotated[str, typer.Option("--name", help="A name of its own.", show_default=False)]
Names = Annotated[list[str], typer.Option("--by", metavar="NAME", help="Who may assume it.", show_default=False)]


@command(keys, "create")
def create(
    run: Run,
    *,
    name: Name,
    rights: Rights = [],  # noqa: B006 - Typer copies it
    role: Roles = [],  # noqa: B006 - as above
    on: On = [],  # noqa: B006 - as above
) -> None:
    """Create a key: an access key id and its secret, which is shown this once.

    Without --rights and --on it may read, write, lock and force-unlock everywhere.

    Example: lockhouse key create --name ci --rights read,write,lock --on terraform-state/apps/
    """
    asked = grants(rights, on, role)
    made = run.client.create_key(name, asked)
    run.show(made, _secret(run, made))
    note_unknown_places(run, asked)


@command(keys, "list")
def list_keys(run: Run) -> None:
    """List keys, their grants and when they were last used.

    Example: lockhouse key list
    """
    found = run.client.keys()
    run.show(found, principal_rows(found, "no keys"))


@command(keys, "show")
def show(run: Run, name: KeyName) -> None:
    """Show one key or role.

    Example: lockhouse key show ci
    """
    found = run.client.key(name)
    run.show(found, principal_facts(found))


@command(keys, "revoke")
def revoke(run: Run, name: KeyName) -> None:
    """End a key with all its access keys and tokens, at once and for good.

    Example: lockhouse key revoke ci
    """
    run.client.revoke_key(name)
    run.done(name=name, text=f"revoked {name}")


@command(keys, "rotate")
def rotate(run: Run, name: KeyName) -> None:
    """Make one more access key of the same name; later, end the old one with `lockhouse token revoke ID`.

    `lockhouse token rotate ID` does both: the old one ends after a while by itself.

    Example: lockhouse key rotate ci
    """
    made = run.client.create_access_key(name)
    run.show(made, _secret(run, made))


@command(keys, "grant")
def grant(run: Run, name: KeyName, *, rights: Rights = [], role: Roles = [], on: On) -> None:  # noqa: B006 - as above
    """Add rights to a key or role.

    Example: lockhouse key grant ci --rights force-unlock --on terraform-state
    """
    asked = grants(rights, on, role)
    found = run.client.grant(name, asked)
    run.show(found, principal_facts(found))
    note_unknown_places(run, asked)


@command(keys, "ungrant")
def ungrant(run: Run, name: KeyName, *, rights: Rights = [], role: Roles = [], on: On) -> None:  # noqa: B006 - as above
    """Take rights away, on exactly the places where they were granted.

    Example: lockhouse key ungrant ci --rights force-unlock --on terraform-state
    """
    found = run.client.ungrant(name, grants(rights, on, role))
    run.show(found, principal_facts(found))


@command(roles, "create")
def create_role(
    run: Run,
    *,
    name: Name,
    rights: Rights = [],  # noqa: B006 - as above
    role: Roles = [],  # noqa: B006 - as above
    on: On,
    by: Names = [],  # noqa: B006 - as above
) -> None:
    """Create a role. Sessions of it (AssumeRole) are holders of their own, so one run cannot write for another.

    Example: lockhouse role create --name deploy --rights read,write,lock --on terraform-state --by ci
    """
    asked = grants(rights, on, role)
    made = run.client.create_role(name, asked, by)
    run.show(made, facts((("role", made.name), ("arn", made.arn), ("grants", shown_grants(made.grants)))))
    note_unknown_places(run, asked)


@command(roles, "list")
def list_roles(run: Run) -> None:
    """List roles and who may assume them.

    Example: lockhouse role list
    """
    found = run.client.roles()
    rows = [(each.name, shown_grants(each.grants), ", ".join(each.trusted)) for each in found]
    run.show(found, columns(("name", "grants", "assumed by"), rows, "no roles", prose=("grants", "assumed by")))


@command(roles, "trust")
def trust(run: Run, name: KeyName, *, by: Names) -> None:
    """Say who may assume a role, in place of whoever might before.

    Example: lockhouse role trust deploy --by ci --by release
    """
    found = run.client.trust(name, by)
    run.show(found, principal_facts(found))


@command(roles, "revoke")
def revoke_role(run: Run, name: KeyName) -> None:
    """End a role and all its sessions, at once and for good.

    Example: lockhouse role revoke deploy
    """
    run.client.revoke_key(name)
    run.done(name=name, text=f"revoked {name}")


@command(tokens, "create")
def create_token(
    run: Run,
    *,
    name: Annotated[str, typer.Option("--name", help="Whose; without it, your own.")] = "",
    days: Annotated[float, typer.Option("--days", help="How long it lasts; 0: until it is revoked.", min=0)] = 0,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="token, or access-key.")] = "token",
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    rights: Rights = [],  # noqa: B006 - as above
    role: Roles = [],  # noqa: B006 - as above
    on: On = [],  # noqa: B006 - as above
) -> None:
    """Create an API token (or an access key), which is shown this once.

    With --rights or --role and --on it may do only that, of all that its owner may.

    Example: lockhouse token create --name ci --days 90 --role planner --on terraform-state/apps/
    """
    from lockhouse.protocols.api.wire_access import AccessKeyAsk, TokenAsk

    scope = tuple(grants(rights, on, role)) or None
    lasting = days * 86_400 or None
    if kind == "token":
        made = run.client.create_token(TokenAsk(name=name, expires_in=lasting, scope=scope, description=description))
        run.show(made, made.token)
    elif kind == "access-key":
        asked = AccessKeyAsk(name=name, expires_in=lasting, scope=scope, description=description)
        key = run.client.create_scoped_access_key(asked)
        run.show(key, _secret(run, key))
    else:
        raise RequestInvalid(f"cannot create something of the kind {kind!r}", hint="--kind token, or --kind access-key")
    note_unknown_places(run, scope or ())


@command(tokens, "rotate")
def rotate_token(
    run: Run,
    credential: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
    *,
    grace: Annotated[float, typer.Option("--grace", help="Hours for which the old one still works.", min=0)] = 1.0,
) -> None:
    """Put a new token or access key in the place of one, with the same scope; it is shown this once.

    Example: lockhouse token rotate LHKEXAMPLEEXAMPLE234 --grace 24
    """
    made = run.client.rotate(credential, grace * 3600)
    pairs = (
        ("name", made.name),
        ("access key id" if made.secret_access_key else "id", made.id),
        ("secret access key", made.secret_access_key),
        ("token", made.token),
        ("expires", short(made.expires_at)),
        ("the old one ends", short(made.old_ends_at)),
    )
    run.show(made, facts(pairs))


@command(tokens, "list")
def list_tokens(
    run: Run, name: Annotated[str, typer.Argument(metavar="NAME", help="Of which key; without it, your own.")] = ""
) -> None:
    """List the access keys and tokens of a key.

    Example: lockhouse token list ci
    """
    found = run.client.key(name or run.client.status().name).credentials
    rows = [
        (
            each.id,
            each.kind.replace("_", " "),
            short(each.created_at),
            short(each.expires_at),
            short(each.last_used_at),
            "" if each.scope is None else shown_grants(each.scope) or "nothing",
            f"replaced by {each.replaced_by}" if each.replaced_by else each.description,
        )
        for each in found
    ]
    titles = ("id", "kind", "created", "expires", "last used", "scope", "note")
    run.show(found, columns(titles, rows, "no tokens", least=("created", "kind", "last used"), prose=("scope", "note")))


@command(tokens, "revoke")
def revoke_token(
    run: Run, credential: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")]
) -> None:
    """End one token or access key, at once and for good.

    Example: lockhouse token revoke LHKEXAMPLEEXAMPLE234
    """
    ended = run.client.revoke_credential(credential)
    run.show(ended, f"revoked {ended.id}")


def _secret(run: Run, made: CreatedKey) -> str:
    """The key, and what whoever gets it says where Terraform or the AWS CLI runs."""
    told = facts(
        (
            ("name", made.name),
            ("access key id", made.access_key_id),
            ("secret access key", made.secret_access_key),
            ("grants", shown_grants(made.grants)),
        )
    )
    variables = (
        ("AWS_ENDPOINT_URL", run.client.endpoint),
        ("AWS_ACCESS_KEY_ID", made.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", made.secret_access_key),
    )
    lines = "".join(f"  export {name}={shlex.quote(value)}\n" for name, value in variables)
    return f"{told}\nThe secret is not shown again. Where Terraform or the AWS CLI runs:\n\n{lines}"


def register(app: typer.Typer) -> None:
    app.add_typer(keys, name="key")
    app.add_typer(roles, name="role")
    app.add_typer(tokens, name="token")
