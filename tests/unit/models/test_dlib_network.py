"""Reading dlib's network and building its ONNX graph: against a slow twin, and against dlib itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from assent.errors import ModelUnsupported
from assent.models.dlib_onnx import build_dlib_onnx
from assent.models.dlib_reader import (
    AddSaved,
    Affine,
    Convolution,
    DlibNetwork,
    FullyConnected,
    Pool,
    Relu,
    SaveInput,
    SwapBranch,
    read_dlib_network,
)
from assent.models.sessions import OrtSession
from assent.types import Float32, UInt8
from tests.unit.models.builders import (
    TAG,
    dlib_affine,
    dlib_convolution,
    dlib_fully_connected,
    dlib_network,
    dlib_pool,
    dlib_text,
    residual_network,
)

RELU = dlib_text("relu_")


def filters(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(0, 0.3, shape).astype(np.float32)


FIRST = dlib_convolution(filters(2, 3, 3, 3), filters(2), stride=2)
GLOBAL = dlib_pool("avg_pool_2", 0, 1)
LAST = dlib_fully_connected(filters(2, 4))


# --- the slow twin: each layer as its definition says, in double precision, nothing folded ------------------


def windows(x: np.ndarray, size: tuple[int, int], stride: tuple[int, int]) -> np.ndarray:
    """(C, rows, columns, *size) of (C, H, W)."""
    every = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    return every[:, :: stride[0], :: stride[1]]


def slow_run(network: DlibNetwork, image_rgb: np.ndarray) -> np.ndarray:
    x = (image_rgb.transpose(2, 0, 1) - network.mean_rgb[:, None, None].astype(np.float64)) / 256
    saved_input = x
    saved_output: np.ndarray | None = None
    for op in network.operations:
        match op:
            case Convolution():
                pad = [(0, 0), (op.padding[0],) * 2, (op.padding[1],) * 2]
                seen = windows(np.pad(x, pad), op.filters.shape[2:], op.stride)
                x = np.einsum("cyxij,ocij->oyx", seen, op.filters) + op.biases[:, None, None]
            case Affine():
                x = x * op.gamma[:, None, None] + op.beta[:, None, None]
            case Relu():
                x = np.maximum(x, 0)
            case Pool(window=(0, 0)):
                x = x.mean(axis=(1, 2), keepdims=True)
            case Pool():
                seen = windows(x, op.window, op.stride)
                x = seen.max(axis=(3, 4)) if op.kind == "max" else seen.mean(axis=(3, 4))
            case SaveInput():
                saved_input, saved_output = x, None
            case SwapBranch():
                saved_output, x = x, saved_input
            case AddSaved():
                other = saved_input if saved_output is None else saved_output
                total = np.zeros(np.maximum(x.shape, other.shape))
                for part in (x, other):
                    channels, rows, columns = part.shape
                    total[:channels, :rows, :columns] += part
                x = total
            case FullyConnected():
                x = x.reshape(-1) @ op.weights + op.biases
    return x


def embed(network: DlibNetwork, images_rgb: np.ndarray) -> Float32:
    session = OrtSession(build_dlib_onnx(network), name="test", threads=1)
    blob = np.ascontiguousarray(images_rgb.transpose(0, 3, 1, 2), np.float32)
    return np.asarray(session.run({"image_rgb": blob})[0])


# --- reading ------------------------------------------------------------------------------------------------


def test_reads_every_layer_in_running_order() -> None:
    network = read_dlib_network(residual_network())
    assert network.input_shape == (39, 39)
    np.testing.assert_allclose(network.mean_rgb, [122, 117, 104])
    assert network.output_dim == 5
    kinds = [type(op).__name__ for op in network.operations]
    body = ["Convolution", "Affine", "Relu", "Convolution", "Affine"]
    block = ["SaveInput", *body, "AddSaved", "Relu"]
    down = ["SaveInput", *body, "SwapBranch", "Pool", "AddSaved", "Relu"]
    assert kinds == ["Convolution", "Affine", "Relu", "Pool", *block, *down, *down, "Pool", "FullyConnected"]


def test_reads_the_values_it_was_given() -> None:
    weights, biases = filters(2, 3, 3, 3), filters(2)
    gamma, beta = filters(2), filters(2)
    table, offset = filters(2, 4), filters(4)
    data = dlib_network(
        [
            dlib_convolution(weights, biases, stride=2, padding=0),
            dlib_affine(gamma, beta),
            dlib_pool("max_pool_2", 3, 2),
            GLOBAL,
            dlib_fully_connected(table, offset),
        ]
    )
    convolution, affine, pool, _, last = read_dlib_network(data).operations
    assert isinstance(convolution, Convolution)
    np.testing.assert_array_equal(convolution.filters, weights)
    np.testing.assert_array_equal(convolution.biases, biases)
    assert (convolution.stride, convolution.padding) == ((2, 2), (0, 0))
    assert isinstance(affine, Affine)
    np.testing.assert_array_equal(affine.gamma, gamma)
    np.testing.assert_array_equal(affine.beta, beta)
    assert pool == Pool("max", (3, 3), (2, 2), (0, 0))
    assert isinstance(last, FullyConnected)
    np.testing.assert_array_equal(last.weights, table)
    np.testing.assert_array_equal(last.biases, offset)


@pytest.mark.parametrize("kept", [0, 1, 17, 60, 200, -1])
def test_a_cut_file_is_refused(kept: int) -> None:
    data = dlib_network([FIRST, RELU, GLOBAL, LAST])
    with pytest.raises(ModelUnsupported, match=r"net\.dat: expected"):
        read_dlib_network(data[:kept], "net.dat")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "1 more bytes"),
        (b"not a network at all", "expected"),
        (dlib_network([FIRST, GLOBAL, LAST]) + b"\x01\x01", "the end of the file"),
        (dlib_network([FIRST, GLOBAL, LAST], loss="loss_multiclass_log_"), "loss_metric_2"),
        (dlib_network([FIRST, GLOBAL, LAST], side=8), "input of 16 to 2048 pixels"),
        (dlib_network([FIRST, dlib_text("prelu_"), LAST]), "one of con_4"),
        (dlib_network([FIRST, TAG, TAG, TAG, RELU, LAST]), "in a row"),
        (dlib_network([FIRST, GLOBAL]), "ends with a fully connected layer"),
        (dlib_network([FIRST, GLOBAL, LAST, TAG]), "ends with a fully connected layer"),
    ],
)
def test_other_networks_are_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        read_dlib_network(data)
    assert complaint in caught.value.message


# --- building -----------------------------------------------------------------------------------------------


def test_agrees_with_the_slow_twin_for_any_batch() -> None:
    network = read_dlib_network(residual_network())
    images = np.random.default_rng(7).integers(0, 256, (3, 39, 39, 3)).astype(np.uint8)
    expected = np.stack([slow_run(network, image) for image in images])
    np.testing.assert_allclose(embed(network, images), expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(embed(network, images[:1]), expected[:1], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("side", [35, 37, 39, 43, 52])
def test_shortcuts_of_other_size_are_padded_as_dlib_does(side: int) -> None:
    network = read_dlib_network(residual_network(seed=1, side=side))
    image = np.random.default_rng(7).integers(0, 256, (1, side, side, 3)).astype(np.uint8)
    np.testing.assert_allclose(embed(network, image)[0], slow_run(network, image[0]), rtol=2e-6, atol=2e-6)


def test_the_graph_has_a_free_batch_and_no_affine_left() -> None:
    model = onnx.load_from_string(build_dlib_onnx(read_dlib_network(residual_network())))
    (image,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == ["N", 3, 39, 39]
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"Mul", "Sub", "Div", "BatchNormalization"}


@pytest.mark.parametrize(
    ("layers", "complaint"),
    [
        ([dlib_convolution(filters(2, 3, 3, 3), filters(2), padding=1), GLOBAL, LAST], "without padding"),
        ([FIRST, RELU, dlib_affine(filters(2), filters(2)), GLOBAL, LAST], "after a convolution"),
        ([FIRST, dlib_pool("max_pool_2", 3, 2, padding=1), GLOBAL, LAST], "pooling without padding"),
        ([FIRST, dlib_convolution(filters(2, 5, 3, 3), filters(2)), GLOBAL, LAST], "filters of 2 channels"),
        ([FIRST, GLOBAL, dlib_convolution(filters(2, 2, 3, 3), filters(2)), LAST], "a window of at most"),
        ([FIRST, GLOBAL, dlib_fully_connected(filters(3, 4))], "2 inputs at the end"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers: list[bytes], complaint: str) -> None:
    network = read_dlib_network(dlib_network(layers))
    with pytest.raises(ModelUnsupported) as caught:
        build_dlib_onnx(network)
    assert complaint in caught.value.message


# --- the real one, against dlib -----------------------------------------------------------------------------


def test_agrees_with_dlib_on_real_chips(models_dir: Path, demo_photos: Path) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib (the extra 'oracle') is not installed")
    from PIL import Image

    file = models_dir / "dlib_face_recognition_resnet_model_v1.dat"
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(models_dir / "shape_predictor_5_face_landmarks.dat"))
    chips: list[UInt8] = []
    for name in ("obama.jpg", "obama2.jpg", "biden.jpg"):
        with Image.open(demo_photos / name) as image:
            photo = np.asarray(image.convert("RGB"))
        chips += [dlib.get_face_chip(photo, predictor(photo, box), 150, 0.25) for box in detector(photo)]
    assert len(chips) >= 3
    expected = np.array(dlib.face_recognition_model_v1(str(file)).compute_face_descriptor(chips))

    got = embed(read_dlib_network(file.read_bytes(), file.name), np.stack(chips))

    assert got.shape == expected.shape == (len(chips), 128)
    assert np.abs(got - expected).max() < 1e-5
    # Were colours swapped, every value would still look like an embedding: hold the order itself.
    swapped = embed(read_dlib_network(file.read_bytes()), np.stack(chips)[..., ::-1])
    assert np.abs(swapped - expected).max() > 0.01
