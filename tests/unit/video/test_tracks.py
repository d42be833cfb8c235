"""Faces followed through clips whose faces are known: covered from first to last, never mixed up."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from assent.types import Float32, UInt8
from assent.video.covering import hidden_boxes
from assent.video.pictures import Picture
from assent.video.tracker import Tracker
from assent.video.trails import Trail
from assent.video.types import Analysis, Seen
from assent.vision.boxes import grow_boxes
from assent.vision.engine import FaceEngine
from assent.vision.redact import DEFAULT_MARGIN
from tests.unit.video.scenes import RATE, SIZE_WH, Head, analysed, scene, share_covered


def least_covered(
    analysis: Analysis, head: Head, way: Callable[[int], tuple[float, float]], frames: range
) -> float:
    hidden = hidden_boxes(analysis)
    return min(
        share_covered(head.box_at(way(i)), grow_boxes(hidden[i], margin=DEFAULT_MARGIN)) for i in frames
    )


def faces_of(analysis: Analysis, truth: dict[str, Callable[[int], Float32]]) -> list[set[str]]:
    """For each track whose faces its boxes lie on, where they were detected or followed and it is plain whose."""
    found = []
    for track in analysis.tracks:
        names = set()
        for at in range(track.num_frames):
            if track.seen[at] != Seen.BRIDGED:
                middle = (track.boxes_xyxy[at, :2] + track.boxes_xyxy[at, 2:]) / 2
                off = {}
                for name, box_of in truth.items():
                    box = box_of(track.first_frame + at)
                    off[name] = float(np.linalg.norm((box[:2] + box[2:]) / 2 - middle))
                nearest = sorted(off.values())
                if len(nearest) == 1 or nearest[1] - nearest[0] > 40:
                    names.add(min(off, key=off.__getitem__))
        found.append(names)
    return found


def test_a_face_is_covered_from_its_first_to_its_last_frame(engine: FaceEngine, first_head: Head) -> None:
    def way(i: int) -> tuple[float, float]:
        return -130.0 + 14 * i, 120 + 30 * np.sin(i / 5)  # in from the left, out at the right

    num_frames = 60
    analysis = analysed(engine, scene(num_frames, (first_head, way)))
    boxes = [first_head.box_at(way(i)) for i in range(num_frames)]
    whole = [i for i, box in enumerate(boxes) if box[0] >= 0 and box[2] <= SIZE_WH[0]]
    assert len(whole) > 30
    assert least_covered(analysis, first_head, way, range(whole[0], whole[-1] + 1)) > 0.98
    # The first look that could see the whole face comes later than the face: it was followed back.
    first = min(track.first_frame for track in analysis.tracks)
    assert first <= whole[0]
    assert all(np.isfinite(track.boxes_xyxy).all() for track in analysis.tracks)


def test_a_face_is_covered_before_it_was_first_detected(engine: FaceEngine, first_head: Head) -> None:
    def way(i: int) -> tuple[float, float]:
        return 250.0 + i, 150.0

    def board(i: int) -> Float32 | None:
        return np.array([248, 148, 376, 300], np.float32) if i < 11 else None

    analysis = analysed(engine, scene(30, (first_head, way), covered=board))
    (track,) = analysis.tracks
    first = track.first_frame + int(np.flatnonzero(track.seen == Seen.DETECTED)[0])
    assert first > 12  # no look was due when it came into view
    assert least_covered(analysis, first_head, way, range(11, 30)) > 0.98


def test_a_cut_ends_every_track(engine: FaceEngine, first_head: Head, second_head: Head) -> None:
    here = scene(13, (first_head, lambda _: (250.0, 150.0)))
    there = scene(14, (second_head, lambda _: (250.0, 150.0)), seed=3)
    analysis = analysed(engine, [*here, *there])
    assert [(shot.first_frame, shot.last_frame) for shot in analysis.shots] == [(0, 12), (13, 26)]
    assert [(track.first_frame, track.last_frame) for track in analysis.tracks] == [(0, 12), (13, 26)]


def test_one_person_put_in_anothers_place_is_a_cut(
    engine: FaceEngine, first_head: Head, second_head: Head
) -> None:
    def still(heads: Head, num: int) -> list[UInt8]:
        return scene(num, (heads, lambda i: (250.0 + i, 150.0)))

    large = [Head.__new__(Head), Head.__new__(Head)]
    for made, head in zip(large, (first_head, second_head), strict=True):
        made.image_rgb = np.asarray(np.repeat(np.repeat(head.image_rgb, 2, 0), 2, 1))
        made.face_xyxy = head.face_xyxy * 2
    analysis = analysed(engine, [*still(large[0], 12), *still(large[1], 12)])
    assert [(track.first_frame, track.last_frame) for track in analysis.tracks] == [(0, 11), (12, 23)]


def test_a_face_behind_something_for_a_third_of_a_second_is_one_track(
    engine: FaceEngine, first_head: Head
) -> None:
    def way(i: int) -> tuple[float, float]:
        return 200.0 + 2 * i, 150.0

    def board(i: int) -> Float32 | None:
        return first_head.box_at(way(i)) + np.array([-20, -30, 20, 30], np.float32) if 16 <= i < 26 else None

    analysis = analysed(engine, scene(45, (first_head, way), covered=board))
    (track,) = analysis.tracks
    assert (track.first_frame, track.last_frame) == (0, 44)
    assert (track.seen[17:25] == Seen.BRIDGED).all()
    assert least_covered(analysis, first_head, way, range(45)) > 0.98


def test_whoever_comes_out_in_anothers_place_is_another_track(
    engine: FaceEngine, first_head: Head, second_head: Head
) -> None:
    place = (250.0, 150.0)
    size = np.max([first_head.image_rgb.shape[1::-1], second_head.image_rgb.shape[1::-1]], axis=0)
    board = np.array([*place, *(size + place)], np.float32)
    before = scene(30, (first_head, lambda _: place), covered=lambda i: board if i >= 20 else None)
    after = scene(50, (second_head, lambda _: place), covered=lambda i: board if i < 31 else None)[30:]
    analysis = analysed(engine, [*before, *after])
    assert len(analysis.shots) == 1
    truth_change = 30
    for track in analysis.tracks:
        sure = np.flatnonzero(track.seen != Seen.BRIDGED) + track.first_frame
        assert (sure < truth_change).all() or (sure >= truth_change).all()
    assert len(analysis.tracks) == 2


@pytest.mark.parametrize("num_between", [3, 6])
def test_a_face_that_turns_into_another_is_another_track(
    engine: FaceEngine, first_head: Head, second_head: Head, num_between: int
) -> None:
    """Each frame is like the last, so that the pixels are followed all along: the face seen now is not the one then."""
    to_second = first_head.face_xyxy[:2] - second_head.face_xyxy[:2]

    def first(i: int) -> tuple[float, float]:
        return 250.0 + i, 150.0

    def second(i: int) -> tuple[float, float]:
        return 250.0 + i + float(to_second[0]), 150.0 + float(to_second[1])

    pairs = zip(scene(60, (first_head, first)), scene(60, (second_head, second)), strict=True)
    shares = np.clip((np.arange(60) - 30) / num_between, 0, 1)
    images = [
        np.asarray(cv2.addWeighted(one, 1 - share, two, share, 0), np.uint8)
        for (one, two), share in zip(pairs, shares, strict=True)
    ]
    analysis = analysed(engine, images)
    assert len(analysis.shots) == 1
    [before, after] = analysis.tracks
    assert 30 <= before.last_frame <= 37
    assert before.last_frame - 1 <= after.first_frame <= before.last_frame + 1


def test_two_faces_that_cross_are_never_one_track(
    engine: FaceEngine, first_head: Head, second_head: Head
) -> None:
    def right(i: int) -> tuple[float, float]:
        return 60.0 + 8 * i, 150.0

    def left(i: int) -> tuple[float, float]:
        return 480.0 - 8 * i, 160.0

    analysis = analysed(engine, scene(52, (first_head, right), (second_head, left)))
    truth = {"first": lambda i: first_head.box_at(right(i)), "second": lambda i: second_head.box_at(left(i))}
    names = faces_of(analysis, truth)
    assert {"first"} in names
    assert {"second"} in names
    assert all(len(of_track) < 2 for of_track in names)
    # No track goes through the crossing: who was shown before it is not shown after it unasked.
    assert not any(track.first_frame < 15 and track.last_frame > 40 for track in analysis.tracks)
    assert least_covered(analysis, second_head, left, range(52)) > 0.98
    assert least_covered(analysis, first_head, right, range(20)) > 0.98
    assert least_covered(analysis, first_head, right, range(36, 52)) > 0.98


def test_whose_track_ends_at_a_crossing_is_not_looked_for_as_before(
    engine: FaceEngine, first_head: Head, second_head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something passes in front of two faces that cross: one is doubtful in the very frame in which its track ends."""

    def right(i: int) -> tuple[float, float]:
        return 60.0 + 6 * i, 150.0

    def left(i: int) -> tuple[float, float]:
        return 480.0 - 6 * i, 160.0

    def post(i: int) -> Float32:
        return np.array([(120 + 9 * i) % 640, 0, (120 + 9 * i) % 640 + 40, 480], np.float32)

    look, num_looks = Tracker._look_again, 0

    def look_again(self: Tracker, picture: Picture, trail: Trail) -> None:
        nonlocal num_looks
        num_looks += 1
        assert any(trail is other for other in self.trails)
        look(self, picture, trail)

    monkeypatch.setattr(Tracker, "_look_again", look_again)
    analysed(engine, scene(52, (first_head, right), (second_head, left), covered=post))
    assert num_looks > 0


