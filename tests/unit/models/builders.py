"""Small model files: dlib's serialisation written from the other side, and ONNX models of each family."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# --- dlib's serialisation -------------------------------------------------------------------------------


def dlib_int(value: int) -> bytes:
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(length, "little")


def dlib_ints(*values: int) -> bytes:
    return b"".join(dlib_int(value) for value in values)


def dlib_float(value: float) -> bytes:
    mantissa, exponent = math.frexp(value)
    return dlib_ints(int(mantissa * 2**53), exponent - 53)


def dlib_text(text: str) -> bytes:
    return dlib_int(len(text)) + text.encode()


def dlib_tensor(array: np.ndarray) -> bytes:
    shape = (*array.shape, 1, 1, 1, 1)[:4] if array.size else (0, 0, 0, 0)
    return dlib_ints(2, *shape) + array.astype("<f4").tobytes()


def dlib_alias(*shape: int) -> bytes:
    return dlib_ints(1, *shape)


EMPTY = np.zeros(0, np.float32)
_MULTIPLIERS = dlib_float(1.0) * 4


def dlib_convolution(filters: np.ndarray, biases: np.ndarray, stride: int = 1, padding: int = 0) -> bytes:
    count, channels, rows, columns = filters.shape
    params = np.concatenate([filters.reshape(-1), biases])
    return (
        dlib_text("con_4")
        + dlib_tensor(params)
        + dlib_ints(count, rows, columns, stride, stride, padding, padding)
        + dlib_alias(count, channels, rows, columns)
        + dlib_alias(1, count, 1, 1)
        + _MULTIPLIERS
    )


def dlib_affine(gamma: np.ndarray, beta: np.ndarray) -> bytes:
    alias = dlib_alias(1, len(gamma), 1, 1)
    return dlib_text("affine_") + dlib_tensor(np.concatenate([gamma, beta])) + alias + alias + dlib_int(0)


def dlib_pool(name: str, window: int, stride: int, padding: int = 0) -> bytes:
    return dlib_text(name) + dlib_ints(window, window, stride, stride, padding, padding)


def dlib_fully_connected(weights: np.ndarray, biases: np.ndarray | None = None) -> bytes:
    inputs, outputs = weights.shape
    params = weights if biases is None else np.concatenate([weights, biases[None]])
    alias = dlib_alias(1, 1, 1, outputs) if biases is not None else dlib_alias(0, 0, 0, 0)
    return (
        dlib_text("fc_2")
        + dlib_ints(outputs, inputs)
        + dlib_tensor(params)
        + dlib_alias(inputs, outputs, 1, 1)
        + alias
        + dlib_int(0 if biases is not None else 1)
        + _MULTIPLIERS
    )


TAG = "tag or skip"
"""Stands for a tag or a skip among a network's layers: it has a version, and no content."""


def dlib_network(
    layers: Sequence[bytes | str],
    *,
    side: int = 24,
    mean: tuple[float, float, float] = (122.0, 117.0, 104.0),
    loss: str = "loss_metric_2",
) -> bytes:
    """A file with these layers, the one on the input first."""
    versions = [1 if layer is TAG else 2 for layer in layers]
    versions[0] = 3
    contents = []
    for index, layer in enumerate(layers):
        if isinstance(layer, bytes):
            state = b"100" + dlib_tensor(EMPTY) * 3 + (dlib_int(1) if index == 0 else b"")
            contents.append(layer + state)
    header = dlib_int(1) + dlib_text(loss) + dlib_float(0.04) + dlib_float(0.6)
    image = dlib_text("input_rgb_image_sized") + b"".join(map(dlib_float, mean)) + dlib_ints(side, side)
    return header + dlib_ints(*reversed(versions)) + image + b"".join(contents)


