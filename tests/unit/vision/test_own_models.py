"""A user's own networks, small ones made here, from the manifest entry to boxes and templates."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assent.errors import ModelUnsupported
from assent.models.manifest import Family, Kind, LocalSource, ModelEntry
from assent.models.store import ModelStore
from assent.vision.engine import FaceEngine
from tests.unit.vision.builders import noise_image
from tests.unit.vision.test_detect import SIDE, scrfd_answers

Array = npt.NDArray[np.float32]


def entry_of(data: bytes, name: str, **fields: object) -> ModelEntry:
    return ModelEntry.model_validate(
        {
            "name": name,
            "file": f"{name}.onnx",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "licence": "Apache-2.0",
            "source": LocalSource(),
            **fields,
        }
    )


def model_of(nodes: list[onnx.NodeProto], weights: dict[str, Array], side: int, outputs: list[str]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "made-up",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def arcface_like(dim: int = 512) -> bytes:
    """Mean colours of the four quarters of the chip, spread over ``dim`` values."""
    spread = np.random.default_rng(0).normal(size=(12, dim)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["input.1"], ["quarters"], kernel_shape=[56, 56], strides=[56, 56]),
        helper.make_node("Flatten", ["quarters"], ["colours"]),
        helper.make_node("MatMul", ["colours", "spread"], ["embedding"]),
    ]
    return model_of(nodes, {"spread": spread}, 112, ["embedding"])


def scrfd_like() -> bytes:
    """Finds one face at the same place of every image."""
    answers = scrfd_answers()
    row = 2 * (2 * 4 + 2)  # y 2, x 2 at stride 16: the middle
    answers["score_16"][row] = 0.9
    answers["bbox_16"][row] = 1
    answers["kps_16"][row] = np.array([[-0.4, -0.4], [0.4, -0.4], [0, 0.1], [-0.3, 0.5], [0.3, 0.5]]).ravel()
    weights = {f"const_{name}": np.asarray(value, np.float32) for name, value in answers.items()}
    nodes = [
        helper.make_node("ReduceMean", ["input.1"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
        *(helper.make_node("Add", [f"const_{name}", "zero"], [name]) for name in answers),
    ]
    return model_of(nodes, weights, SIDE, list(answers))


def add_arcface(store: ModelStore, **fields: object) -> None:
    data = arcface_like()
    wanted: dict[str, object] = {
        "kind": Kind.EMBEDDER,
        "family": Family.ARCFACE,
        "input_width": 112,
        "input_height": 112,
        "colour_order": "rgb",
        "mean": (127.5, 127.5, 127.5),
        "std": (127.5, 127.5, 127.5),
        "alignment": "arcface-112",
        "output_dim": 512,
    }
    store.install(entry_of(data, "my-arcface", **(wanted | fields)), data)


def add_scrfd(store: ModelStore) -> None:
    data = scrfd_like()
    entry = entry_of(
        data,
        "my-scrfd",
        kind=Kind.DETECTOR,
        family=Family.SCRFD,
        input_width=SIDE,
        input_height=SIDE,
        colour_order="rgb",
        mean=(127.5, 127.5, 127.5),
        std=(128.0, 128.0, 128.0),
    )
    store.install(entry, data)


def test_own_detector_and_embedder_work_together(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    add_arcface(store)
    add_scrfd(store)
    engine = FaceEngine.open(store, detector="my-scrfd", embedder="my-arcface", threads=1)
    image = noise_image(128, 128)
    faces = engine.faces(image)
    assert len(faces) == 1
    np.testing.assert_allclose(faces[0].box_xyxy, [32, 32, 96, 96], atol=1e-3)
    templates = engine.templates(image, faces)
    assert templates.shape == (1, 512)
    assert np.linalg.norm(templates[0]) == pytest.approx(1, abs=1e-5)
    assert engine.recipe.name == "landmarks-mirrored"
    assert engine.templates(image, []).shape == (0, 512)


def test_an_entry_that_lies_about_the_output_is_found_out(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    add_arcface(store, output_dim=128)
    engine = FaceEngine.open(store, embedder="my-arcface", threads=1)
    chip = noise_image(112, 112)[None]
    with pytest.raises(ModelUnsupported, match="output_dim"):
        engine.embed_chips(chip)


def test_an_entry_whose_size_is_not_its_templates_is_refused(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    add_arcface(store, input_width=160, input_height=160)
    with pytest.raises(ModelUnsupported, match="112 x 112"):
        FaceEngine.open(store, embedder="my-arcface")
