"""What is decided about a clip's tracks, as a file that a person can correct.

It holds boxes, times and decisions, never a picture or a template. Decisions: ``hide``; ``keep`` (this face stays
visible); ``drop`` (this is no face). A person may change them, add boxes over times, and render again without looking
at the clip anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assent.errors import NotFound, UsageError
from assent.objects.whole import write_whole
from assent.types import Float32
from assent.video.types import Analysis

FORMAT: Final = "assent-redaction-1"
_CHUNK: Final = 1 << 20
_MAX_BYTES: Final = 2**30

Coordinate = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Box = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Time = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrackEntry(_Part):
    """One track and what is decided about it.

    Attributes:
        index: of the track.
        decision: ``hide``, ``keep`` or ``drop``.
        person: who was recognised; None where a person decided, or nobody was.
        reason: why, in a word.
        first_frame: the first frame in which it is covered.
        first_s: when that is shown, for whoever reads the file.
        last_s: when the last one is.
        boxes_xyxy: one for each frame from ``first_frame`` on, pixels as shown.
    """

    index: int = Field(ge=0)
    decision: Literal["hide", "keep", "drop"]
    person: str | None = None
    reason: str = ""
    first_frame: int = Field(ge=0)
    first_s: Time
    last_s: Time
    boxes_xyxy: tuple[Box, ...] = Field(min_length=1)

    @property
    def last_frame(self) -> int:
        """The last frame in which it is covered."""
        return self.first_frame + len(self.boxes_xyxy) - 1


class AddedBox(_Part):
    """A box that a person added.

    Attributes:
        from_s: when it begins.
        to_s: when it ends; a frame shown at this very time is covered too.
        box_xyxy: pixels as shown.
    """

    from_s: Time
    to_s: Time
    box_xyxy: Box


class Kept(_Part):
    """Who was to be left visible.

    Attributes:
        collection: whose people; None where nobody was to be.
        purpose: what for.
        people: their ids; None for everybody in the collection.
    """

    collection: str | None = None
    purpose: str | None = None
    people: tuple[str, ...] | None = None


class Decisions(_Part):
    """All that is needed to render a clip.

    Attributes:
        format: of this file.
        sha256: of the clip, so that it is not used for another.
        width_px: of the clip as shown.
        height_px: of the clip as shown.
        start_s: the part of it that was looked at.
        end_s: likewise; None to the end.
        kept: who was to be left visible.
        times_s: when each frame is shown.
        blank_frames: frames that could not be decoded.
        tracks: the faces.
        added: boxes that a person added.
    """

    format: Literal["assent-redaction-1"] = "assent-redaction-1"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    start_s: Time = 0.0
    end_s: Time | None = None
    kept: Kept = Kept()
    times_s: tuple[Time, ...] = ()
    blank_frames: tuple[int, ...] = ()
    tracks: tuple[TrackEntry, ...] = ()
    added: tuple[AddedBox, ...] = ()

    @property
    def hidden(self) -> tuple[TrackEntry, ...]:
        """The tracks that are covered."""
        return tuple(track for track in self.tracks if track.decision == "hide")

    @property
    def shown(self) -> tuple[TrackEntry, ...]:
        """The tracks that stay visible."""
        return tuple(track for track in self.tracks if track.decision == "keep")

    def hiding(self, indices: frozenset[int], reason: str) -> Decisions:
        """The same with some tracks hidden."""
        changed = tuple(
            track.model_copy(update={"decision": "hide", "person": None, "reason": reason})
            if track.index in indices
            else track
            for track in self.tracks
        )
        return self.model_copy(update={"tracks": changed})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided about one track (see ``TrackEntry``)."""

    decision: Literal["hide", "keep", "drop"] = "hide"
    person: str | None = None
    reason: str = "hidden"


