"""``assent log``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import YesOption, open_assent, write_bytes
from assent.cli.output import JsonOption, counting, print_json, print_table, say
from assent.errors import UsageError

if TYPE_CHECKING:
    from assent.ledger.audit import Audit
    from assent.ledger.checkpoint import Checkpoint, PublicKey
    from assent.ledger.proof import Proof
    from assent.types import JsonObject

app = typer.Typer(
    name="log", no_args_is_help=True, help="The record of acts: show, sign, verify, prove, export."
)

KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        help="A public key that you kept, as `assent log key` prints it, or a file of them; repeatable.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write to this file instead of printing.", show_default=False),
]


@app.command()
def show(
    ctx: typer.Context,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of act, e.g. search; repeatable.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Who asked for what, when, and how many were returned. No names, no images.

    Example: `assent log show --kind search --json`
    """
    with open_assent(ctx) as assent:
        entries = assent.logbook.entries(kinds=tuple(kind or ()))[-last:]
    if as_json:
        print_json(entries)
        return
    rows = [
        (
            e["seq"],
            str(e["at"])[:19].replace("T", " "),
            e["kind"],
            e.get("actor") or "",
            e.get("purpose", ""),
            _count(e),
        )
        for e in entries
    ]
    print_table("Log", ["#>", "at (UTC)", "act", "who", "purpose", "returned>"], rows)


