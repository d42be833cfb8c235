"""What was found in a video, without whom: boxes, times, shots. It names and pictures nobody, and can be stored."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from assent.service.policy import AppliedPolicy
from assent.service.videos import TrackAnswer, TracksResult
from assent.types import Face, Float32, Quality, QualityReason
from assent.video.types import Analysis, ClipFacts, Damage, Sample, Track

BOX_EVERY_S: Final = 0.2
"""One box of a track is kept for each fifth of a second, its first and last included."""


@dataclass(frozen=True, slots=True)
class BoxAt:
    """Where a track is at one moment.

    Attributes:
        time_s: seconds after the first frame.
        box: left, top, right and bottom as shares of the frame; may stick out.
        confidence: the detector's last score for it, 0 to 1.
        face: landmarks and quality, in pixels, where they were measured.
    """

    time_s: float
    box: tuple[float, float, float, float]
    confidence: float
    face: Face | None = None


@dataclass(frozen=True, slots=True)
class TrackFindings:
    """One face followed through the video; its number means nothing elsewhere.

    Attributes:
        index: from 0, by first appearance.
        start_s: seconds after the first frame.
        end_s: when its last frame ends.
        boxes: by time.
        refused: why it was not searched for; empty where it was, or nobody was searched for.
        is_undecided: the search named somebody, and the track's pictures do not agree.
    """

    index: int
    start_s: float
    end_s: float
    boxes: tuple[BoxAt, ...]
    refused: tuple[str, ...] = ()
    is_undecided: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """Some frames that belong together.

    Attributes:
        kind: ``shot``, between two cuts, or ``black``.
        first_frame: index.
        last_frame: index.
        start_s: when its first frame is shown, seconds after the video's first.
        end_s: when its last frame ends.
        confidence: 0 to 1.
    """

    kind: Literal["shot", "black"]
    first_frame: int
    last_frame: int
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class SearchFacts:
    """What the search for a video's tracks was held to.

    Attributes:
        collection: its name.
        purpose: what the search was for.
        similarity: the threshold that was applied, 0 to 100; None where nobody was enrolled.
        max_fmr: the same as a false match rate.
        gallery_size: people compared.
        log_leaf: hash of the record of this search, hexadecimal.
        review_id: where two people are to look first.
    """

    collection: str
    purpose: str
    similarity: float | None
    max_fmr: float | None
    gallery_size: int
    log_leaf: str
    review_id: str | None

    @classmethod
    def of(cls, result: TracksResult) -> SearchFacts:
        """Of a search's answer, without the answer."""
        policy: AppliedPolicy | None = result.policy
        return cls(
            collection=result.collection,
            purpose=result.purpose,
            similarity=None if policy is None else policy.similarity,
            max_fmr=None if policy is None else policy.max_fmr,
            gallery_size=result.gallery_size,
            log_leaf=result.log_leaf,
            review_id=result.review_id,
        )


