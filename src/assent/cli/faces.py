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
    write_bytes,
)
from assent.cli.output import JsonOption, print_json, print_table, rate, say, to_json
from assent.cli.photos import each_photo, finish, print_outcomes
from assent.errors import UsageError

if TYPE_CHECKING:
    from assent.service import Assent
    from assent.service.results import Candidate, DetectionResult, Enrolment, SearchResult
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

    Each photo is enrolled whole or refused with a reason of its own; the exit code is that of the last refusal.

    Example: `assent enrol ana1.jpg ana2.jpg ana3.jpg --person ana -c club`
    """
    with open_assent(ctx) as assent:

        def enrol_one(photo: Path) -> Enrolment:
            return assent.enrol(
                photo,
                person=person,
                collection=collection,
                choose="largest" if largest else "only",
                allow_mismatch=allow_mismatch,
            )

        outcomes = each_photo(photos, "Enrolling", enrol_one)
    if as_json:
        print_json([o.as_json(lambda made: {"enrolment": made}) for o in outcomes])
    else:
        rows = [(o.photo, _enrolled(o.result)) for o in outcomes if o.result is not None]
        print_outcomes(rows, f"{person} in {collection}", ["photo", "result"])
    finish(outcomes, as_json=as_json)


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
    pictures = {} if annotate is None else annotated_paths(photos, annotate)
    with open_assent(ctx) as assent:

        def search_one(photo: Path) -> SearchResult:
            result = assent.search(
                photo,
                collection=collection,
                purpose=purpose,
                threshold=threshold,
                max_candidates=max_candidates,
                thorough=bool(pictures),
            )
            if photo in pictures:
                write_bytes(pictures[photo], encode_picture(assent, photo, result))
            return result

        outcomes = each_photo(photos, "Searching", search_one)
    if as_json:
        print_json([o.as_json(_result) for o in outcomes])
    else:
        results = [(o.photo, o.result) for o in outcomes if o.result is not None]
        if results:
            print_search(results)
            if annotate is not None:
                say(f"Pictures, everybody else blurred, are in {annotate}/.")
    finish(outcomes, as_json=as_json)


def annotated_paths(photos: list[Path], folder: Path) -> dict[Path, Path]:
    """Where each photo's picture goes: ``FOLDER/NAME.png``, numbered where several photos have one name.

    Raises:
        UsageError: the folder holds one of the photos, so that an original could be overwritten.
    """
    taken: set[str] = set()
    paths: dict[Path, Path] = {}
    for photo in dict.fromkeys(photos):
        if photo.resolve().parent == folder.resolve():
            raise UsageError(f"{photo} itself is in {folder}; choose another folder for --annotate")
        names = (
            f"{photo.stem}{suffix}.png" for suffix in ("", *(f"-{n}" for n in range(2, len(photos) + 2)))
        )
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())
        paths[photo] = folder / name
    return paths


def encode_picture(assent: Assent, photo: Path, result: SearchResult) -> bytes:
    """A PNG of the photo in which only candidates are visible."""
    from assent.service.pictures import encode_png

    return encode_png(assent.annotate(photo, result).image_rgb)


def print_search(results: list[tuple[Path, SearchResult]]) -> None:
    """Photos, faces, candidates, error rates and thresholds, and what the policy made of them."""
    rows = [row for photo, result in results for row in _rows(photo, result)]
    print_table(None, ["photo", "who", "similarity>", "threshold>", "error rate>", "expected>"], rows)
    if any(result.candidates for _, result in results):
        say(
            "Error rate: two different people are so alike at most that often (upper 95 % bound). Expected: that rate "
            "times the people compared, the false candidates that a search for somebody else brings."
        )
    policies = {result.policy.similarity: result.policy for _, result in results if result.policy}
    for policy in policies.values():
        people = "1 person" if policy.gallery_size == 1 else f"{policy.gallery_size:,} people"
        say(
            f"Threshold {policy.similarity:.1f}: an error rate of {rate(policy.max_fmr)}, so that with {people} "
            f"enrolled at most {rate(policy.fpir_target)} searches for somebody else name anybody."
        )
    for photo, result in results:
        if result.review_id is not None:
            say(f"{photo.name}: two people look first; then see assent review outcome {result.review_id}")
    if not policies:
        say("Nobody is enrolled with a live consent: nothing was compared.")


def _rows(photo: Path, result: SearchResult) -> list[tuple[object, ...]]:
    threshold = f"{result.policy.similarity:.1f}" if result.policy else ""
    rows: list[tuple[object, ...]] = []
    for number, answer in enumerate(result.faces, 1):
        place = photo.name if len(result.faces) == 1 else f"{photo.name} #{number}"
        if answer.refused:
            rows.append((place, f"not searched: {', '.join(answer.refused)}", "", "", "", ""))
        elif not answer.candidates:
            said = "nobody enrolled" if result.review_id is None else "two people look first"
            rows.append((place, said, "", threshold, "", ""))
        rows += [(place, *_candidate_cells(candidate, threshold)) for candidate in answer.candidates]
    return rows or [(photo.name, "no face found", "", "", "", "")]


def _candidate_cells(candidate: Candidate, threshold: str) -> tuple[str, ...]:
    return (
        candidate.name or candidate.person,
        f"{candidate.similarity:.1f}",
        threshold,
        rate(candidate.fmr_at_score),
        f"{candidate.expected_false_candidates:.5f}",
    )


def _result(result: SearchResult | DetectionResult) -> dict[str, object]:
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
        say(
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
    with open_assent(ctx) as assent:
        outcomes = each_photo(photos, "Detecting", lambda photo: assent.detect(photo, thorough=thorough))
    if as_json:
        print_json([o.as_json(_result) for o in outcomes])
    else:
        rows = [row for o in outcomes if o.result is not None for row in _face_rows(o.photo, o.result.faces)]
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
        print_outcomes(rows, None, columns)
    finish(outcomes, as_json=as_json)


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
