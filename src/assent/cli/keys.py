"""``assent keys``."""

from __future__ import annotations

import typer

from assent.cli.common import YesOption, open_assent
from assent.cli.output import JsonOption, print_json, say

app = typer.Typer(name="keys", no_args_is_help=True, help="The master key: rotate.")


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
