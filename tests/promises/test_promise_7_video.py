"""Promise 7 for video: undecided is hidden, from the answer to the pixels, and what cannot be read is blanked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assent.errors import UndecodableFrame
from assent.service.results import Candidate
from assent.service.videos import TrackAnswer, TracksResult, decide
from assent.types import Float32
from assent.video.covering import hidden_boxes
from assent.video.reading import frames
from assent.video.rendering import Drawing, render
from assent.video.types import Analysis, Seen, Shot, Track
from tests.clips import make_clip, with_damage
from tests.promises.builders import PURPOSE
from tests.video import FACTS

ANA = Candidate("ana", None, 94.0, 0.96, 1e-5, 1e-4, 3, "consent")
BEA = Candidate("bea", None, 93.0, 0.95, 1e-5, 1e-4, 3, "consent")


def answer(
    index: int, *candidates: Candidate, confirmed: bool = False, disputed: int = 0, refused: str = ""
) -> TrackAnswer:
    return TrackAnswer(index, (refused,) if refused else (), candidates, 3, disputed, confirmed)


def result(*tracks: TrackAnswer, review_id: str | None = None) -> TracksResult:
    return TracksResult("club", PURPOSE, tracks, None, 2, "0" * 64, review_id)


UNDECIDED = {
    "nobody is like it": answer(0),
    "it could not be searched for": answer(0, refused="blurred"),
    "somebody is like it, not enough": answer(0, ANA),
    "two people are like it": answer(0, ANA, BEA),
    "its pictures disagree": answer(0, disputed=1),
}


@pytest.mark.parametrize("track", UNDECIDED.values(), ids=UNDECIDED)
def test_whoever_is_not_confirmed_is_hidden(track: TrackAnswer) -> None:
    for people in (None, {"ana"}):
        [decision] = decide(result(track), people)
        assert (decision.is_visible, decision.person) == (False, None)


def test_whoever_is_confirmed_but_not_asked_for_is_hidden() -> None:
    sure = answer(0, ANA, confirmed=True)
    assert decide(result(sure))[0].is_visible
    assert not decide(result(sure), {"bea"})[0].is_visible


def test_a_shown_face_does_not_uncover_a_hidden_one() -> None:
    boxes: Float32 = np.array([[100, 100, 140, 140]] * 3, np.float32)
    seen, scores = np.full(3, Seen.DETECTED, np.uint8), np.full(3, 0.9, np.float32)
    shown, hidden = (Track(index, 0, boxes + 10 * index, seen, scores) for index in (0, 1))
    analysis = Analysis(FACTS, np.arange(3) / 30, (Shot(0, 2),), (shown, hidden))
    covered = hidden_boxes(analysis, keep={0})
    for at in range(3):
        [box] = covered[at]
        assert (box[:2] <= hidden.boxes_xyxy[at, :2]).all()
        assert (box[2:] >= hidden.boxes_xyxy[at, 2:]).all()


def test_a_frame_that_cannot_be_read_is_blank_or_stops_the_work(tmp_path: Path) -> None:
    source = with_damage(make_clip(tmp_path / "sound.mkv", options={"bf": "0"}), tmp_path / "in.mkv", 5)

    def nowhere(_index: int) -> Float32:
        return np.zeros((0, 4), np.float32)

    render(source, tmp_path / "out.mkv", nowhere)
    images = [frame.image_rgb for frame in frames(tmp_path / "out.mkv")]
    spread = [image.std() for image in images if image is not None]
    assert len(spread) == len(images)
    assert spread[5] < 3 < min(spread[:5])
    with pytest.raises(UndecodableFrame):
        render(source, tmp_path / "strict.mkv", nowhere, drawing=Drawing(is_strict=True))
    assert not (tmp_path / "strict.mkv").exists()
