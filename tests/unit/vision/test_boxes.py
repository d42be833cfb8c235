from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from assent.types import Detections, Float32
from assent.vision.boxes import (
    box_areas,
    box_iou,
    clip_boxes,
    grow_boxes,
    merge_detections,
    non_maximum_suppression,
)

EMPTY = np.zeros((0, 4), np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> Float32:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("given_boxes", "wanted"),
    [
        (EMPTY, []),
        (boxes((0, 0, 10, 5)), [50]),
        (boxes((3, 3, 3, 9)), [0]),
        (boxes((5, 5, 1, 1)), [0]),
    ],
    ids=["empty", "plain", "flat", "inverted"],
)
def test_box_areas(given_boxes: Float32, wanted: list[float]) -> None:
    got = box_areas(given_boxes)
    assert got.dtype == np.float32
    assert got.tolist() == wanted


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (EMPTY, boxes((0, 0, 1, 1)), np.zeros((0, 1))),
        (boxes((0, 0, 1, 1)), EMPTY, np.zeros((1, 0))),
        (boxes((0, 0, 2, 2)), boxes((0, 0, 2, 2)), [[1.0]]),
        (boxes((0, 0, 2, 2)), boxes((2, 0, 4, 2)), [[0.0]]),
        (boxes((0, 0, 2, 2)), boxes((1, 0, 3, 2)), [[1 / 3]]),
        (boxes((1, 1, 1, 1)), boxes((1, 1, 1, 1)), [[0.0]]),
    ],
    ids=["none-a", "none-b", "same", "touching", "half", "no-area"],
)
def test_box_iou(a: Float32, b: Float32, wanted: object) -> None:
    np.testing.assert_allclose(box_iou(a, b), np.asarray(wanted), atol=1e-6)


def slow_nms(given_boxes: Float32, scores: Float32, max_iou: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if all(box_iou(given_boxes[[index]], given_boxes[[k]])[0, 0] <= max_iou for k in kept):
            kept.append(index)
    return kept


@settings(deadline=None)
@given(
    corners=hnp.arrays(np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.integers(0, 20)),
    data=st.data(),
    max_iou=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_suppression_equals_the_obvious_loop(corners: Float32, data: st.DataObject, max_iou: float) -> None:
    ordered = np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1
    )
    levels = st.sampled_from([0.5, 0.75, 1.0])
    scores = np.array(data.draw(st.lists(levels, min_size=len(corners), max_size=len(corners))), np.float32)
    got = non_maximum_suppression(ordered, scores, max_iou=max_iou)
    assert got.dtype == np.int64
    assert got.tolist() == slow_nms(ordered, scores, max_iou)


def test_merging_keeps_the_better_of_two_looks() -> None:
    one = Detections(boxes((0, 0, 10, 10)), np.zeros((1, 5, 2), np.float32), np.array([0.6], np.float32))
    two = Detections(
        boxes((1, 0, 11, 10), (50, 50, 60, 60)),
        np.ones((2, 5, 2), np.float32),
        np.array([0.9, 0.7], np.float32),
    )
    merged = merge_detections([one, two], max_iou=0.4)
    assert merged.scores.tolist() == pytest.approx([0.9, 0.7])
    assert len(merge_detections([], max_iou=0.4)) == 0
    assert len(merge_detections([Detections.empty(), Detections.empty()], max_iou=0.4)) == 0


def test_clip_and_grow() -> None:
    assert clip_boxes(EMPTY, width_px=5, height_px=5).shape == (0, 4)
    assert grow_boxes(EMPTY, margin=0.5).shape == (0, 4)
    assert clip_boxes(boxes((-3, -1, 9, 2), (7, 7, 9, 9)), width_px=5, height_px=6).tolist() == [
        [0, 0, 5, 2],
        [5, 6, 5, 6],
    ]
    assert grow_boxes(boxes((10, 10, 20, 30)), margin=0.5).tolist() == [[5, 0, 25, 40]]
