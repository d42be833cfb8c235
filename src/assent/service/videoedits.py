"""The job that hides people in a video, and does so again when somebody has decided otherwise.

The video is looked at once. What a person needs to decide about its tracks is kept, each part sealed in a file whose
key stands in the sealed result, so that all of it ends with the job: boxes, a strip of pictures of each track, and a
form of the original that browsers play. Pictures of whoever was named are kept with the match instead, and go with the
consent. No template is kept, of anybody.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from assent.service.context import Context
from assent.service.decisions import Decisions, Kept, decisions_of, digest_of, regions_of
from assent.service.findings import SearchFacts, findings_of
from assent.service.jobfiles import kept_path
from assent.service.strips import strip_jpeg
from assent.service.videos import TrackDecision, TracksResult, check_search, decide, search_tracks
from assent.service.watching import NamedTrack, analysis_of, details_of
from assent.store.jobvalues import NewMatch
from assent.store.sealedfiles import seal_file, unsealed
from assent.video.types import ClipFacts, Progress, Rendering
from assent.vision.redact import RedactMethod

if TYPE_CHECKING:
    from assent.service.jobkinds import JobTask
    from assent.video.types import Analysis

Choice = Literal["hide", "keep", "drop"]
"""What is decided about a track: covered, left visible, or no face at all."""
CONSENT_ENDED: Final = "consent-ended"
BY_HAND: Final = "by-hand"
_LOOKING, _COPYING = 0.5, 0.7  # shares of the work that are done after each


@dataclass(frozen=True, slots=True)
class TrackState:
    """What is decided about one track, and what there is to see of it.

    Attributes:
        index: of the track.
        choice: what is decided.
        reason: why, in a word (see ``TrackDecision``), ``by-hand`` or ``consent-ended``.
        is_named: the search named somebody for it; without a live match it can only be hidden.
        strip: where its strip lies in the file of strips, first byte and length; None where it has none there.
    """

    index: int
    choice: Choice
    reason: str
    is_named: bool = False
    strip: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A sealed file that is kept with the result.

    Attributes:
        name: among the job's files.
        key: that it is sealed with, hexadecimal.
    """

    name: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What the copy is like.

    Attributes:
        num_blanked: frames that could not be decoded, and are grey in it.
        copied: streams that came along as they were.
        encoded: streams that were encoded anew, and as what.
        removed: what was left out.
        notes: what else is different from the original.
    """

    num_blanked: int
    copied: tuple[str, ...]
    encoded: tuple[str, ...]
    removed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VideoEdit:
    """All that somebody needs to decide about a video's tracks; names nobody.

    Attributes:
        method: what is put where a face was.
        is_rendered: whether a copy is wanted.
        tracks: by index.
        files: ``boxes``; ``strips`` and ``before`` where there are any.
        copy: what the copy is like; None where there is none.
    """

    method: RedactMethod
    is_rendered: bool
    tracks: tuple[TrackState, ...]
    files: Mapping[str, KeptFile]
    copy: CopyFacts | None = None

    def choosing(
        self, choices: Mapping[int, Choice], *, method: RedactMethod, named: Sequence[NamedTrack]
    ) -> VideoEdit:
        """The same with other choices, to be rendered."""
        confirmed = {item.track for item in named if item.is_confirmed}
        return dataclasses.replace(
            self,
            method=method,
            is_rendered=True,
            tracks=tuple(_chosen(state, choices.get(state.index), confirmed) for state in self.tracks),
        )


@dataclass(frozen=True, slots=True)
class EditedVideo:
    """What came of the job.

    Attributes:
        result: findings and edit, to be sealed; names and pictures nobody.
        matches: whom it names.
        output: the copy; None where none is wanted.
    """

    result: bytes = field(repr=False)
    matches: tuple[NewMatch, ...]
    output: Path | None


def edit_video(ctx: Context, task: JobTask) -> EditedVideo:
    """Look at a video, unless that was done before, and write its copy.

    Args:
        ctx: the open data folder, as whoever asked.
        task: its options are ``method``, ``render`` (whether a copy is wanted at first), and ``collection`` and
            ``purpose`` where people are searched for.

    Raises:
        VideoError: it cannot be read, or is too large.
        Forbidden, ConsentError, CalibrationError, NotFound: as for ``search_tracks``.
    """
    with ctx.records.reading() as tx:
        earlier = tx.job_earlier_result(task.job_id)
    look = _looked(ctx, task) if earlier is None else _again(ctx, task, earlier)
    edit = _consenting(look.edit, look.matches)
    output = None
    if edit.is_rendered:
        output = task.folder / "copy.mp4"
        boxes = Decisions.model_validate_json(
            zlib.decompress(b"".join(kept_bytes(ctx, task.job_id, edit.files["boxes"])))
        )
        done = _write(ctx, task, output, edit, boxes, begin=_COPYING if earlier is None else 0.0)
        edit = dataclasses.replace(edit, copy=_facts(done))
    shown = {state.index for state in edit.tracks if state.choice != "hide"}
    matches = tuple(
        dataclasses.replace(match, is_pictured=edit.is_rendered and match.details["track"] in shown)
        for match in look.matches
    )
    return EditedVideo(result_of(look.findings, edit), matches, output)


def result_of(findings: bytes, edit: VideoEdit) -> bytes:
    """Findings, as ``VideoFindings.to_json`` gives them, with an edit."""
    body: dict[str, Any] = json.loads(findings)
    return json.dumps({**body, "edit": dataclasses.asdict(edit)}, separators=(",", ":")).encode()


def edit_of(result: bytes) -> VideoEdit | None:
    """The edit of what ``result_of`` made; None in results of other kinds of jobs."""
    found = json.loads(result).get("edit")
    if found is None:
        return None
    return VideoEdit(
        method=RedactMethod(found["method"]),
        is_rendered=found["is_rendered"],
        tracks=tuple(
            TrackState(**{**item, "strip": item["strip"] and tuple(item["strip"])})
            for item in found["tracks"]
        ),
        files={name: KeptFile(**item) for name, item in found["files"].items()},
        copy=None if found["copy"] is None else _copy_facts(found["copy"]),
    )


def kept_bytes(ctx: Context, job_id: str, file: KeptFile) -> Sequence[bytes]:
    """All of a kept file. Raises ``StoreUnavailable`` where it is gone or damaged."""
    return list(unsealed(kept_path(ctx, job_id, file.name), bytes.fromhex(file.key)))


def media_type(facts: ClipFacts) -> str | None:
    """What a browser should take a video for; None where browsers do not play it."""
    if "mp4" in facts.container and facts.codec in ("h264", "av1"):
        return "video/mp4" if set(facts.audio_codecs) <= {"aac", "mp3", "opus"} else None
    if "webm" in facts.container and facts.codec in ("vp8", "vp9", "av1"):
        return "video/webm" if set(facts.audio_codecs) <= {"opus", "vorbis"} else None
    return None


@dataclass(frozen=True, slots=True)
class _Look:
    findings: bytes
    edit: VideoEdit
    matches: tuple[NewMatch, ...]


def _looked(ctx: Context, task: JobTask) -> _Look:
    options = task.options
    collection, purpose = options.get("collection"), str(options.get("purpose", ""))
    if collection is not None:
        check_search(ctx, collection=collection, purpose=purpose)
    sha256 = digest_of(task.video)
    analysis = analysis_of(
        ctx,
        task.video,
        look=task.look,
        sha256=sha256,
        progress=_part(task.progress, 0.0, _LOOKING),
        stop=task.stop,
    )
    result: TracksResult | None = None
    verdicts: Sequence[TrackDecision] = ()
    if collection is not None:
        result = search_tracks(ctx, analysis, collection=collection, purpose=purpose)
        verdicts = decide(result)
    named = () if result is None else _named(result)
    strips = {track.index: strip_jpeg(track.samples) for track in analysis.tracks}
    states, strips_file = _states(ctx, task.job_id, strips, verdicts, {item.track for item in named})
    decisions = decisions_of(analysis, {}, sha256=sha256, start_s=0.0, end_s=None, kept=Kept())
    boxes = zlib.compress(decisions.model_dump_json().encode())
    files = {"boxes": _keep(ctx, task.job_id, [boxes]), **strips_file}
    if media_type(analysis.facts) is None:
        files["before"] = _playable(ctx, task, analysis)
    findings = findings_of(
        analysis,
        answers=() if result is None else result.tracks,
        search=None if result is None else SearchFacts.of(result),
    )
    edit = VideoEdit(
        RedactMethod(options.get("method", "blur")), bool(options.get("render", True)), states, files
    )
    return _Look(findings.to_json(), edit, _matches(ctx, named, strips))


def _again(ctx: Context, task: JobTask, earlier: bytes) -> _Look:
    edit = edit_of(earlier)
    assert edit is not None, "only edits are done again"
    with ctx.records.reading() as tx:
        matches = tuple(
            NewMatch(tx.person(match.person_ref).id, match.consent_id, match.details)
            for match in tx.job_matches(task.job_id)
        )
    return _Look(earlier, edit, matches)


def _named(result: TracksResult) -> tuple[NamedTrack, ...]:
    return tuple(
        NamedTrack(track.index, candidate, track.is_confirmed)
        for track in result.tracks
        for candidate in track.candidates
    )


def _matches(
    ctx: Context, named: Sequence[NamedTrack], strips: Mapping[int, bytes | None]
) -> tuple[NewMatch, ...]:
    with ctx.records.reading() as tx:
        return tuple(
            NewMatch(
                tx.person(item.candidate.person).id,
                item.candidate.consent_id,
                {**details_of(item), "strip": _text(strips[item.track])},
            )
            for item in named
        )


def _states(
    ctx: Context,
    job_id: str,
    strips: Mapping[int, bytes | None],
    verdicts: Sequence[TrackDecision],
    named: set[int],
) -> tuple[tuple[TrackState, ...], dict[str, KeptFile]]:
    """What is decided at first, and the file of the strips of those who were not named."""
    decided = {verdict.index: verdict for verdict in verdicts}
    states: list[TrackState] = []
    pieces: list[bytes] = []
    at = 0
    for index, strip in strips.items():
        verdict = decided.get(index)
        place = None
        if strip is not None and index not in named:
            place = (at, len(strip))
            at += len(strip)
            pieces.append(strip)
        is_visible = verdict is not None and verdict.is_visible
        reason = "everybody" if verdict is None else verdict.reason
        states.append(TrackState(index, "keep" if is_visible else "hide", reason, index in named, place))
    return tuple(states), {"strips": _keep(ctx, job_id, pieces)} if pieces else {}


def _chosen(state: TrackState, choice: Choice | None, confirmed: set[int]) -> TrackState:
    if choice is None or choice == state.choice:
        return state
    is_machines = choice == "keep" and state.index in confirmed
    return dataclasses.replace(state, choice=choice, reason="kept" if is_machines else BY_HAND)


def _consenting(edit: VideoEdit, matches: Sequence[NewMatch]) -> VideoEdit:
    """Whoever was named and agrees no longer is hidden, whatever somebody has decided: a no is final at once."""
    live = {match.details["track"] for match in matches}
    tracks = tuple(
        dataclasses.replace(state, choice="hide", reason=CONSENT_ENDED)
        if state.is_named and state.index not in live
        else state
        for state in edit.tracks
    )
    return dataclasses.replace(edit, tracks=tracks)


def _keep(ctx: Context, job_id: str, chunks: Sequence[bytes] | Path) -> KeptFile:
    # a name of its own: two workers that both think the job is theirs must not mix
    name, key = secrets.token_hex(8), secrets.token_bytes(32)
    path = kept_path(ctx, job_id, name)
    if isinstance(chunks, Path):
        with chunks.open("rb") as file:
            seal_file(path, key, iter(lambda: file.read(1 << 20), b""))
    else:
        seal_file(path, key, chunks)
    return KeptFile(name, key.hex())


def _playable(ctx: Context, task: JobTask, analysis: Analysis) -> KeptFile:
    """The original as browsers play it."""
    from assent.video.rendering import Drawing, render

    target = task.folder / "before.mp4"
    nothing = np.zeros((0, 4), np.float32)
    render(
        task.video,
        target,
        lambda _: nothing,
        drawing=Drawing(max_pixels=ctx.settings.max_video_pixels),
        times_s=analysis.times_s,
        progress=_part(task.progress, _LOOKING, _COPYING),
        stop=task.stop,
    )
    kept = _keep(ctx, task.job_id, target)
    target.unlink()
    return kept


def _write(
    ctx: Context, task: JobTask, target: Path, edit: VideoEdit, boxes: Decisions, *, begin: float
) -> Rendering:
    from assent.video.rendering import Drawing, render

    choices = {state.index: state.choice for state in edit.tracks}
    decided = boxes.model_copy(
        update={
            "tracks": tuple(
                track.model_copy(update={"decision": choices.get(track.index, "hide")})
                for track in boxes.tracks
            )
        }
    )
    return render(
        task.video,
        target,
        regions_of(decided),
        drawing=Drawing(method=edit.method, max_pixels=ctx.settings.max_video_pixels),
        times_s=np.array(boxes.times_s, np.float64),
        blank_frames=boxes.blank_frames,
        progress=_part(task.progress, begin, 1.0),
        stop=task.stop,
    )


def _copy_facts(item: dict[str, Any]) -> CopyFacts:
    lists = {name: tuple(item[name]) for name in ("copied", "encoded", "removed", "notes")}
    return CopyFacts(num_blanked=item["num_blanked"], **lists)


def _facts(done: Rendering) -> CopyFacts:
    return CopyFacts(len(done.blanked), done.copied, done.encoded, done.removed, done.notes)


def _part(progress: Progress, begin: float, end: float) -> Progress:
    """Tells how far one part of the work is as how far all of it is."""

    def told(done_s: float, total_s: float | None) -> None:
        share = min(done_s / total_s, 1.0) if total_s else 0.0
        progress(begin + (end - begin) * share, 1.0)

    return told


def _text(strip: bytes | None) -> str | None:
    return None if strip is None else base64.b64encode(strip).decode("ascii")
