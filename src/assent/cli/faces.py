"""``assent enrol``, ``search``, ``verify`` and ``detect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import (
    CollectionOption,
    LargestOption,
    PhotoArgument,
    PhotosArgument,
    PurposeOption,
    open_assent,
    report,
    write_bytes,
)
from assent.cli.output import JsonOption, console, print_json, print_table, rate, steps
from assent.errors import AssentError, FaceError, ImageError, UsageError

if TYPE_CHECKING:
    from assent.service import Assent
    from assent.service.results import Enrolment, SearchResult
    from assent.types import Face

ThoroughOption = Annotated[
    bool, typer.Option("--thorough", help="Look for the smallest faces too (slower).", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (enrol, search, verify, detect):
        app.command()(command)


def enrol(
    ctx: typer.Context,
    photos: PhotosArgument,
    person: Annotated[str, typer.Option("--person", help="The person's id.", show_default=False)],
    collection: CollectionOption,
    largest: LargestOption = False,
    allow_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-mismatch", help="Take a face unlike the person's earlier photos.", show_default=False
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Enrol photos of a person who agreed. Three photos miss far less than one.

    Each photo is enrolled whole or refused with a reason; the exit code is that of the last refusal.

    Example: `assent enrol ana1.jpg ana2.jpg ana3.jpg --person ana -c club`
    """
    done: list[dict[str, object]] = []
    failure: AssentError | None = None
    with open_assent(ctx) as assent, steps("Enrolling", len(photos)) as step:
        for photo in photos:
            try:
                made = assent.enrol(
                    photo,
                    person=person,
                    collection=collection,
                    choose="largest" if largest else "only",
                    allow_mismatch=allow_mismatch,
                )
                done.append({"photo": photo, "enrolment": made})
            except (ImageError, FaceError) as error:
                # The other photos stand on their own.
                failure = error
                done.append({"photo": photo, "refused": type(error).__name__, "message": error.message})
            step()
    if as_json:
        print_json(done)
    else:
        _print_enrolments(done, person, collection)
    if failure is not None:
        raise typer.Exit(failure.exit_code)


def _print_enrolments(done: list[dict[str, object]], person: str, collection: str) -> None:
    rows = []
    for item in done:
        made = item.get("enrolment")
        rows.append((item["photo"], _enrolled(made) if made is not None else f"refused: {item['message']}"))  # type: ignore[arg-type]
    print_table(f"{person} in {collection}", ["photo", "result"], rows)


def _enrolled(made: Enrolment) -> str:
    alike = (
        ""
        if made.similarity_to_earlier is None
        else f", similarity to earlier photos {made.similarity_to_earlier:.0f}"
    )
    return f"enrolled as photo {made.num_templates}{alike}"


