"""Copies of videos: looked at once, decided, then written in a second pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from assent.errors import ConsentError, NotFound, UndecodableFrame, UsageError
from assent.objects.whole import require_output
from assent.service.context import Context
from assent.service.decisions import (
    Decisions,
    Kept,
    Verdict,
    decisions_of,
    digest_of,
    read_decisions,
    regions_of,
    write_decisions,
)
from assent.service.images import require_file
from assent.service.redacting import Redaction, check_redaction
from assent.service.watching import require_video_extra
from assent.video.types import Rendering

if TYPE_CHECKING:
    from assent.service.looks import LookPlace
    from assent.video.types import Progress

LOOK_NAME: Final = ".{name}.assent-look.json"
"""Where what is known so far lies while a video is looked at, so that a killed run goes on from there."""

WORK_NAME: Final = ".{name}.assent-work.json"
"""Where a video's decisions lie beside the copy while it is written, so that a killed run need not look again."""


@dataclass(frozen=True, slots=True, eq=False)
class RedactedVideo:
    """What became of a video.

    Attributes:
        num_hidden: tracks.
        num_shown: tracks left visible.
        people: who they are, by id, where they were recognised.
        num_frames: of the clip, or of the part of it.
        duration_s: from the first frame to the last.
        rendering: what was written; None for a dry run.
        is_analysed: whether the clip was looked at; False where decisions were there already.
        decisions: on every track.
        notes: what else there is to know.
    """

    num_hidden: int
    num_shown: int
    people: tuple[str, ...]
    num_frames: int
    duration_s: float
    rendering: Rendering | None
    is_analysed: bool
    decisions: Decisions
    notes: tuple[str, ...] = ()


def redact_video(
    ctx: Context,
    source: Path,
    target: Path,
    asked: Redaction,
    *,
    edit: Path | None = None,
    look: LookPlace | None = None,
    looking: Progress | None = None,
    writing: Progress | None = None,
    stop: Callable[[], None] | None = None,
    threads: int = 0,
) -> RedactedVideo:
    """Write a copy of a video with faces hidden from their first to their last visible frame.

    Args:
        ctx: the open data folder.
        source: the video.
        target: the copy; its name's end says what kind of file it is.
        asked: how.
        edit: a file of decisions. Where it is there, they are used, and the clip is not looked at again; else they are
            written there.
        look: where what is known lies while the clip is looked at, which is the caller's to remove; None for a file
            beside the copy, which goes when the look is done.
        looking: told how far the first pass is.
        writing: told how far the second is.
        stop: called before each frame; what it raises ends the work.
        threads: for decoding and encoding; 0 takes the machine's cores.

    Raises:
        NotFound: no such file.
        VideoError: the video cannot be read; or a frame of it cannot be decoded, and ``asked.is_strict``.
        AlreadyExists: the copy is there.
        UsageError: the copy is the original, cannot be written, is of no kind that is written; the decisions are of
            another clip, or malformed; or the ``video`` extra is not installed.
        Forbidden, ConsentError, CalibrationError: see ``check_redaction``.
    """
    require_video_extra()
    from assent.service.looks import LookPlace
    from assent.video.encoders import kind_of
    from assent.video.rendering import require_part

    check_redaction(ctx, asked)
    require_file(source)
    kind_of(target)
    require_part(asked.start_s, asked.end_s)
    sources = [source] if edit is None else [source, edit]
    require_output(target, sources=sources, overwrite=asked.overwrite or asked.dry_run)
    work = edit or target.with_name(WORK_NAME.format(name=target.name))
    is_kept = edit is not None or not asked.dry_run
    beside = None
    if is_kept and look is None:
        beside = look = LookPlace(work.with_name(LOOK_NAME.format(name=target.name)))
    decisions, notes, is_analysed = _decided(
        ctx,
        source,
        work,
        look,
        asked,
        is_edit=edit is not None,
        looking=looking,
        stop=stop,
        threads=threads,
    )
    if asked.is_strict and decisions.blank_frames:
        time_s = decisions.times_s[decisions.blank_frames[0]]
        raise UndecodableFrame(
            f"the frame at {time_s:.3f} s cannot be decoded; nothing was written. Without --strict it is blanked",
            time_s=time_s,
        )
    if is_analysed and is_kept:
        write_decisions(work, decisions)
    if beside is not None:
        beside.path.unlink(missing_ok=True)
    rendering = None
    if not asked.dry_run:
        rendering = _rendered(ctx, source, target, asked, decisions, writing, stop, threads)
        if edit is None:
            work.unlink(missing_ok=True)
    shown = decisions.shown
    times_s = decisions.times_s
    return RedactedVideo(
        num_hidden=len(decisions.hidden),
        num_shown=len(shown),
        people=tuple(sorted({track.person for track in shown if track.person is not None})),
        num_frames=len(times_s),
        duration_s=times_s[-1] - times_s[0] if times_s else 0.0,
        rendering=rendering,
        is_analysed=is_analysed,
        decisions=decisions,
        notes=notes,
    )