@dataclass(frozen=True, slots=True)
class VideoFindings:
    """All of a video that may be kept.

    Attributes:
        facts: of the container.
        num_frames: frames, damaged ones included.
        duration_s: from the first frame to the end of the last.
        tracks: by index.
        segments: shots and black spans, by their start.
        damages: frames that could not be read.
        search: where people were searched for.
    """

    facts: ClipFacts
    num_frames: int
    duration_s: float
    tracks: tuple[TrackFindings, ...] = ()
    segments: tuple[Segment, ...] = ()
    damages: tuple[Damage, ...] = ()
    search: SearchFacts | None = None

    def to_json(self) -> bytes:
        """As bytes to be sealed."""
        return json.dumps(dataclasses.asdict(self), default=_plain, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> VideoFindings:
        """What ``to_json`` wrote."""
        found: dict[str, Any] = json.loads(text)
        facts = found.pop("facts")
        search = found.pop("search")
        return cls(
            facts=ClipFacts(**{**facts, "audio_codecs": tuple(facts["audio_codecs"])}),
            num_frames=found["num_frames"],
            duration_s=found["duration_s"],
            tracks=tuple(_track(item) for item in found["tracks"]),
            segments=tuple(Segment(**item) for item in found["segments"]),
            damages=tuple(Damage(**item) for item in found["damages"]),
            search=None if search is None else SearchFacts(**search),
        )


def findings_of(
    analysis: Analysis, *, answers: Sequence[TrackAnswer] = (), search: SearchFacts | None = None
) -> VideoFindings:
    """What may be kept of an analysis.

    Args:
        analysis: of a video; what was embedded of it is not looked at.
        answers: of ``search_tracks``, in the tracks' order; none where nobody was searched for.
        search: what that search was held to.
    """
    tracks = [_findings(analysis, track) for track in analysis.tracks]
    for at, answer in enumerate(answers):
        is_undecided = (
            not answer.refused and not answer.is_confirmed and bool(answer.candidates or answer.num_disputed)
        )
        tracks[at] = dataclasses.replace(tracks[at], refused=answer.refused, is_undecided=is_undecided)
    return VideoFindings(
        facts=analysis.facts,
        num_frames=analysis.num_frames,
        duration_s=duration_s(analysis.times_s.tolist(), analysis.facts),
        tracks=tuple(tracks),
        damages=analysis.damages,
        search=search,
    )


def duration_s(times_s: Sequence[float], facts: ClipFacts) -> float:
    """From the first frame to the end of the last, seconds; what the container says where that is longer."""
    if not times_s:
        return facts.duration_s or 0.0
    rate = facts.frame_rate or (len(times_s) - 1) / times_s[-1] if times_s[-1] else facts.frame_rate
    shown = times_s[-1] + (1 / rate if rate else 0.0)
    return max(shown, facts.duration_s or 0.0)


def _findings(analysis: Analysis, track: Track) -> TrackFindings:
    times_s = analysis.times_s[track.first_frame : track.last_frame + 1]
    after = track.last_frame + 1
    end_s = (
        float(analysis.times_s[after])
        if after < analysis.num_frames
        else duration_s(analysis.times_s.tolist(), analysis.facts)
    )
    samples = {sample.frame_index: sample for sample in track.samples}
    known = _filled(track.scores)
    size = (analysis.facts.width_px, analysis.facts.height_px)
    boxes: list[BoxAt] = []
    next_s = -1.0
    for at, time_s in enumerate(times_s.tolist()):
        sample = samples.get(track.first_frame + at)
        is_last = at == len(times_s) - 1
        if sample is None and time_s < next_s and not is_last:
            continue
        boxes.append(_box(time_s, track.boxes_xyxy[at], float(known[at]), sample, size))
        if time_s >= next_s:
            next_s = time_s + BOX_EVERY_S
    return TrackFindings(track.index, float(times_s[0]), end_s, tuple(boxes))


def _box(
    time_s: float, box_xyxy: Float32, confidence: float, sample: Sample | None, size: tuple[int, int]
) -> BoxAt:
    width, height = size
    left, top, right, bottom = (float(value) for value in box_xyxy)
    shares = (
        round(left / width, 5),
        round(top / height, 5),
        round(right / width, 5),
        round(bottom / height, 5),
    )
    face = None if sample is None else sample.face
    score = confidence if sample is None else sample.face.score
    return BoxAt(round(time_s, 4), shares, round(score, 4), face)


def _filled(scores: Float32) -> Float32:
    """The detector's last score at each frame, its first before that; 0 where it never saw the face."""
    seen = np.flatnonzero(~np.isnan(scores))
    if not len(seen):
        return np.zeros(len(scores), np.float32)
    at = np.searchsorted(seen, np.arange(len(scores)), side="right") - 1
    return np.asarray(scores[seen[np.maximum(at, 0)]], np.float32)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [round(float(item), 2) for item in value.ravel()]
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"no JSON for {type(value).__name__}")


def _track(item: dict[str, Any]) -> TrackFindings:
    boxes = tuple(
        BoxAt(box["time_s"], tuple(box["box"]), box["confidence"], _face(box["face"]))
        for box in item["boxes"]
    )
    return TrackFindings(**{**item, "boxes": boxes, "refused": tuple(item["refused"])})


def _face(item: dict[str, Any] | None) -> Face | None:
    if item is None:
        return None
    quality = item["quality"]
    reasons = tuple(QualityReason(reason) for reason in quality["reasons"])
    return Face(
        box_xyxy=np.array(item["box_xyxy"], np.float32),
        landmarks_xy=np.array(item["landmarks_xy"], np.float32).reshape(5, 2),
        score=item["score"],
        quality=Quality(**{**quality, "reasons": reasons}),
    )
