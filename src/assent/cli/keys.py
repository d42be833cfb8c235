"""``assent keys``: access keys for the server, and the master key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import YesOption, open_assent
from assent.cli.output import JsonOption, print_json, print_table, say, to_json, when
from assent.errors import NotFound

if TYPE_CHECKING:
    from assent.service import Assent
    from assent.store.access import AccessKey

app = typer.Typer(
    name="keys", no_args_is_help=True, help="Access keys: make, list, revoke. The master key: rotate."
)


@app.command()
def make(
    ctx: typer.Context,
    holder: Annotated[
        str,
        typer.Option(
            "--holder",
            help="An id for the person or program that will have it; the log names it. Two reviewers are two holders.",
            show_default=False,
        ),
    ],
    roles: Annotated[
        list[str],
        typer.Option(
            "--role", "-r", help="enroller, searcher, reviewer or admin; may be repeated.", show_default=False
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Make an access key for the server. Its secret is shown now and never again.

    Example: `assent keys make --holder door-camera --role searcher`
    """
    with open_assent(ctx) as assent:
        made = assent.access.make(holder, roles)
    if as_json:
        print_json({**_key(made.key), "secret": made.secret})
        return
    say(f"Made a key for {made.key.holder} ({_roles(made.key)}). The secret is shown this once:")
    say(f"  AWS_ACCESS_KEY_ID={made.key.id}")
    say(f"  AWS_SECRET_ACCESS_KEY={made.secret}")


@app.command("list")
def list_keys(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Every access key, revoked ones too; never the secrets.

    Example: `assent keys list`
    """
    with open_assent(ctx) as assent:
        keys = assent.access.list()
    if as_json:
        print_json([_key(key) for key in keys])
        return
    rows = [(k.id, k.holder, _roles(k), when(k.created_at), when(k.revoked_at)) for k in keys]
    print_table("Access keys", ["key!", "holder", "roles", "made", "revoked"], rows)


@app.command()
def revoke(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="The key's id.", show_default=False)],
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """End an access key: the next request with it is refused. Says what it would do unless --yes.

    Example: `assent keys revoke ASNTQX7MH2LK4PZD3RWA --yes`
    """
    with open_assent(ctx) as assent:
        found = assent.access.revoke(key) if yes else _found(assent, key)
    if as_json:
        print_json({"dry_run": not yes, **_key(found)})
    elif yes:
        say(f"Revoked {found.id} of {found.holder}.")
    elif found.revoked_at is not None:
        say(f"{found.id} of {found.holder} was revoked on {when(found.revoked_at)}.")
    else:
        say(
            f"Would revoke {found.id} of {found.holder} ({_roles(found)}). Nothing was done; add --yes to do it."
        )


def _found(assent: Assent, key_id: str) -> AccessKey:
    for key in assent.access.list():
        if key.id == key_id:
            return key
    raise NotFound("no access key has this id; list them (assent keys list)")


def _roles(key: AccessKey) -> str:
    return ", ".join(sorted(key.roles))


def _key(key: AccessKey) -> dict[str, object]:
    return {**to_json(key), "roles": sorted(key.roles)}


@app.command()
def rotate(ctx: typer.Context, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Put a new master key in the place of the old one. Backups made before can then no longer be decrypted.

    Do it after a withdrawal to make the person unreadable in older backups too, and make a new backup. Says what it
    would do unless --yes.

    Example: `assent keys rotate --yes`
    """
    with open_assent(ctx) as assent:
        if yes:
            assent.rotate_master_key()
        key_path = assent.settings.key_path
    if as_json:
        print_json({"dry_run": not yes, "key_file": key_path})
    elif yes:
        say(f"The master key in {key_path} is new. Backups made before cannot be decrypted with it.")
    else:
        say(
            f"Would replace the master key in {key_path}, after which older backups of the records cannot be "
            f"decrypted. Nothing was done; add --yes to do it."
        )
