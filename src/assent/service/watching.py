"""Looking through a video: its faces as tracks, and who of the consenting they may be."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assent.errors import UsageError, VideoTooLarge
from assent.service.context import Context
from assent.service.findings import SearchFacts, VideoFindings, findings_of
from assent.service.images import require_file
from assent.service.results import Candidate
from assent.service.videos import check_search, search_tracks
from assent.store.access import Role
from assent.types import JsonObject
from assent.video.types import Analysis, Progress

if TYPE_CHECKING:
    from assent.service.looks import LookPlace


@dataclass(frozen=True, slots=True)
class NamedTrack:
    """A track and somebody whom it may show.

    Attributes:
        track: its index.
        candidate: who.
        is_confirmed: see ``TrackAnswer``.
    """

    track: int
    candidate: Candidate
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """What was found in a video, and whom.

    Attributes:
        findings: all that names nobody.
        named: whom, best first for each track.
    """

    findings: VideoFindings
    named: tuple[NamedTrack, ...]


@dataclass(frozen=True, slots=True)
class Appearance:
    """Some time in which somebody may be seen.

    Attributes:
        track: its index, in this video only.
        start_s: seconds after the video's first frame.
        end_s: likewise.
        similarity: 0 to 100.
        fmr_at_score: upper 95 % bound of the rate at which two different people score this high or higher.
        is_confirmed: see ``TrackAnswer``.
    """

    track: int
    start_s: float
    end_s: float
    similarity: float
    fmr_at_score: float
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class PersonInVideo:
    """One of the consenting, and when they may be seen.

    Attributes:
        person: the person's id.
        name: if one was given.
        consent_id: the consent that allows this answer.
        appearances: by start.
    """

    person: str
    name: str | None
    consent_id: str
    appearances: tuple[Appearance, ...]

    @property
    def seen_s(self) -> float:
        """For how long, seconds."""
        return sum(appearance.end_s - appearance.start_s for appearance in self.appearances)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Who of the consenting may be in a video, and when. Everybody else is a number of tracks.

    Attributes:
        people: longest seen first.
        num_others: tracks of people who were not named: strangers, and those who could not be searched for.
        num_undecided: of them, tracks whose own pictures do not agree on whom the search named.
        findings: everything that names nobody: boxes, times, what the search was held to.
    """

    people: tuple[PersonInVideo, ...]
    num_others: int
    num_undecided: int
    findings: VideoFindings


def watch(
    ctx: Context,
    video: Path,
    *,
    collection: str,
    purpose: str,
    threshold: float | None = None,
    look: LookPlace | None = None,
    progress: Progress | None = None,
    stop: Callable[[], None] | None = None,
) -> Watched:
    """Who of a collection's consenting people may be in a video.

    Args:
        ctx: the open data folder.
        video: a file.
        collection: the collection's name.
        purpose: what the search is for.
        threshold: see ``search_tracks``.
        look: see ``analysis_of``.
        progress: told now and then how far it is.
        stop: called before each frame; what it raises ends it.

    Raises:
        NotFound: no such file or collection.
        VideoError: the file cannot be read, or is too large.
        Forbidden, WrongPurpose, CalibrationError, UsageError: as for ``search_tracks``.
    """
    check_search(ctx, collection=collection, purpose=purpose)
    analysis = analysis_of(ctx, video, look=look, progress=progress, stop=stop)
    result = search_tracks(ctx, analysis, collection=collection, purpose=purpose, threshold=threshold)
    named = tuple(
        NamedTrack(track.index, candidate, track.is_confirmed)
        for track in result.tracks
        for candidate in track.candidates
    )
    return Watched(findings_of(analysis, answers=result.tracks, search=SearchFacts.of(result)), named)


def details_of(named: NamedTrack) -> JsonObject:
    """What is kept, sealed, of a match."""
    candidate = asdict(named.candidate)
    kept = ("similarity", "score", "fmr_at_score", "expected_false_candidates", "num_templates")
    return {
        "track": named.track,
        "is_confirmed": named.is_confirmed,
        **{name: candidate[name] for name in kept},
    }


