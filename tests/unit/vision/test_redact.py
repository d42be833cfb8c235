from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.types import Face, Float32, Quality, UInt8
from assent.vision.decode import decode_image
from assent.vision.engine import FaceEngine, largest_face
from assent.vision.redact import RedactMethod, covered_pixels, redact
from tests.unit.vision.builders import noise_image

METHODS = list(RedactMethod)


def boxes(*rows: tuple[float, float, float, float]) -> Float32:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize("method", METHODS)
def test_no_box_is_an_equal_copy(method: RedactMethod) -> None:
    image = noise_image(20, 30)
    hidden = redact(image, boxes(), method=method)
    assert hidden is not image
    assert not np.shares_memory(hidden, image)
    np.testing.assert_array_equal(hidden, image)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((10, 10, 20, 20), (10, 10, 20, 20)),
        ((10.1, 10.9, 19.1, 19.9), (10, 10, 20, 20)),
        ((-5, -5, 4.5, 3.2), (0, 0, 5, 4)),
        ((25, 15, 99, 99), (25, 15, 30, 20)),
        ((-9, -9, 99, 99), (0, 0, 30, 20)),
        ((7.5, 7.5, 7.5, 7.5), (7, 7, 8, 8)),
        ((40, 40, 50, 50), (30, 20, 30, 20)),
        ((-50, 3, -40, 9), (0, 3, 0, 9)),
    ],
    ids=["whole", "fractions", "top-left", "bottom-right", "all", "point", "outside", "left-of-it"],
)
def test_covered_pixels(box: tuple[float, float, float, float], wanted: tuple[int, ...]) -> None:
    got = covered_pixels(boxes(box), margin=0, width_px=30, height_px=20)
    assert got[0].tolist() == list(wanted)


def test_the_margin_is_on_every_side() -> None:
    got = covered_pixels(boxes((40, 40, 60, 80)), margin=0.5, width_px=200, height_px=200)
    assert got[0].tolist() == [30, 20, 70, 100]


@pytest.mark.parametrize(
    "bad",
    [
        boxes((np.nan, 0, 1, 1)),
        boxes((0, 0, np.inf, 1)),
        boxes((5, 0, 1, 1)),
        np.zeros((2, 5), np.float32),
        np.zeros(4, np.float32),
    ],
    ids=["nan", "inf", "inverted", "five", "flat"],
)
def test_what_cannot_be_hidden_raises_instead_of_showing(bad: Float32) -> None:
    with pytest.raises(ValueError, match="boxes_xyxy"):
        redact(noise_image(10, 10), bad)


def test_a_negative_margin_raises() -> None:
    with pytest.raises(ValueError, match="margin"):
        redact(noise_image(10, 10), boxes((1, 1, 5, 5)), margin=-0.1)


@settings(deadline=None)
@given(
    data=st.lists(
        st.tuples(st.floats(-60, 120), st.floats(-60, 120), st.floats(0, 90), st.floats(0, 90)),
        min_size=1,
        max_size=4,
    ),
    method=st.sampled_from(METHODS),
    margin=st.floats(0, 1),
)
def test_every_covered_pixel_changes_and_no_other(
    data: list[tuple[float, float, float, float]], method: RedactMethod, margin: float
) -> None:
    # Blue alternates between extremes, so a pixel that is copied through keeps 0 or 255 and no mean has it.
    image = np.full((48, 64, 3), 128, np.uint8)
    image[..., 2] = np.indices((48, 64)).sum(0) % 2 * 255
    given_boxes = boxes(*((x, y, x + w, y + h) for x, y, w, h in data))
    hidden = redact(image, given_boxes, method=method, margin=margin)
    mask = np.zeros((48, 64), bool)
    small = np.zeros((48, 64), bool)
    for x0, y0, x1, y1 in covered_pixels(given_boxes, margin=margin, width_px=64, height_px=48).tolist():
        mask[y0:y1, x0:x1] = True
        if min(x1 - x0, y1 - y0) < 2:
            small[y0:y1, x0:x1] = True
    np.testing.assert_array_equal(hidden[~mask], image[~mask])
    changed = (hidden != image).any(-1)
    assert changed[mask & ~small].all()


