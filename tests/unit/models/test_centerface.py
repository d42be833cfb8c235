from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from assent.errors import ModelUnsupported
from assent.models.centerface import INPUT_NAME, OUTPUT_NAMES, make_centerface_dynamic
from assent.models.sessions import OrtSession
from tests.unit.models.builders import centerface_like_model, yunet_model


def shapes(values: Sequence[onnx.ValueInfoProto]) -> list[list[str | int]]:
    return [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values]


def free_session(data: bytes) -> OrtSession:
    return OrtSession(make_centerface_dynamic(data), name="centerface", threads=1)


def test_frees_the_shapes_and_takes_weights_off_the_inputs() -> None:
    model = onnx.load_from_string(make_centerface_dynamic(centerface_like_model()))
    assert [value.name for value in model.graph.input] == [INPUT_NAME]
    assert [value.name for value in model.graph.output] == list(OUTPUT_NAMES)
    assert shapes(model.graph.input) == [["N", 3, "H", "W"]]
    assert shapes(model.graph.output) == [["N", c, "H/4", "W/4"] for c in (1, 2, 2, 10)]


def test_results_are_those_of_the_published_file() -> None:
    data = centerface_like_model(seed=3)
    images = np.random.default_rng(0).uniform(0, 255, (10, 3, 32, 32)).astype(np.float32)
    expected = OrtSession(data, name="published", threads=1).run({"input.1": images})
    got = free_session(data).run({INPUT_NAME: images})
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("nhw", [(1, 32, 32), (3, 64, 96), (2, 480, 640)])
def test_any_batch_and_size_can_be_run(nhw: tuple[int, int, int]) -> None:
    n, h, w = nhw
    outputs = free_session(centerface_like_model()).run({INPUT_NAME: np.zeros((n, 3, h, w), np.float32)})
    assert [output.shape for output in outputs] == [(n, c, h // 4, w // 4) for c in (1, 2, 2, 10)]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"no model", "an ONNX file"),
        (b"", "one image input"),
        (centerface_like_model(channels=(1, 2, 2, 8)), "outputs of (1, 2, 2, 10) channels"),
        (yunet_model(), "outputs of (1, 2, 2, 10) channels"),
    ],
)
def test_other_files_are_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        make_centerface_dynamic(data)
    assert complaint in caught.value.message


def test_the_real_file_keeps_its_results(models_dir: Path, demo_photos: Path) -> None:
    from onnx.tools.update_model_dims import update_inputs_outputs_dims
    from PIL import Image

    data = (models_dir / "centerface.onnx").read_bytes()
    with Image.open(demo_photos / "obama2.jpg") as image:
        photo = np.asarray(image.convert("RGB").resize((320, 256)), np.float32)
    blob = np.ascontiguousarray(photo.transpose(2, 0, 1)[None])
    published = onnx.load_from_string(data)
    inputs = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in published.graph.input}
    outputs = {v.name: ["B", d, "h", "w"] for v, d in zip(published.graph.output, (1, 2, 2, 10), strict=True)}
    freed = update_inputs_outputs_dims(published, inputs | {"input.1": ["B", 3, "H", "W"]}, outputs)
    expected = OrtSession(freed.SerializeToString(), name="published", threads=1).run({"input.1": blob})

    heatmap, scale, offset, landmarks = free_session(data).run({INPUT_NAME: blob})

    assert heatmap.max() > 0.5  # there is a face
    np.testing.assert_allclose(heatmap, expected[0], atol=2e-6)
    for ours, theirs in zip((scale, offset, landmarks), expected[1:], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)