@app.command()
def verify(
    ctx: typer.Context,
    export: Annotated[
        Path | None,
        typer.Option(help="Verify an exported log instead of the data folder's.", show_default=False),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoints that you kept elsewhere; repeatable.", show_default=False),
    ] = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every entry and the Merkle tree, and compare with every signed checkpoint.

    Exit code 10 where something was altered, removed or moved; the message names the first such entry.

    Example: `assent log verify --export log.jsonl --checkpoint kept.txt --key KEY`
    """
    from assent.service.logbook import verify_export

    kept = [item for path in checkpoint or () for item in _checkpoints(path)]
    if export is not None:
        result = verify_export(_read(export), kept=kept, keys=_keys(key))
    else:
        with open_assent(ctx) as assent, counting("Verifying") as progress:
            result = assent.logbook.verify(kept=kept, keys=_keys(key), progress=progress)
    if as_json:
        print_json(_audit_json(result))
        return
    _say_audit(result, is_key_given=bool(key), is_export=export is not None)


@app.command()
def checkpoint(
    ctx: typer.Context,
    start_anew: Annotated[
        bool,
        typer.Option(
            "--start-anew", help="Go on though the earlier checkpoints are lost.", show_default=False
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign the log as it is now, and print that. Keep it where nobody who can change the log can change it.

    Example: `assent log checkpoint >> /media/elsewhere/kept.txt`
    """
    from assent.ledger.checkpoint import format_checkpoints

    with open_assent(ctx) as assent:
        made = assent.logbook.checkpoint(start_anew=start_anew)
    if as_json:
        print_json(_checkpoint_json(made))
    else:
        _print_as_it_is(format_checkpoints([made]))


@app.command()
def key(
    ctx: typer.Context,
    new: Annotated[
        bool, typer.Option("--new", help="Start a new signing key (with --yes).", show_default=False)
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """The public keys that the log is checked with, oldest first; the last one signs now.

    Example: `assent log key > log-public-key.txt`
    """
    with open_assent(ctx) as assent:
        if new and yes:
            assent.logbook.make_key()
        elif not new and not assent.logbook.public_keys():
            assent.logbook.checkpoint()
        keys = [str(item) for item in assent.logbook.public_keys()]
    if as_json:
        print_json({"public_keys": keys, "is_new": new and yes})
    elif new and not yes:
        say(
            "This would start a new signing key; the earlier one could not sign any more. To do it, add --yes."
        )
    else:
        _print_as_it_is("".join(f"{item}\n" for item in keys))


@app.command()
def prove(
    ctx: typer.Context,
    seq: Annotated[int, typer.Argument(help="The entry's number.", show_default=False)],
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that an entry is in the log, in a file that needs neither the log nor this machine to be checked.

    Example: `assent log prove 17 --out proof.json`
    """
    with open_assent(ctx) as assent:
        proof = assent.logbook.prove(seq)
    _give(proof, out, as_json=as_json)


@app.command()
def consistency(
    ctx: typer.Context,
    old_checkpoint: Annotated[
        Path,
        typer.Argument(help="A file with a checkpoint that was kept; its last one.", show_default=False),
    ],
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that the log is that of a kept checkpoint with entries added, and nothing else changed.

    Example: `assent log consistency kept.txt --out proof.json`
    """
    old = _checkpoints(old_checkpoint)[-1]
    with open_assent(ctx) as assent:
        proof = assent.logbook.consistency(old)
    _give(proof, out, as_json=as_json)


@app.command()
def verify_proof(
    proof: Annotated[Path, typer.Argument(help="From `log prove` or `log consistency`.", show_default=False)],
    key: Annotated[
        list[str],
        typer.Option(
            "--key",
            help="The log's public key that you kept, or a file of them; repeatable.",
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Check a proof with the log's public key and nothing else: no data folder is opened.

    Example: `assent log verify-proof proof.json --key log-public-key.txt`
    """
    from assent.ledger.proof import InclusionProof
    from assent.service.logbook import verify_proof as verify_file

    found = verify_file(_read(proof), _keys(key))
    if as_json:
        print_json({"holds": True, **found.as_json()})
    elif isinstance(found, InclusionProof):
        say(
            f"The proof holds: entry {found.seq} is in the log of {found.checkpoint.size} entries that was signed at "
            f"{found.checkpoint.at}.\n{found.entry}"
        )
    else:
        say(
            f"The proof holds: the log of {found.new.at} ({found.new.size} entries) is that of {found.old.at} "
            f"({found.old.size} entries) with entries added."
        )


@app.command()
def export(ctx: typer.Context, out: OutOption = None, as_json: JsonOption = False) -> None:
    """The whole log with a checkpoint over it, as JSON lines that can be verified without this machine.

    Example: `assent log export --out log.jsonl`
    """
    with open_assent(ctx) as assent:
        text = assent.logbook.export()
    num_entries = text.count("\n") - 2
    if out is None:
        _print_as_it_is(text)
        return
    write_bytes(out, text.encode())
    if as_json:
        print_json({"file": out, "num_entries": num_entries})
    else:
        say(f"Wrote {num_entries} entries to {out}")


def _give(proof: Proof, out: Path | None, *, as_json: bool) -> None:
    """A proof to a file, or printed: it is JSON in either case."""
    from assent.ledger.proof import format_proof

    text = format_proof(proof)
    if out is None:
        _print_as_it_is(text)
        return
    write_bytes(out, text.encode())
    if as_json:
        print_json({"file": out})
    else:
        say(f"Wrote {out}; check it with: assent log verify-proof {out} --key KEY")


def _print_as_it_is(text: str) -> None:
    """Without the folding of long lines that a terminal gets: every byte of these counts."""
    sys.stdout.write(text)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text; expected a file that `assent log` wrote") from error


def _keys(given: list[str] | None) -> list[PublicKey]:
    """The keys of ``--key``: each a key or a file's path."""
    from assent.service.logbook import read_keys

    return read_keys(item if item.startswith("assent/") else _read(Path(item)) for item in given or ())


def _checkpoints(path: Path) -> list[Checkpoint]:
    from assent.service.logbook import read_checkpoints

    return read_checkpoints(_read(path))


def _checkpoint_json(made: Checkpoint) -> JsonObject:
    return {
        "log": made.origin,
        "num_entries": made.size,
        "root": made.root.hex(),
        "at": made.at,
        "key_id": made.key_id,
        "text": str(made),
    }


def _audit_json(result: Audit) -> JsonObject:
    return {
        "num_entries": result.num_entries,
        "num_signed": result.num_signed,
        "num_checkpoints": len(result.checkpoints),
        "root": result.frontier.root.hex(),
        "last_checkpoint_at": result.checkpoints[-1].at if result.checkpoints else None,
        "key_ids": sorted({item.key_id for item in result.checkpoints}),
    }


def _say_audit(result: Audit, *, is_key_given: bool, is_export: bool) -> None:
    unsigned = result.num_entries - result.num_signed
    say(f"Entries: {result.num_entries}, in order and unaltered; root {result.frontier.root.hex()}")
    say(
        f"Checkpoints that agree: {len(result.checkpoints)}, the last over the first {result.num_signed} entries"
    )
    if unsigned:
        say(
            f"No checkpoint covers the last {unsigned}: run `assent log checkpoint`, and keep what it prints."
        )
    if not is_key_given:
        whose = "came with the export" if is_export else "lie on this machine"
        say(f"The public keys that were believed {whose}; give the one that you kept with --key to be sure.")


def _count(entry: JsonObject) -> str:
    candidates = entry.get("candidates")
    return str(len(candidates)) if isinstance(candidates, list) else ""