@pytest.mark.parametrize("method", METHODS)
def test_what_remains_is_a_few_colours(method: RedactMethod) -> None:
    image = noise_image(200, 200)
    hidden = redact(image, boxes((60, 60, 140, 140)), method=method, margin=0.35)
    region = hidden[32:168, 32:168].astype(float)
    spectrum = np.abs(np.fft.fft2(region.mean(-1) - region.mean()))
    coarse = np.minimum(np.arange(136), 136 - np.arange(136)) <= 8
    detail = spectrum[~coarse][:, ~coarse].sum() / max(spectrum.sum(), 1e-9)
    assert detail < 0.35  # noise itself has 0.77
    assert region.std() < 20 < image[32:168, 32:168].std()


@pytest.mark.parametrize("method", METHODS)
def test_a_face_cut_by_the_edge_is_hidden_to_the_last_pixel(method: RedactMethod) -> None:
    image = noise_image(50, 50)
    hidden = redact(image, boxes((30, 30, 50, 50)), method=method, margin=0.1)
    assert (hidden[-1, 28:] != image[-1, 28:]).any(-1).mean() > 0.95
    assert (hidden[28:, -1] != image[28:, -1]).any(-1).mean() > 0.95


@pytest.mark.parametrize("method", METHODS)
def test_the_recogniser_learns_nothing_from_a_hidden_face(
    method: RedactMethod, engine: FaceEngine, demo_photos: Path
) -> None:
    def load(name: str) -> tuple[UInt8, Face]:
        image = decode_image((demo_photos / name).read_bytes()).image_rgb
        face = largest_face(engine.faces(image))
        assert face is not None
        return image, face

    def template(image: UInt8, face: Face) -> Float32:
        # The attacker is given the true landmarks, which a hidden face would not show.
        given_face = Face(face.box_xyxy, face.landmarks_xy, 1.0, Quality(1, 1, 1, 0, 1))
        return np.asarray(engine.templates(image, [given_face])[0], np.float32)

    same, stranger, probe = load("obama.jpg"), load("biden.jpg"), load("obama2.jpg")
    person, other = template(*same), template(*stranger)
    image, face = probe
    clear = template(image, face)
    hidden = template(redact(image, face.box_xyxy[None], method=method), face)
    gap_clear, gap_hidden = clear @ person - clear @ other, hidden @ person - hidden @ other
    assert gap_clear > 0.1
    assert gap_hidden < 0.25 * gap_clear
    assert hidden @ person < 0.9
    assert not [f for f in engine.faces(redact(image, face.box_xyxy[None], method=method)) if f.score > 0.7]


@pytest.mark.slow
@pytest.mark.parametrize("method", [RedactMethod.BLUR, RedactMethod.MOSAIC])
def test_hidden_people_of_a_crowd_score_like_strangers(
    method: RedactMethod, engine: FaceEngine, shared_data: Path
) -> None:
    people = [sorted(p.glob("*.jpg"))[:2] for p in sorted((shared_data / "lfw").iterdir())]
    pairs = [p for p in people if len(p) == 2][:60]

    def template(path: Path, *, hide: bool) -> Float32 | None:
        image = decode_image(path.read_bytes()).image_rgb
        face = largest_face(engine.faces(image))
        if face is None:
            return None
        shown = redact(image, face.box_xyxy[None], method=method) if hide else image
        return np.asarray(engine.templates(shown, [face])[0], np.float32)

    rows = [(template(a, hide=True), template(b, hide=False)) for a, b in pairs]
    hidden = np.stack([a for a, b in rows if a is not None and b is not None])
    shown = np.stack([b for a, b in rows if a is not None and b is not None])
    scores = hidden @ shown.T
    mated = np.diag(scores)
    strangers = scores[~np.eye(len(scores), dtype=bool)].reshape(len(scores), -1)
    assert np.mean(mated[:, None] > strangers) < 0.62  # 0.5 is chance; clear faces have 0.999