def test_frames_that_cannot_be_read_keep_their_place(engine: FaceEngine, first_head: Head) -> None:
    def way(i: int) -> tuple[float, float]:
        return 200.0 + i, 150.0

    images: list[UInt8 | None] = list(scene(20, (first_head, way)))
    images[8] = images[9] = images[0] = None
    analysis = analysed(engine, images)
    assert [damage.frame_index for damage in analysis.damages] == [0, 8, 9]
    assert analysis.num_frames == 20
    (track,) = analysis.tracks
    assert (track.first_frame, track.last_frame) == (1, 19)
    assert least_covered(analysis, first_head, way, range(1, 20)) > 0.98


@pytest.mark.parametrize("num_frames", [0, 1, 2])
def test_the_shortest_clips(engine: FaceEngine, first_head: Head, num_frames: int) -> None:
    analysis = analysed(engine, scene(num_frames, (first_head, lambda _: (250.0, 150.0))))
    assert analysis.num_frames == num_frames
    assert len(analysis.tracks) == min(num_frames, 1)
    assert sum(shot.last_frame - shot.first_frame + 1 for shot in analysis.shots) == num_frames


def test_samples_are_few_good_and_spread(engine: FaceEngine, first_head: Head) -> None:
    def way(i: int) -> tuple[float, float]:
        return 100.0 + 3 * i, 150.0

    (track,) = analysed(engine, scene(60, (first_head, way))).tracks
    assert 3 <= len(track.samples) <= 8
    at = sorted(sample.frame_index for sample in track.samples)
    assert at[0] < 15
    assert at[-1] > 44
    for sample in track.samples:
        truth = first_head.box_at(way(sample.frame_index))
        middle = (truth[:2] + truth[2:]) / 2
        assert np.abs(sample.face.landmarks_xy[2] - middle).max() < 20
        inside = sample.face.landmarks_xy - np.array(sample.crop_xy)
        assert (inside > 30).all()
        assert (inside < np.array(sample.crop_rgb.shape[1::-1]) - 30).all()


