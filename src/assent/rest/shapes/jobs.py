"""Jobs and timelines: where a job stands, and who of the consenting is in a video and when."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from assent.rest.shapes.fields import (
    EXAMPLE_ID,
    UUID_PATTERN,
    Count,
    Fmr,
    Id,
    Rate,
    Shape,
    Similarity,
    Time,
)
from assent.service.findings import TrackFindings
from assent.service.jobs import Job
from assent.service.watching import PersonInVideo, Timeline
from assent.store.jobvalues import JobState

Container = Literal["mp4", "mkv", "mov", "webm", "gif"]
JobPath = Annotated[str, Path(pattern=UUID_PATTERN, description="The job's id.", examples=[EXAMPLE_ID])]
Seconds = Annotated[float, Field(description="Seconds after the video's first frame.", examples=[1.5])]


class JobAnswer(Shape):
    """Where a job stands."""

    id: Id
    kind: str = Field(examples=["timeline"])
    collection: str | None = Field(description="Where is searched.", examples=["club"])
    state: JobState
    progress: Rate = Field(description="How much is done, 0 to 1; a few seconds old.")
    attempts: Count = Field(description="How often a worker has taken it up.")
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    kept_until: Time | None = Field(
        description="It is destroyed then, with what came of it; null while open."
    )
    error: str | None = Field(description="The error that it failed with.", examples=["UnreadableVideo"])
    message: str | None = Field(description="The same in words.")

    @classmethod
    def of(cls, job: Job) -> JobAnswer:
        """The answer for a job."""
        return cls.model_validate(job)


class RedactionAnswer(Shape):
    """What became of a copy with faces hidden; the copy itself is the job's output."""

    num_hidden: Count = Field(description="Faces followed through the video that are hidden.")
    num_shown: Count = Field(description="Faces left visible.")
    num_frames: Count
    duration_s: float = Field(ge=0, description="Seconds.", examples=[60.0])
    notes: list[str] = Field(description="What else there is to know, in words.")
    has_output: bool = Field(
        description="False where somebody who was left visible has withdrawn since: the copy is gone with the consent."
    )


class AppearanceAnswer(Shape):
    """Some time in which somebody may be seen."""

    track: Count = Field(description="The track's number, in this video only.")
    start_s: Seconds
    end_s: Seconds
    similarity: Similarity
    fmr_at_score: Fmr
    is_confirmed: bool = Field(
        description="Whether all pictures of the track agree, at 1 in 10,000 (docs/video.md); else look at it."
    )


class PersonInVideoAnswer(Shape):
    """One of the consenting, and when they may be seen."""

    person: str = Field(examples=["ana"])
    name: str | None
    consent_id: Id
    seen_s: float = Field(ge=0, description="For how long, seconds.", examples=[12.5])
    appearances: list[AppearanceAnswer] = Field(description="By start.")

    @classmethod
    def of(cls, person: PersonInVideo) -> PersonInVideoAnswer:
        """The answer for a person."""
        return cls.model_validate(person)


class TimelineAnswer(Shape):
    """Who of the consenting may be in a video, and when. Whoever withdrew since is in it no longer."""

    people: list[PersonInVideoAnswer] = Field(description="Longest seen first.")
    num_others: Count = Field(description="Faces that were followed and not named.")
    num_undecided: Count = Field(description="Of them, those whose pictures do not agree on whom they show.")
    duration_s: float = Field(ge=0, description="Of the video, seconds.", examples=[60.0])
    num_frames: Count
    num_damaged: Count = Field(description="Frames that could not be read.")
    applied_similarity: Similarity | None = Field(description="The threshold; null when nobody is enrolled.")
    applied_fmr: Rate | None = Field(description="The same as a false match rate.")
    gallery_size: Count = Field(description="People compared.")
    log_leaf: str = Field(description="Hash of the record of this search, hexadecimal.")
    review_id: Id | None = Field(description="Where two people decide: the review to ask for.")

    @classmethod
    def of(cls, found: Timeline) -> TimelineAnswer:
        """The answer for a timeline."""
        search = found.findings.search
        return cls(
            people=[PersonInVideoAnswer.of(person) for person in found.people],
            num_others=found.num_others,
            num_undecided=found.num_undecided,
            duration_s=found.findings.duration_s,
            num_frames=found.findings.num_frames,
            num_damaged=len(found.findings.damages),
            applied_similarity=None if search is None else search.similarity,
            applied_fmr=None if search is None else search.max_fmr,
            gallery_size=0 if search is None else search.gallery_size,
            log_leaf="" if search is None else search.log_leaf,
            review_id=None if search is None else search.review_id,
        )


Share = Annotated[float, Field(description="Share of the frame's width or height.", examples=[0.25])]


class TrackBox(Shape):
    """Where a track is at one moment, as shares of the frame; may stick out."""

    time_s: Seconds
    left: Share
    top: Share
    right: Share
    bottom: Share
    confidence: Rate = Field(description="The detector's last.")


class TrackAnswer(Shape):
    """One face followed through a video. Its number means nothing elsewhere."""

    index: Count
    start_s: Seconds
    end_s: Seconds
    refused: list[str] = Field(description="Why it was not searched for; empty where it was.")
    is_undecided: bool
    boxes: list[TrackBox] = Field(description="Five for each second.")

    @classmethod
    def of(cls, track: TrackFindings) -> TrackAnswer:
        """The answer for a track."""
        names = ("left", "top", "right", "bottom")
        boxes = [
            TrackBox(
                time_s=item.time_s, confidence=item.confidence, **dict(zip(names, item.box, strict=True))
            )
            for item in track.boxes
        ]
        return cls(
            index=track.index,
            start_s=track.start_s,
            end_s=track.end_s,
            refused=list(track.refused),
            is_undecided=track.is_undecided,
            boxes=boxes,
        )
