"""Which frames are looked at, cuts, black frames, following, and the choice of samples: without a network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from assent.types import Face, Float32, Quality, UInt8
from assent.video.following import Luma, follow, likeness, patch
from assent.video.looking import Schedule
from assent.video.matching import nearness, pairs
from assent.video.samples import SampleBins, SampleBudget
from assent.video.settings import AnalysisSettings
from assent.video.shots import ShotFinder, thumbnail
from assent.video.types import Sample


def smooth(seed: int, *, low: int = 30, high: int = 220) -> UInt8:
    coarse = np.random.default_rng(seed).integers(low, high, (24, 32, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_looks_are_spread_by_time_and_a_closer_one_takes_a_quick_ones_turn() -> None:
    schedule = Schedule(AnalysisSettings(quick_every_s=0.1, full_every_s=0.5))
    looks = [schedule.due_px(i / 30, long_side_px=640, is_cut=False) for i in range(31)]
    assert {i: px for i, px in enumerate(looks) if px} == {
        0: 640, 3: 320, 6: 320, 9: 320, 12: 320, 15: 640, 18: 320, 21: 320, 24: 320, 27: 320, 30: 640,
    }  # fmt: skip


def test_cuts_large_clips_and_busy_frames_are_looked_at_more() -> None:
    schedule = Schedule(AnalysisSettings())
    assert schedule.due_px(0.0, long_side_px=1920, is_cut=False) == 1280
    assert schedule.due_px(0.03, long_side_px=1920, is_cut=False) is None
    assert schedule.due_px(0.06, long_side_px=1920, is_cut=True) == 640
    assert schedule.due_px(0.09, long_side_px=1920, is_cut=False, change=9.0) == 320
    assert schedule.due_px(0.12, long_side_px=200, is_cut=True) == 200


def cuts(images: Sequence[UInt8 | None]) -> list[int]:
    finder = ShotFinder()
    return [
        i for i, image in enumerate(images) if finder.add(None if image is None else thumbnail(image)) > 0
    ]


def test_a_cut_is_found_and_a_flash_a_pan_or_a_missing_frame_is_none() -> None:
    a, b = smooth(1), smooth(2)
    assert cuts([]) == []
    assert cuts([a] * 5 + [b] * 5) == [5]
    assert cuts([a] * 3 + [None] * 2 + [a] * 3) == []
    bright = np.asarray(np.clip(a.astype(int) + 35, 0, 255), np.uint8)
    assert cuts([a] * 5 + [bright] + [a] * 5) == []
    assert cuts([np.roll(a, 4 * i, axis=1) for i in range(20)]) == []


def test_shots_are_together_all_frames() -> None:
    finder = ShotFinder()
    for image in [smooth(1)] * 4 + [smooth(2)] * 3 + [smooth(3)] * 2:
        finder.add(thumbnail(image))
    shots = finder.shots()
    assert [(shot.first_frame, shot.last_frame) for shot in shots] == [(0, 3), (4, 6), (7, 8)]
    assert shots[0].confidence == 1
    assert all(0.4 < shot.confidence <= 1 for shot in shots)
    assert ShotFinder().shots() == ()


def test_black_frames_are_joined_to_spans() -> None:
    finder = ShotFinder()
    black, noisy = np.zeros((240, 320, 3), np.uint8), np.full((240, 320, 3), 16, np.uint8)
    for image in [smooth(1), black, noisy, black, smooth(1, low=60), smooth(2, low=0, high=90), black]:
        finder.add(thumbnail(image))
    spans = finder.black_spans()
    assert [(span.first_frame, span.last_frame) for span in spans] == [(1, 3), (6, 6)]
    assert spans[0].confidence < spans[1].confidence <= 1


def moved(gray: UInt8, dx: float, dy: float, scale: float = 1.0) -> UInt8:
    matrix = np.array([[scale, 0, dx], [0, scale, dy]], np.float32)
    return np.asarray(cv2.warpAffine(gray, matrix, gray.shape[::-1], borderMode=cv2.BORDER_REFLECT), np.uint8)


@pytest.mark.parametrize(
    ("dx", "dy", "scale"), [(0, 0, 1), (3, -2, 1), (-6.5, 4.5, 1), (1, 1, 1.03), (14, 9, 1)]
)
@pytest.mark.parametrize("side_px", [60, 100])  # followed at full size, and at half
def test_a_box_goes_along_with_its_pixels(dx: float, dy: float, scale: float, side_px: int) -> None:
    gray = np.asarray(cv2.cvtColor(smooth(5), cv2.COLOR_RGB2GRAY), np.uint8)
    box: Float32 = np.array([120, 90, 110 + side_px, 90 + side_px], np.float32)
    step = follow(Luma.of(gray), Luma.of(moved(gray, dx, dy, scale)), box)
    assert step is not None
    assert likeness(step.patch, patch(gray, box)) > 0.95
    there = box * scale + np.array([dx, dy, dx, dy])
    np.testing.assert_allclose(step.box_xyxy, there, atol=1.2)


def test_a_box_is_lost_where_nothing_like_it_is() -> None:
    gray, other = (np.asarray(cv2.cvtColor(smooth(s), cv2.COLOR_RGB2GRAY), np.uint8) for s in (5, 6))
    box: Float32 = np.array([120, 90, 170, 150], np.float32)
    step = follow(Luma.of(gray), Luma.of(other), box)
    assert step is None or likeness(step.patch, patch(gray, box)) < 0.6
    flat = np.full_like(gray, 120)
    assert follow(Luma.of(flat), Luma.of(flat), box) is None
    outside: Float32 = box + 1000
    assert follow(Luma.of(gray), Luma.of(gray), outside) is None
    assert likeness(patch(flat, box), patch(gray, box)) == 0


def test_detections_go_to_the_nearest_trail_and_a_lost_one_gets_none_in_doubt() -> None:
    trails = np.array([[0, 0, 10, 10], [100, 0, 110, 10]], np.float32)
    found = np.array([[101, 0, 111, 10], [1, 1, 11, 11], [0, 0, 40, 40]], np.float32)
    near = nearness(trails, found)
    assert near[0, 2] == 0  # four times its size
    assert sorted(pairs(near, [False, False])) == [(0, 1), (1, 0)]
    rivals = nearness(trails[:1], np.array([[2, 0, 12, 10], [-2, 0, 8, 10]], np.float32))
    assert len(pairs(rivals, [False])) == 1
    assert pairs(rivals, [True]) == []
    assert pairs(np.zeros((0, 3), np.float32), []) == []


def sample(time_s: float) -> Sample:
    face = Face(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 0.9, Quality(30, 1, 120, 0, 0.9))
    return Sample(round(time_s * 30), time_s, face, np.zeros((10, 10, 3), np.uint8), (0, 0))


def test_samples_are_bounded_spread_and_the_best_of_their_time() -> None:
    bins = SampleBins(8)
    for i in range(3000):
        worth = 0.5 + 0.4 * (i % 100 == 50)
        if bins.wants(i / 30, worth):
            bins.add(sample(i / 30), worth, np.zeros(4, np.float32))
        assert bins.num_bytes <= 16 * 300
    kept = bins.best_first()
    assert len(kept) == 8
    times = sorted(one.time_s for one in kept)
    assert times[0] < 20
    assert times[-1] > 80
    assert max(b - a for a, b in itertools.pairwise(times)) < 30
    assert len(bins.best_first(2)) == 2
    assert not bins.wants(50.0, 0.0)
    assert SampleBins(8).best_first() == ()


def test_samples_of_all_tracks_together_are_bounded() -> None:
    budget = SampleBudget(8, 100 * 300)
    tracks = []
    for track in range(400):
        bins = SampleBins(8)
        for i in range(20):
            bins.add(sample(i / 2), 0.5, np.zeros(4, np.float32))
        budget.add(bins)
        tracks.append(bins)
        assert sum(held.num_bytes for held in tracks) <= 100 * 300
        if track == 9:
            assert {len(held.best_first()) for held in tracks} == {8}
        if track == 20:
            assert {len(held.best_first()) for held in tracks} == {4}
    assert {len(held.best_first()) for held in tracks} == {0, 1}