def residual_network(seed: int = 0, *, side: int = 39) -> bytes:
    """A small network with every layer, a plain and two downsampling blocks; at the last one the block's
    output is smaller than its shortcut, as in the real one."""
    rng = np.random.default_rng(seed)

    def conv(count: int, channels: int, size: int, stride: int = 1, padding: int = 0) -> list[bytes]:
        filters = rng.normal(0, 0.3, (count, channels, size, size)).astype(np.float32)
        return [
            dlib_convolution(filters, rng.normal(0, 0.1, count).astype(np.float32), stride, padding),
            dlib_affine(
                rng.uniform(0.5, 1.5, count).astype(np.float32), rng.normal(0, 0.1, count).astype(np.float32)
            ),
        ]

    relu, add = dlib_text("relu_"), dlib_text("add_prev_")

    def block(channels: int) -> list[bytes | str]:
        return [TAG, *conv(channels, channels, 3, 1, 1), relu, *conv(channels, channels, 3, 1, 1), add, relu]

    def block_down(count: int, channels: int) -> list[bytes | str]:
        body = [*conv(count, channels, 3, 2, 0), relu, *conv(count, count, 3, 1, 1)]
        return [TAG, *body, TAG, TAG, dlib_pool("avg_pool_2", 2, 2), add, relu]

    layers: list[bytes | str] = [
        *conv(4, 3, 5, 2),
        relu,
        dlib_pool("max_pool_2", 3, 2),
        *block(4),
        *block_down(6, 4),
        *block_down(6, 6),
        dlib_pool("avg_pool_2", 0, 1),
        dlib_fully_connected(rng.normal(0, 1, (6, 5)).astype(np.float32)),
    ]
    return dlib_network(layers, side=side)


def shape_predictor_file(
    *,
    num_points: int = 5,
    num_cascades: int = 2,
    num_trees: int = 3,
    num_splits: int = 3,
    num_pixels: int = 4,
    seed: int = 0,
) -> tuple[bytes, dict[str, np.ndarray]]:
    """A file and the arrays that are in it."""
    rng = np.random.default_rng(seed)
    arrays = {
        "initial_shape": rng.uniform(0, 1, (num_points, 2)),
        "split_pixels": rng.integers(0, num_pixels, (num_cascades, num_trees, num_splits, 2)),
        "split_thresholds": rng.normal(0, 20, (num_cascades, num_trees, num_splits)),
        "leaf_values": rng.normal(0, 0.01, (num_cascades, num_trees, num_splits + 1, num_points, 2)),
        "anchor_index": rng.integers(0, num_points, (num_cascades, num_pixels)),
        "deltas": rng.normal(0, 0.2, (num_cascades, num_pixels, 2)),
    }

    def column(values: np.ndarray) -> bytes:
        return dlib_ints(-values.size, -1) + b"".join(dlib_float(v) for v in values.reshape(-1))

    out = dlib_int(1) + column(arrays["initial_shape"]) + dlib_int(num_cascades)
    for cascade in range(num_cascades):
        out += dlib_int(num_trees)
        for tree in range(num_trees):
            out += dlib_int(num_splits)
            for split in range(num_splits):
                out += dlib_ints(*map(int, arrays["split_pixels"][cascade, tree, split]))
                out += dlib_float(arrays["split_thresholds"][cascade, tree, split])
            out += dlib_int(num_splits + 1)
            out += b"".join(column(leaf) for leaf in arrays["leaf_values"][cascade, tree])
    out += dlib_int(num_cascades)
    for anchors in arrays["anchor_index"]:
        out += dlib_int(num_pixels) + dlib_ints(*map(int, anchors))
    out += dlib_int(num_cascades)
    for deltas in arrays["deltas"]:
        out += dlib_int(num_pixels) + b"".join(dlib_float(v) for v in deltas.reshape(-1))
    return out, arrays


# --- ONNX -----------------------------------------------------------------------------------------------

Dimension = int | str