def search(
    ctx: typer.Context,
    photos: PhotosArgument,
    collection: CollectionOption,
    purpose: PurposeOption,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Similarity, 0 to 100; stricter than the collection's floor or without effect.",
            show_default=False,
        ),
    ] = None,
    max_candidates: Annotated[int, typer.Option("--max", min=1, help="Candidates a face at most.")] = 5,
    annotate: Annotated[
        Path | None,
        typer.Option(
            help="Folder for copies in which everybody but the candidates is blurred.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Who of a collection may be in these photos, with the error rate of every answer.

    Every face is searched. A candidate is not a verdict: look at the pictures before you act.

    Example: `assent search party.jpg -c club -p club-photos --annotate out/`
    """
    results: list[tuple[Path, SearchResult]] = []
    with open_assent(ctx) as assent, steps("Searching", len(photos)) as step:
        for photo in photos:
            result = assent.search(
                photo,
                collection=collection,
                purpose=purpose,
                threshold=threshold,
                max_candidates=max_candidates,
                thorough=annotate is not None,
            )
            results.append((photo, result))
            if annotate is not None:
                save_annotated(assent, photo, result, annotate)
            step()
    if as_json:
        print_json([{"photo": photo, **_result(result)} for photo, result in results])
    else:
        print_search(results)
        if annotate is not None:
            console.print(f"Pictures, everybody else blurred, are in {annotate}/.")


def save_annotated(assent: Assent, photo: Path, result: SearchResult, folder: Path) -> Path:
    """Write the picture in which only candidates are visible.

    Raises:
        UsageError: the folder cannot be written.
    """
    from assent.service.pictures import encode_png

    out = folder / f"{photo.stem}.png"
    if out.resolve() == photo.resolve():
        raise UsageError(f"{out} is the photo itself; choose another folder for --annotate")
    write_bytes(out, encode_png(assent.annotate(photo, result).image_rgb))
    return out


def print_search(results: list[tuple[Path, SearchResult]]) -> None:
    """Photos, faces, candidates and error rates, and what was applied."""
    rows = [row for photo, result in results for row in _rows(photo, result)]
    columns = [
        "photo",
        "face",
        "who",
        "similarity>",
        "at most so often between strangers",
        "false candidates expected>",
    ]
    print_table(None, columns, rows)
    for policy in {
        result.policy.similarity: result.policy for _, result in results if result.policy
    }.values():
        console.print(
            f"Threshold: similarity {policy.similarity:.1f} (false matches at most {rate(policy.max_fmr)}), so that "
            f"with {policy.gallery_size} people at most {rate(policy.fpir_target)} searches for somebody else name "
            f"anybody."
        )
    if all(result.policy is None for _, result in results):
        console.print("Nobody is enrolled with a live consent: nothing was compared.")


def _rows(photo: Path, result: SearchResult) -> list[tuple[object, ...]]:
    if not result.faces:
        return [(photo.name, "-", "no face found", "", "", "")]
    rows: list[tuple[object, ...]] = []
    for number, answer in enumerate(result.faces, 1):
        place = f"{number} of {len(result.faces)}"
        if answer.refused:
            rows.append((photo.name, place, f"not searched: {', '.join(answer.refused)}", "", "", ""))
        elif not answer.candidates:
            rows.append((photo.name, place, "nobody who agreed", "", "", ""))
        rows += [
            (
                photo.name,
                place,
                c.name or c.person,
                f"{c.similarity:.1f}",
                rate(c.fmr_at_score),
                f"{c.expected_false_candidates:.2g}",
            )
            for c in answer.candidates
        ]
    return rows


def _result(result: SearchResult) -> dict[str, object]:
    from assent.cli.output import to_json

    return dict(to_json(result))


def verify(
    ctx: typer.Context,
    photo: PhotoArgument,
    person: Annotated[str, typer.Option("--person", help="The person's id.", show_default=False)],
    collection: CollectionOption,
    purpose: PurposeOption,
    threshold: Annotated[
        float, typer.Option(help="Similarity: 80 is 1 false match in 1,000, 90 in 10,000.")
    ] = 80.0,
    largest: LargestOption = False,
    as_json: JsonOption = False,
) -> None:
    """Whether a photo shows one enrolled person (1:1). The exit code is 0 for yes and 1 for no.

    Example: `assent verify door.jpg --person ana -c club -p club-photos`
    """
    with open_assent(ctx) as assent:
        answer = assent.verify(
            photo,
            person=person,
            collection=collection,
            purpose=purpose,
            threshold=threshold,
            choose="largest" if largest else "only",
        )
    if as_json:
        print_json(answer)
    else:
        verdict = "match" if answer.is_match else "no match"
        console.print(
            f"{verdict}: similarity {answer.similarity:.1f}, threshold {answer.threshold_similarity:g}. Two different "
            f"people score this high in at most {rate(answer.fmr_at_score)} comparisons."
        )
    if not answer.is_match:
        raise typer.Exit(1)


def detect(
    ctx: typer.Context,
    photos: PhotosArgument,
    thorough: ThoroughOption = False,
    as_json: JsonOption = False,
) -> None:
    """Where the faces are, and whether they are good enough to enrol. Nothing is stored.

    Example: `assent detect party.jpg --json`
    """
    found: list[tuple[Path, dict[str, object]]] = []
    failure: AssentError | None = None
    with open_assent(ctx) as assent, steps("Detecting", len(photos)) as step:
        for photo in photos:
            try:
                result = assent.detect(photo, thorough=thorough)
                found.append(
                    (
                        photo,
                        {
                            "faces": result.faces,
                            "image_width": result.image_width,
                            "image_height": result.image_height,
                        },
                    )
                )
            except ImageError as error:
                failure = error
                found.append(
                    (photo, {"refused": type(error).__name__, "message": error.message, "faces": ()})
                )
                if not as_json:
                    report(error, as_json=False)
            step()
    if as_json:
        print_json([{"photo": photo, **item} for photo, item in found])
    else:
        rows = [row for photo, item in found for row in _face_rows(photo, item["faces"])]  # type: ignore[arg-type]
        columns = [
            "photo",
            "face",
            "box (x0 y0 x1 y1)",
            "confidence>",
            "eyes apart>",
            "sharpness>",
            "brightness>",
            "enrol",
        ]
        print_table(None, columns, rows)
    if failure is not None:
        raise typer.Exit(failure.exit_code)


def _face_rows(photo: Path, faces: tuple[Face, ...]) -> list[tuple[object, ...]]:
    if not faces:
        return [(photo.name, "-", "no face found", "", "", "", "", "")]
    return [
        (
            photo.name,
            number,
            " ".join(f"{v:.0f}" for v in face.box_xyxy),
            f"{face.quality.confidence:.2f}",
            f"{face.quality.inter_ocular_px:.0f} px",
            f"{face.quality.sharpness:.3f}",
            f"{face.quality.brightness:.0f}",
            "yes" if face.quality.is_good else ", ".join(face.quality.reasons),
        )
        for number, face in enumerate(faces, 1)
    ]
