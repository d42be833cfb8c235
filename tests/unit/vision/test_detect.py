from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from assent.errors import ModelUnsupported
from assent.models.sessions import OrtSession
from assent.models.store import ModelStore
from assent.types import UInt8
from assent.vision.decode import decode_image
from assent.vision.detect import (
    CenterFaceDetector,
    Detector,
    InputFormat,
    ScrfdDetector,
    YuNetDetector,
)
from tests.unit.vision.builders import FakeSession, noise_image

Arrays = dict[str, npt.NDArray[Any]]
STRIDES = (8, 16, 32)
SIDE = 64


def centerface_answers(side: int = SIDE) -> Arrays:
    grid = side // 4
    return {
        "heatmap": np.zeros((1, 1, grid, grid), np.float32),
        "scale": np.zeros((1, 2, grid, grid), np.float32),
        "offset": np.zeros((1, 2, grid, grid), np.float32),
        "landmarks": np.zeros((1, 10, grid, grid), np.float32),
    }


def yunet_answers(side: int = SIDE) -> Arrays:
    widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    return {
        f"{kind}_{s}": np.zeros((1, (side // s) ** 2, width), np.float32)
        for kind, width in widths.items()
        for s in STRIDES
    }


def scrfd_answers(side: int = SIDE, *, batch_axis: bool = False) -> Arrays:
    answers: Arrays = {}
    for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for s in STRIDES:
            shape = (2 * (side // s) ** 2, width)
            answers[f"{kind}_{s}"] = np.zeros((1, *shape) if batch_axis else shape, np.float32)
    return answers


def detector_of(family: str, answers: Arrays) -> Detector:
    session = FakeSession(answers)
    families: dict[str, Callable[[FakeSession], Detector]] = {
        "centerface": CenterFaceDetector,
        "yunet": YuNetDetector,
        "scrfd": ScrfdDetector,
    }
    return families[family](session)


@pytest.mark.parametrize(
    ("family", "answers"),
    [
        ("centerface", centerface_answers()),
        ("yunet", yunet_answers()),
        ("scrfd", scrfd_answers()),
    ],
)
def test_nothing_found_keeps_shapes(family: str, answers: Arrays) -> None:
    found = detector_of(family, answers).detect(noise_image(SIDE, SIDE), long_side_px=SIDE)
    assert len(found) == 0
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.landmarks_xy.shape == (0, 5, 2)
    assert found.boxes_xyxy.dtype == found.landmarks_xy.dtype == found.scores.dtype == np.float32


def test_centerface_by_hand() -> None:
    answers = centerface_answers()
    answers["heatmap"][0, 0, 5, 7] = 0.9
    answers["scale"][0, :, 5, 7] = np.log([6, 4])  # height 24, width 16
    answers["offset"][0, :, 5, 7] = 0.25, -0.5  # y, x
    answers["landmarks"][0, :, 5, 7] = np.array(
        [[0.3, 0.2], [0.3, 0.8], [0.5, 0.5], [0.8, 0.3], [0.8, 0.7]]
    ).ravel()
    # Twice as large as what the network sees.
    found = detector_of("centerface", answers).detect(noise_image(128, 128), long_side_px=SIDE)
    centre_x, centre_y = (7 - 0.5 + 0.5) * 4, (5 + 0.25 + 0.5) * 4
    box = np.array([centre_x - 8, centre_y - 12, centre_x + 8, centre_y + 12]) * 2
    np.testing.assert_allclose(found.boxes_xyxy[0], box, atol=1e-4)
    np.testing.assert_allclose(found.landmarks_xy[0, 0], [box[0] + 0.2 * 32, box[1] + 0.3 * 48], atol=1e-4)
    np.testing.assert_allclose(found.landmarks_xy[0, 4], [box[0] + 0.7 * 32, box[1] + 0.8 * 48], atol=1e-4)
    assert found.scores.tolist() == pytest.approx([0.9])


def test_yunet_by_hand() -> None:
    answers = yunet_answers()
    row = 1 * 4 + 2  # y 1, x 2 at stride 16
    answers["cls_16"][0, row], answers["obj_16"][0, row] = 0.81, 1.0
    answers["bbox_16"][0, row] = 0.5, 0.25, np.log(2), np.log(3)
    answers["kps_16"][0, row, :4] = 0.1, 0.2, 0.9, 0.2
    found = detector_of("yunet", answers).detect(noise_image(SIDE, SIDE), long_side_px=SIDE)
    np.testing.assert_allclose(found.boxes_xyxy[0], [40 - 16, 20 - 24, 40 + 16, 20 + 24], atol=1e-4)
    np.testing.assert_allclose(found.landmarks_xy[0, :2], [[33.6, 19.2], [46.4, 19.2]], atol=1e-4)
    assert found.scores.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize("batch_axis", [False, True])
def test_scrfd_by_hand(batch_axis: bool) -> None:
    answers = scrfd_answers(batch_axis=batch_axis)
    row = 2 * (3 * 8 + 5) + 1  # second anchor of y 3, x 5 at stride 8
    answers["score_8"].reshape(-1, 1)[row] = 0.8
    answers["bbox_8"].reshape(-1, 4)[row] = 1, 2, 3, 4
    answers["kps_8"].reshape(-1, 10)[row, :2] = -0.5, 0.5
    found = detector_of("scrfd", answers).detect(noise_image(SIDE, SIDE), long_side_px=SIDE)
    np.testing.assert_allclose(found.boxes_xyxy[0], [40 - 8, 24 - 16, 40 + 24, 24 + 32])
    np.testing.assert_allclose(found.landmarks_xy[0, 0], [36, 28])


def test_values_that_are_not_finite_are_no_face() -> None:
    answers = centerface_answers()
    answers["heatmap"][0, 0, :2, 0] = 0.9
    answers["scale"][0, :, 0, 0] = np.nan
    found = detector_of("centerface", answers).detect(noise_image(SIDE, SIDE), long_side_px=SIDE)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("fmt", "wanted"),
    [
        (InputFormat(), [10, 20, 30]),
        (InputFormat(colour_order="bgr"), [30, 20, 10]),
        (InputFormat(mean=(1, 2, 3), std=(1, 2, 3)), [9, 9, 9]),
        (InputFormat(colour_order="bgr", mean=(1, 2, 3), std=(1, 2, 1)), [29, 9, 7]),
    ],
)
def test_colour_order_and_range(fmt: InputFormat, wanted: list[float]) -> None:
    session = FakeSession(centerface_answers())
    image = np.broadcast_to(np.array([10, 20, 30], np.uint8), (SIDE, SIDE, 3))
    CenterFaceDetector(session, fmt=fmt).detect(image, long_side_px=SIDE)
    assert session.fed[0].dtype == np.float32
    assert session.fed[0][0, :, 5, 5].tolist() == wanted


@pytest.mark.parametrize(
    ("shape", "long_side", "wanted"),
    [
        ((480, 640), 640, (480, 640)),
        ((960, 1280), 640, (480, 640)),
        ((100, 50), 100, (128, 64)),
        ((1, 1), 160, (160, 160)),
        ((1, 3000), 640, (32, 640)),
    ],
)
def test_the_network_sees_multiples_of_32(
    shape: tuple[int, int], long_side: int, wanted: tuple[int, int]
) -> None:
    answers = {k: np.zeros((1, c, 1, 1), np.float32) for k, c in zip("abcd", (1, 2, 2, 10), strict=True)}
    session = FakeSession(answers)
    CenterFaceDetector(session).detect(noise_image(*shape), long_side_px=long_side)
    assert session.fed[0].shape == (1, 3, *wanted)


def test_a_network_of_one_size_is_padded_to_it() -> None:
    session = FakeSession(centerface_answers())
    CenterFaceDetector(session, fmt=InputFormat(fixed_wh=(96, 64))).detect(
        np.full((100, 100, 3), 9, np.uint8), long_side_px=640
    )
    assert session.fed[0].shape == (1, 3, 64, 96)
    assert session.fed[0][0, 0, 63, 63] == 9
    assert session.fed[0][0, 0, 63, 64] == 0


def test_files_of_another_layout_are_refused() -> None:
    with pytest.raises(ModelUnsupported, match="bbox_8"):
        YuNetDetector(FakeSession({"loc": np.zeros(1), "conf": np.zeros(1)}))
    with pytest.raises(ModelUnsupported, match="nine outputs"):
        ScrfdDetector(FakeSession({"score": np.zeros(1)}))


def photo(folder: Path, name: str) -> UInt8:
    return decode_image((folder / name).read_bytes()).image_rgb


def test_yunet_and_centerface_find_the_same_faces(
    shared_models: Path, models_dir: Path, demo_photos: Path
) -> None:
    data = next(shared_models.glob("face_detection_yunet_*.onnx")).read_bytes()
    yunet = YuNetDetector(OrtSession(data, name="yunet", threads=2))
    center = CenterFaceDetector(ModelStore(models_dir).load_session("centerface", threads=2))
    for name in ("obama.jpg", "biden.jpg", "astronaut.png"):
        image = photo(demo_photos, name)
        ours, theirs = (d.detect(image, long_side_px=512) for d in (center, yunet))
        assert len(ours) >= 1
        assert len(theirs) >= 1
        eyes = np.linalg.norm(ours.landmarks_xy[0, 1] - ours.landmarks_xy[0, 0])
        apart = np.linalg.norm(ours.landmarks_xy[0] - theirs.landmarks_xy[0], axis=1)
        assert apart.max() < 0.4 * eyes