def onnx_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Sequence[Dimension]],
    outputs: dict[str, Sequence[Dimension] | None],
    weights: dict[str, np.ndarray],
    *,
    weights_are_inputs: bool = False,
) -> bytes:
    if weights_are_inputs:
        inputs = inputs | {name: array.shape for name, array in weights.items()}
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in inputs.items()],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, None if s is None else list(s))
            for n, s in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def arcface_model(
    dim: int = 512,
    *,
    side: Dimension = 112,
    batch: Dimension = "N",
    channels: int = 3,
    scale: float = 1.0,
    seed: int = 0,
) -> bytes:
    """Average colour of sixteen cells, projected: an embedder in form."""
    rng = np.random.default_rng(seed)
    weights = {"w": (scale * rng.normal(0, 0.01, (channels * 16, dim))).astype(np.float32)}
    size = side // 4 if isinstance(side, int) else 28
    nodes = [
        helper.make_node("AveragePool", ["data"], ["p"], kernel_shape=[size, size], strides=[size, size]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["embedding"]),
    ]
    return onnx_model(nodes, {"data": [batch, channels, side, side]}, {"embedding": [batch, dim]}, weights)


def _pyramid(
    outputs: Sequence[tuple[str, int, int, int]], side: Dimension, *, drop_batch: bool = False
) -> bytes:
    """A convolution for each (name, stride, anchors, width), reshaped to rows of ``width``."""
    rng = np.random.default_rng(0)
    nodes, weights = [], {}
    for name, stride, anchors, width in outputs:
        weights[f"w_{name}"] = rng.normal(0, 0.001, (anchors * width, 3, stride, stride)).astype(np.float32)
        shape = [-1, width] if drop_batch else [1, -1, width]
        weights[f"s_{name}"] = np.array(shape, np.int64)
        nodes += [
            helper.make_node(
                "Conv", ["input", f"w_{name}"], [f"c_{name}"], kernel_shape=[stride] * 2, strides=[stride] * 2
            ),
            helper.make_node("Transpose", [f"c_{name}"], [f"t_{name}"], perm=[0, 2, 3, 1]),
            helper.make_node("Sigmoid", [f"t_{name}"], [f"g_{name}"]),
            helper.make_node("Reshape", [f"g_{name}", f"s_{name}"], [name]),
        ]
    sides = [side, side] if isinstance(side, int) else ["height", "width"]
    return onnx_model(nodes, {"input": [1, 3, *sides]}, {name: None for name, *_ in outputs}, weights)


def yunet_model(side: Dimension = "free", *, without: str = "") -> bytes:
    widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    outputs = [(f"{kind}_{s}", s, 1, width) for kind, width in widths.items() for s in (8, 16, 32)]
    return _pyramid([output for output in outputs if output[0] != without], side)


def scrfd_model(side: Dimension = "free", *, landmarks: bool = True, anchors: int = 2) -> bytes:
    widths = (1, 4, 10) if landmarks else (1, 4)
    outputs = [(f"out{width}_{s}", s, anchors, width) for width in widths for s in (8, 16, 32)]
    return _pyramid(outputs, side, drop_batch=True)


def centerface_like_model(*, channels: tuple[int, int, int, int] = (1, 2, 2, 10), seed: int = 0) -> bytes:
    """As published: batch and size fixed, weights among the inputs, numbers for names."""
    rng = np.random.default_rng(seed)
    weights = {"1": rng.normal(0, 0.01, (8, 3, 4, 4)).astype(np.float32)}
    nodes = [helper.make_node("Conv", ["input.1", "1"], ["2"], kernel_shape=[4, 4], strides=[4, 4])]
    outputs: dict[str, Sequence[Dimension] | None] = {}
    for index, count in enumerate(channels):
        name = str(537 + index)
        weights[f"w{name}"] = rng.normal(0, 0.1, (count, 8, 1, 1)).astype(np.float32)
        nodes.append(helper.make_node("Conv", ["2", f"w{name}"], [name], kernel_shape=[1, 1]))
        outputs[name] = [10, count, 8, 8]
    return onnx_model(nodes, {"input.1": [10, 3, 32, 32]}, outputs, weights, weights_are_inputs=True)