def watch_faces(
    ctx: Context,
    path: Path,
    *,
    look: LookPlace | None = None,
    progress: Progress | None = None,
    stop: Callable[[], None] | None = None,
) -> VideoFindings:
    """The faces of a video as tracks; nobody is searched for, and nothing is embedded.

    ``look`` as for ``analysis_of``.

    Raises:
        NotFound: no such file.
        VideoError: it cannot be read, or is too large.
        Forbidden: the caller is neither enroller nor searcher.
    """
    ctx.require(Role.ENROLLER, Role.SEARCHER)
    return findings_of(analysis_of(ctx, path, look=look, progress=progress, stop=stop))


def analysis_of(
    ctx: Context,
    path: Path,
    *,
    look: LookPlace | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    stop: Callable[[], None] | None = None,
) -> Analysis:
    """The tracks of a video, within the limits of the settings.

    Args:
        ctx: the open data folder.
        path: a file.
        look: where what is known is kept meanwhile, and gone on with; None for nowhere.
        sha256: of the file, where it is known already.
        progress: told now and then how far it is.
        stop: called before each frame; what it raises ends it.

    Raises:
        NotFound: no such file.
        VideoError: it cannot be read, or is too large.
        UsageError: the ``video`` extra is not installed.
    """
    require_file(path)
    check_size(ctx, path)
    require_video_extra()
    from assent.service.looks import look_through
    from assent.video.settings import AnalysisSettings

    return look_through(
        ctx,
        path,
        settings=AnalysisSettings(),
        place=look,
        sha256=sha256,
        progress=within_length(ctx, progress),
        stop=stop,
    )[0]


def require_video_extra() -> None:
    """Say what is missing before anything is done.

    Raises:
        UsageError: the ``video`` extra is not installed.
    """
    if importlib.util.find_spec("av") is None:
        raise UsageError("videos need av, which is not installed; run: pip install 'assent[video]'")


def check_size(ctx: Context, path: Path) -> None:
    """Refuse a file over the limit.

    Raises:
        VideoTooLarge: over ``max_video_bytes``.
    """
    check_num_bytes(path.stat().st_size, ctx.settings.max_video_bytes)


def check_num_bytes(num_bytes: int, max_bytes: int) -> None:
    """Refuse what is over the limit.

    Raises:
        VideoTooLarge: it is.
    """
    if num_bytes > max_bytes:
        raise VideoTooLarge(
            f"expected a video of at most {max_bytes:,} bytes, got a larger one; cut it, or raise "
            "ASSENT_MAX_VIDEO_BYTES"
        )


def check_length(ctx: Context, length_s: float | None) -> None:
    """Refuse a video over the limit; None is not known yet.

    Raises:
        VideoTooLarge: over ``max_video_s``.
    """
    if length_s is not None and length_s > ctx.settings.max_video_s:
        raise VideoTooLarge(
            f"expected a video of at most {ctx.settings.max_video_s / 3600:g} hours, got a longer one; cut it, or "
            "raise ASSENT_MAX_VIDEO_S"
        )


def within_length(ctx: Context, progress: Progress | None) -> Progress:
    """The same, refusing a video over the limit by what its container says, and by what was read of it.

    What is returned raises ``VideoTooLarge`` (see ``check_length``).
    """

    def told(done_s: float, total_s: float | None) -> None:
        check_length(ctx, total_s)
        check_length(ctx, done_s)
        if progress is not None:
            progress(done_s, total_s)

    return told


def timeline_of(findings: VideoFindings, named: Sequence[NamedTrack]) -> Timeline:
    """Findings and names, put together by person."""
    tracks = {track.index: track for track in findings.tracks}
    by_person: dict[str, list[NamedTrack]] = defaultdict(list)
    for item in named:
        by_person[item.candidate.person].append(item)
    people = [_person(items, tracks) for items in by_person.values()]
    others = [track for track in findings.tracks if track.index not in {item.track for item in named}]
    return Timeline(
        people=tuple(sorted(people, key=lambda person: (-person.seen_s, person.person))),
        num_others=len(others),
        num_undecided=sum(track.is_undecided for track in others),
        findings=findings,
    )


def _person(items: Sequence[NamedTrack], tracks: dict[int, Any]) -> PersonInVideo:
    first = items[0].candidate
    appearances = [
        Appearance(
            item.track,
            tracks[item.track].start_s,
            tracks[item.track].end_s,
            item.candidate.similarity,
            item.candidate.fmr_at_score,
            item.is_confirmed,
        )
        for item in items
    ]
    return PersonInVideo(
        first.person,
        first.name,
        first.consent_id,
        tuple(sorted(appearances, key=lambda appearance: (appearance.start_s, appearance.track))),
    )