def test_the_same_clip_gives_the_same_tracks(engine: FaceEngine, first_head: Head) -> None:
    images = scene(24, (first_head, lambda i: (200.0 + 4 * i, 150.0)))
    once, again = (analysed(engine, images) for _ in range(2))
    for a, b in zip(once.tracks, again.tracks, strict=True):
        np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
        assert [s.frame_index for s in a.samples] == [s.frame_index for s in b.samples]


def test_progress_is_told_and_stop_stops(engine: FaceEngine, first_head: Head) -> None:
    from assent.video.analysis import analyse
    from tests.unit.video.scenes import video_frames
    from tests.video import FACTS

    class Enough(Exception):
        pass

    def stop() -> None:
        if len(told) > 1:
            raise Enough

    told: list[float] = []
    images = scene(30, (first_head, lambda _: (250.0, 150.0)))
    with pytest.raises(Enough):
        analyse(video_frames(images), FACTS, engine, progress=lambda s, _: told.append(s), stop=stop)
    assert told == [0.0, pytest.approx(10 / RATE)]


def test_a_camera_knows_faces_as_they_come(engine: FaceEngine, first_head: Head) -> None:
    def way(i: int) -> tuple[float, float]:
        return 200.0 + 4 * i, 150.0

    tracker = Tracker(engine)
    seen = [tracker.update(image, i / RATE) for i, image in enumerate(scene(20, (first_head, way)))]
    assert {len(live) for live in seen} == {1}
    assert {live[0].number for live in seen} == {0}
    assert not any(live[0].is_lost for live in seen)
    assert seen[-1][0].followed_s == pytest.approx(19 / RATE)
    assert seen[-1][0].samples
    for i, live in enumerate(seen):
        assert share_covered(first_head.box_at(way(i)), live[0].box_xyxy[None]) > 0.75
    held = tracker.update(None, 20 / RATE)
    assert [live.seen for live in held] == [Seen.BRIDGED]
    assert tracker.ended == []