def decisions_of(
    analysis: Analysis,
    verdicts: dict[int, Verdict],
    *,
    sha256: str,
    start_s: float,
    end_s: float | None,
    kept: Kept,
) -> Decisions:
    """A clip's decisions as they are written; a track without a verdict is hidden."""
    times_s = analysis.times_s
    tracks = []
    for track in analysis.tracks:
        verdict = verdicts.get(track.index, Verdict())
        boxes = np.round(track.boxes_xyxy.astype(np.float64), 1).tolist()
        tracks.append(
            TrackEntry(
                index=track.index,
                decision=verdict.decision,
                person=verdict.person,
                reason=verdict.reason,
                first_frame=track.first_frame,
                first_s=round(float(times_s[track.first_frame]), 3),
                last_s=round(float(times_s[track.last_frame]), 3),
                boxes_xyxy=tuple(tuple(box) for box in boxes),
            )
        )
    return Decisions(
        sha256=sha256,
        width_px=analysis.facts.width_px,
        height_px=analysis.facts.height_px,
        start_s=start_s,
        end_s=end_s,
        kept=kept,
        times_s=tuple(round(float(time), 6) for time in times_s),
        blank_frames=tuple(damage.frame_index for damage in analysis.damages),
        tracks=tuple(tracks),
    )


def write_decisions(path: Path, decisions: Decisions) -> None:
    """Write them whole, a track on a line.

    Raises:
        UsageError: the file cannot be written.
    """
    body = decisions.model_dump(mode="json")
    tracks = [json.dumps(track, ensure_ascii=False) for track in body.pop("tracks")]
    head = json.dumps(body, ensure_ascii=False)[:-1]
    listed = ",\n".join(tracks)
    write_whole(path, f'{head},\n"tracks": [\n{listed}\n]}}\n'.encode(), overwrite=True)


def read_decisions(path: Path) -> Decisions:
    """Read and check them.

    Raises:
        NotFound: no such file.
        UsageError: it is not what ``write_decisions`` writes, or was corrected into something else; says where.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}; check the path") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; expected a file of decisions") from error
    try:
        decisions = Decisions.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the beginning"
        raise UsageError(
            f"{path} is not a file of decisions that can be used: at {where}, {first['msg']}; correct it, or remove it "
            "to look at the clip anew"
        ) from error
    return _checked(path, decisions)


def _checked(path: Path, decisions: Decisions) -> Decisions:
    if len({track.index for track in decisions.tracks}) != len(decisions.tracks):
        raise UsageError(f"{path}: two tracks have one index; give each its own, or add boxes under added")
    for track in decisions.tracks:
        if track.last_frame >= len(decisions.times_s):
            raise UsageError(
                f"{path}: track {track.index} has boxes for frames up to {track.last_frame}, the clip has "
                f"{len(decisions.times_s)}; give one box for each of its frames"
            )
    boxes = [box for track in decisions.tracks for box in track.boxes_xyxy]
    boxes += [added.box_xyxy for added in decisions.added]
    if boxes:
        corners = np.array(boxes, np.float64)
        if (corners[:, 2:] < corners[:, :2]).any():
            raise UsageError(
                f"{path}: a box is x0, y0, x1, y1 with x0 <= x1 and y0 <= y1; correct the one that is not"
            )
    for added in decisions.added:
        if added.to_s < added.from_s:
            raise UsageError(
                f"{path}: an added box ends at {added.to_s:g} s before it begins at {added.from_s:g} s"
            )
    return decisions


def regions_of(decisions: Decisions) -> Callable[[int], Float32]:
    """What to hide in each frame, for frames asked about in order (others cost more).

    Returns:
        A function from a frame's index to boxes (N, 4) float32.
    """
    starts = sorted(decisions.hidden, key=lambda track: track.first_frame)
    arrays = {track.index: np.array(track.boxes_xyxy, np.float32) for track in starts}
    state = _Sweep()

    def regions(frame: int) -> Float32:
        if frame < state.frame:
            state.restart()
        state.frame = frame
        while state.next < len(starts) and starts[state.next].first_frame <= frame:
            state.active.append(starts[state.next])
            state.next += 1
        state.active = [track for track in state.active if track.last_frame >= frame]
        boxes = [arrays[track.index][frame - track.first_frame] for track in state.active]
        time_s = decisions.times_s[frame] if frame < len(decisions.times_s) else 0.0
        boxes += [
            np.array(added.box_xyxy, np.float32)
            for added in decisions.added
            if added.from_s <= time_s <= added.to_s
        ]
        return np.stack(boxes) if boxes else np.zeros((0, 4), np.float32)

    return regions


class _Sweep:
    """Which tracks are on in the frame asked about last."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin at the first frame again."""
        self.frame = 0
        self.next = 0
        self.active: list[TrackEntry] = []


def digest_of(path: Path) -> str:
    """Hexadecimal sha256 of a file.

    Raises:
        NotFound: no such file.
        UsageError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}; check the path") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; expected a readable file") from error
    return digest.hexdigest()