def _decided(
    ctx: Context,
    source: Path,
    work: Path,
    look: LookPlace | None,
    asked: Redaction,
    *,
    is_edit: bool,
    looking: Progress | None,
    stop: Callable[[], None] | None,
    threads: int,
) -> tuple[Decisions, tuple[str, ...], bool]:
    """Decisions, notes, and whether the clip was looked at for them."""
    sha256 = digest_of(source)
    if work.exists():
        try:
            decisions = read_decisions(work)
            _check_fit(decisions, work, sha256, asked)
            decisions, notes = _still_consenting(ctx, decisions)
            return decisions, (f"decisions taken from {work.name}", *notes), False
        except (UsageError, NotFound):
            if is_edit:
                raise
            # A file that another run left, of another clip or other wishes: looked at anew, and written over.
    decisions, notes = _analysed(ctx, source, sha256, look, asked, looking, stop, threads)
    return decisions, notes, True


def _check_fit(decisions: Decisions, path: Path, sha256: str, asked: Redaction) -> None:
    if decisions.sha256 != sha256:
        raise UsageError(
            f"{path} is of another clip (its sha256 differs); give the clip's own, or another name"
        )
    if (decisions.start_s, decisions.end_s) != (asked.start_s, asked.end_s):
        raise UsageError(
            f"{path} is of another part of the clip ({decisions.start_s:g} s to "
            f"{'its end' if decisions.end_s is None else f'{decisions.end_s:g} s'}); give the same part"
        )
    if asked.collection is not None and decisions.kept != asked.kept:
        raise UsageError(
            f"{path} was made with others to be kept visible; leave out --keep and --keep-consented to use its "
            "decisions, or remove it to look anew"
        )
    if asked.collection is None and decisions.kept.collection is not None and path.name.startswith("."):
        raise UsageError(f"{path} was made with somebody to be kept visible")


def _still_consenting(ctx: Context, decisions: Decisions) -> tuple[Decisions, tuple[str, ...]]:
    """Hide whoever was recognised and has withdrawn since: a no is final at once."""
    kept = decisions.kept
    recognised = {track.person for track in decisions.shown if track.person is not None}
    if not recognised:
        return decisions, ()
    gone = {person for person in recognised if not _consents(ctx, kept, person)}
    tracks = frozenset(track.index for track in decisions.shown if track.person in gone)
    if not tracks:
        return decisions, ()
    return decisions.hiding(tracks, "consent-ended"), (
        f"{len(tracks)} tracks are hidden now, since the consent that they were kept for has ended",
    )


def _consents(ctx: Context, kept: Kept, person: str) -> bool:
    from assent.service.videos import check_search

    if kept.collection is None or kept.purpose is None:
        return False
    try:
        check_search(ctx, collection=kept.collection, purpose=kept.purpose, people=[person])
    except (ConsentError, NotFound):
        return False
    return True


def _analysed(
    ctx: Context,
    source: Path,
    sha256: str,
    look: LookPlace | None,
    asked: Redaction,
    looking: Progress | None,
    stop: Callable[[], None] | None,
    threads: int,
) -> tuple[Decisions, tuple[str, ...]]:
    from assent.service.looks import look_through
    from assent.video.settings import HIDE_ALL, AnalysisSettings

    analysis, notes = look_through(
        ctx,
        source,
        settings=AnalysisSettings() if asked.collection is not None else HIDE_ALL,
        place=look,
        sha256=sha256,
        part=(asked.start_s, asked.end_s),
        threads=threads,
        progress=looking,
        stop=stop,
    )
    if not analysis.num_frames:
        raise UsageError(
            f"there is no frame of {source.name} from {asked.start_s:g} s on; choose a part that it has (--from, --to)"
        )
    verdicts: dict[int, Verdict] = {}
    if asked.collection is not None and asked.purpose is not None:
        from assent.service.videos import decide, search_tracks

        found = search_tracks(ctx, analysis, collection=asked.collection, purpose=asked.purpose)
        if found.review_id is not None:
            notes += (f"two people look first, so that everybody is hidden (review {found.review_id})",)
        for decision in decide(found, asked.people):
            verdicts[decision.index] = Verdict(
                "keep" if decision.is_visible else "hide", decision.person, decision.reason
            )
    # What was seen of strangers is dropped here: boxes and times are all that goes on.
    return (
        decisions_of(
            analysis,
            verdicts,
            sha256=sha256,
            start_s=asked.start_s,
            end_s=asked.end_s,
            kept=asked.kept,
        ),
        notes,
    )


def _rendered(
    ctx: Context,
    source: Path,
    target: Path,
    asked: Redaction,
    decisions: Decisions,
    writing: Progress | None,
    stop: Callable[[], None] | None,
    threads: int,
) -> Rendering:
    from assent.video.encoders import Quality
    from assent.video.rendering import Drawing, render

    drawing = Drawing(
        method=asked.method,
        margin=asked.margin,
        quality=Quality(asked.quality),
        is_strict=asked.is_strict,
        threads=threads,
        max_pixels=ctx.settings.max_video_pixels,
    )
    return render(
        source,
        target,
        regions_of(decisions),
        drawing=drawing,
        times_s=np.array(decisions.times_s, np.float64),
        blank_frames=decisions.blank_frames,
        start_s=asked.start_s,
        end_s=asked.end_s,
        overwrite=asked.overwrite,
        progress=writing,
        stop=stop,
    )
