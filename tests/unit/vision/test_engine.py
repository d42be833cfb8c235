from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from assent.errors import ModelMissing, ModelUnsupported, NotFound
from assent.models.store import ModelStore
from assent.types import Face, Float32, Quality, QualityReason, UInt8
from assent.vision.decode import decode_image
from assent.vision.engine import FaceEngine, largest_face
from assent.vision.quality import QualityGate
from assent.vision.recipe import DEFAULT_RECIPE, REGISTRY, recipe_named
from tests.unit.vision.builders import noise_image


@pytest.fixture(scope="module")
def obama(demo_photos: Path) -> UInt8:
    return decode_image((demo_photos / "obama.jpg").read_bytes()).image_rgb


def face(box: tuple[float, float, float, float], score: float) -> Face:
    return Face(np.array(box, np.float32), np.zeros((5, 2), np.float32), score, Quality(1, 1, 1, 0, score))


def test_no_face(engine: FaceEngine) -> None:
    blank = np.full((300, 400, 3), 127, np.uint8)
    assert engine.faces(blank) == []
    assert engine.templates(blank, []).shape == (0, engine.dim)
    assert largest_face([]) is None


@pytest.mark.parametrize("shape", [(17, 16), (16, 1000), (600, 20)])
def test_images_without_faces(shape: tuple[int, int], engine: FaceEngine) -> None:
    assert [f for f in engine.faces(noise_image(*shape)) if f.quality.is_good] == []


def test_one_portrait(engine: FaceEngine, obama: UInt8) -> None:
    faces = engine.faces(obama)
    assert len(faces) == 1
    only = faces[0]
    assert only.quality.is_good
    assert only.quality.inter_ocular_px == pytest.approx(125, abs=6)
    assert only.box_xyxy.shape == (4,)
    assert only.box_xyxy.dtype == only.landmarks_xy.dtype == np.float32
    left_eye, right_eye, nose, left_mouth, right_mouth = only.landmarks_xy
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert left_mouth[0] < right_mouth[0]
    templates = engine.templates(obama, faces)
    assert templates.shape == (1, engine.dim) == (1, 128)
    assert templates.dtype == np.float32
    assert np.linalg.norm(templates[0]) == pytest.approx(1, abs=1e-5)


def test_the_same_man_scores_above_another(engine: FaceEngine, demo_photos: Path) -> None:
    def template(name: str) -> Float32:
        image = decode_image((demo_photos / name).read_bytes()).image_rgb
        chosen = largest_face(engine.faces(image))
        assert chosen is not None
        return np.asarray(engine.templates(image, [chosen])[0], np.float32)

    man = [template(n) for n in ("obama.jpg", "obama2.jpg", "obama3.jpg", "obama_partial_face.jpg")]
    others = [template(n) for n in ("biden.jpg", "astronaut.png")]
    mated = min(a @ b for a in man for b in man)
    nonmated = max(a @ b for a in man for b in others)
    assert mated > 0.93 > 0.88 > nonmated


def test_a_batch_equals_one_at_a_time(engine: FaceEngine, obama: UInt8) -> None:
    wide = np.concatenate([obama, obama[:, ::-1]], axis=1)
    faces = engine.faces(wide)
    assert len(faces) == 2
    together = engine.templates(wide, faces)
    apart = np.concatenate([engine.templates(wide, [f]) for f in faces])
    np.testing.assert_allclose(together, apart, atol=1e-5)
    swapped = engine.templates(wide, faces[::-1])
    np.testing.assert_allclose(together, swapped[::-1], atol=1e-5)


def test_a_mirrored_recipe_does_not_mind_mirrors(engine: FaceEngine, obama: UInt8) -> None:
    mirrored = np.ascontiguousarray(obama[:, ::-1])
    one = engine.templates(obama, engine.faces(obama))[0]
    other = engine.templates(mirrored, engine.faces(mirrored))[0]
    assert one @ other > 0.99


def test_the_gate_is_the_callers(engine: FaceEngine, obama: UInt8) -> None:
    strict = engine.faces(obama, gate=QualityGate(min_inter_ocular_px=1000))[0]
    assert strict.quality.reasons == (QualityReason.SMALL,)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
    ids=["grey", "rgba", "float"],
)
def test_other_arrays_are_refused(bad: np.ndarray, engine: FaceEngine) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        engine.faces(bad)
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        engine.templates(bad, [])


def test_largest_face() -> None:
    small, large, sure = face((0, 0, 5, 5), 0.9), face((0, 0, 9, 9), 0.6), face((9, 9, 18, 18), 0.8)
    assert largest_face([small, large]) is large
    assert largest_face([large, sure, small]) is sure


def test_opening_is_cheap_and_does_not_need_the_files(tmp_path: Path) -> None:
    engine = FaceEngine.open(ModelStore(tmp_path))
    assert engine.dim == 128
    assert len(engine.model_digest) == 64
    with pytest.raises(ModelMissing, match="assent models pull"):
        engine.detect(noise_image(40, 40))


def test_the_digest_tells_models_and_recipes_apart(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    digests = {name: FaceEngine.open(store, recipe=recipe_named(name)).model_digest for name in REGISTRY}
    assert len(set(digests.values())) == len(REGISTRY)
    default = FaceEngine.open(store)
    assert default.recipe is DEFAULT_RECIPE
    assert default.model_digest == digests[DEFAULT_RECIPE.name]
    assert default.model_digest != FaceEngine.open(store, detector="yunet-2023mar").model_digest
    assert FaceEngine.open(store, threads=1).model_digest == default.model_digest


def test_a_network_without_trees_gets_a_recipe_of_landmarks(tmp_path: Path) -> None:
    engine = FaceEngine.open(ModelStore(tmp_path), embedder="sface-2021dec")
    assert not engine.recipe.uses_trees
    assert engine.chips(noise_image(100, 100), np.zeros((0, 5, 2), np.float32)).shape[2:] == (112, 112, 3)


def test_models_in_the_wrong_place(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    with pytest.raises(NotFound):
        FaceEngine.open(store, detector="nothing")
    with pytest.raises(ModelUnsupported, match="kind 'embedder'"):
        FaceEngine.open(store, embedder="centerface")
    with pytest.raises(ModelUnsupported, match="kind 'detector'"):
        FaceEngine.open(store, detector="dlib-resnet-v1")


def test_threads_get_the_same_answers(models_dir: Path, obama: UInt8) -> None:
    engine = FaceEngine.open(ModelStore(models_dir), threads=1)
    answers: list[Float32] = []

    def work() -> None:
        for _ in range(2):
            answers.append(engine.templates(obama, engine.faces(obama)))  # noqa: PERF401

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-5)


def test_a_released_engine_loads_again(models_dir: Path, obama: UInt8) -> None:
    engine = FaceEngine.open(ModelStore(models_dir), threads=2)
    before = engine.templates(obama, engine.faces(obama))
    engine.release()
    np.testing.assert_allclose(engine.templates(obama, engine.faces(obama)), before, atol=1e-6)
