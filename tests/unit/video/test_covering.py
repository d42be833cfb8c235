"""What is hidden, given who is shown; and gaps closed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from assent.types import Float32
from assent.video.covering import covered_boxes, hidden_boxes
from assent.video.joining import MAX_GAP_FRAMES, closed_gaps
from assent.video.samples import SampleBins
from assent.video.trails import Trail
from assent.video.types import Analysis, Seen, Shot, Track
from tests.video import FACTS


def box(x: float, y: float = 100, side: float = 40) -> Float32:
    return np.array([x, y, x + side, y + side], np.float32)


def track(index: int, first: int, xs: list[float], seen: Seen = Seen.DETECTED) -> Track:
    boxes = np.stack([box(x) for x in xs])
    return Track(index, first, boxes, np.full(len(xs), seen, np.uint8), np.full(len(xs), 0.9, np.float32))


def clip(num_frames: int, *tracks: Track) -> Analysis:
    return Analysis(FACTS, np.arange(num_frames) / 30, (Shot(0, num_frames - 1),), tracks)


def test_every_track_is_hidden_but_those_kept() -> None:
    analysis = clip(6, track(0, 0, [10] * 4), track(1, 2, [200] * 4))
    assert [len(boxes) for boxes in hidden_boxes(analysis)] == [1, 1, 2, 2, 1, 1]
    kept = hidden_boxes(analysis, keep={0})
    assert [len(boxes) for boxes in kept] == [0, 0, 1, 1, 1, 1]
    assert len(kept) == 6
    np.testing.assert_array_equal(kept[2], box(200)[None])
    np.testing.assert_array_equal(kept[-1], kept[5])
    assert len(kept[1:3]) == 2


def test_hidden_wins_where_a_kept_track_overlaps() -> None:
    analysis = clip(3, track(0, 0, [10] * 3), track(1, 0, [20] * 3))
    np.testing.assert_array_equal(hidden_boxes(analysis, keep=[0])[1], box(20)[None])


def test_a_clip_without_tracks_hides_nothing() -> None:
    hidden = hidden_boxes(clip(2))
    assert [boxes.shape for boxes in hidden] == [(0, 4), (0, 4)]
    with pytest.raises(IndexError):
        hidden[2]


def test_keep_must_name_tracks_of_the_clip() -> None:
    with pytest.raises(ValueError, match=r"\[7\]"):
        hidden_boxes(clip(2, track(0, 0, [10, 10])), keep={0, 7})


def test_margins_grow_with_motion_and_doubt() -> None:
    still = covered_boxes(track(0, 0, [50] * 5))
    np.testing.assert_array_equal(still, track(0, 0, [50] * 5).boxes_xyxy)
    slow, fast = (covered_boxes(track(0, 0, [50 + step * i for i in range(5)])) for step in (2, 10))
    width = [boxes[2, 2] - boxes[2, 0] for boxes in (still, slow, fast)]
    assert width[0] < width[1] < width[2]
    # Where it was and where it will be are inside, with half the way to spare on each side.
    assert fast[2, 0] == pytest.approx(50 + 10 - 5)
    assert fast[2, 2] == pytest.approx(50 + 30 + 40 + 5)
    held = covered_boxes(track(0, 0, [50] * 5, Seen.BRIDGED))
    assert (held[:, :2] < still[:, :2]).all()
    leap = covered_boxes(track(0, 0, [0, 500, 1000]))
    assert leap[1, 0] == pytest.approx(-20)  # at most half a side beyond where it was


def trail(number: int, first: int, xs: list[float]) -> Trail:
    made = Trail(number, first, first / 30, box(xs[0]), 0.9, SampleBins(8))
    for x in xs[1:]:
        made.append(box(x), Seen.FOLLOWED)
    return made


@pytest.mark.parametrize(
    ("gap", "apart", "cut", "closed"),
    [
        (1, 0.0, None, True),
        (MAX_GAP_FRAMES, 10.0, None, True),
        (MAX_GAP_FRAMES + 1, 0.0, None, False),
        (4, 200.0, None, False),
        (4, 0.0, 12, False),
        (4, 0.0, 10, False),
        (4, 0.0, 15, True),
    ],
)
def test_gaps_are_closed_within_a_shot(gap: int, apart: float, cut: int | None, closed: bool) -> None:
    first, second = trail(0, 0, [50.0] * 10), trail(1, 10 + gap, [50.0 + apart] * 5)
    cut_at = cut if cut is not None else 40
    found = closed_gaps([first, second], [Shot(0, cut_at - 1), Shot(cut_at, 60)])
    assert found == [first, second]
    assert first.last_frame == (second.first_frame - 1 if closed else 9)
    assert second.last_frame == second.first_frame + 4


def test_a_gap_where_nothing_is_missing_stays() -> None:
    first, second = trail(0, 0, [50.0] * 10), trail(1, 10, [50.0] * 5)
    closed_gaps([first, second], [Shot(0, 20)])
    assert (first.last_frame, second.first_frame) == (9, 10)


def test_what_a_followed_box_was_off_by_is_spread_over_its_way() -> None:
    made = trail(0, 0, [50.0, 52.0, 54.0, 56.0, 58.0])
    made.settle(0, box(66))
    np.testing.assert_allclose([made.box_at(i)[0] for i in range(5)], [50, 54, 58, 62, 66])
    value = dataclasses.asdict(made.track(0, ()))
    assert value["boxes_xyxy"].shape == (5, 4)


def test_a_lead_comes_before() -> None:
    made = trail(0, 5, [50.0, 52.0])
    made.lead([box(48), box(46)], [Seen.FOLLOWED, Seen.BRIDGED])
    assert (made.first_frame, made.last_frame) == (3, 6)
    assert [made.box_at(i)[0] for i in range(3, 7)] == [46, 48, 50, 52]
    assert made.track(0, ()).seen.tolist() == [Seen.BRIDGED, Seen.FOLLOWED, Seen.DETECTED, Seen.FOLLOWED]
