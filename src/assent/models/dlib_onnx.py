"""Builds the ONNX graph of a dlib metric network.

What can be worked out beforehand is: the mean and scale of the input go into the first convolution (exact,
since it has no padding), and every affine layer into the convolution before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from assent.errors import ModelUnsupported
from assent.models.dlib_reader import (
    AddSaved,
    Affine,
    Convolution,
    DlibNetwork,
    FullyConnected,
    Operation,
    Pool,
    Relu,
    SaveInput,
    SwapBranch,
)
from assent.types import Float32, Float64

INPUT_NAME = "image_rgb"
OUTPUT_NAME = "embedding"
_OPSET = 17
_IR_VERSION = 8
_PIXEL_SCALE = 256.0  # dlib/dnn/input.h divides by 256, not 255

_Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the graph: its name, and its shape without the batch (channels, rows, columns)."""

    name: str
    shape: _Shape


@dataclass(slots=True)
class _GraphBuilder:
    """Collects nodes and weights, and knows every value's shape."""

    name: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def weight(self, label: str, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
        name = f"{label}_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], shape: _Shape, **attributes: Any) -> _Value:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return _Value(name, shape)

    def unsupported(self, expected: str, got: str) -> ModelUnsupported:
        return ModelUnsupported(
            f"{self.name}: expected {expected}, got {got}; only dlib's ResNet for faces and networks of its "
            "kind can be converted."
        )

    def convolution(self, x: _Value, layer: _Folded) -> _Value:
        out_channels, in_channels, *window = layer.filters.shape
        if in_channels != x.shape[0]:
            raise self.unsupported(f"filters of {x.shape[0]} channels", str(in_channels))
        rows, columns = _window_output(x.shape, (window[0], window[1]), layer.stride, layer.padding)
        if min(rows, columns) < 1:
            raise self.unsupported(f"a window of at most {x.shape[1:]}", str(tuple(window)))
        inputs = [x.name, self.weight("filters", layer.filters), self.weight("biases", layer.biases)]
        return self.node(
            "Conv",
            inputs,
            (out_channels, rows, columns),
            kernel_shape=window,
            strides=layer.stride,
            pads=[*layer.padding, *layer.padding],
        )

    def pool(self, x: _Value, layer: Pool) -> _Value:
        if layer.window == (0, 0):
            return self.node("GlobalAveragePool", [x.name], (x.shape[0], 1, 1))
        if layer.padding != (0, 0):
            raise self.unsupported("pooling without padding", str(layer.padding))
        rows, columns = _window_output(x.shape, layer.window, layer.stride, layer.padding)
        kind = "MaxPool" if layer.kind == "max" else "AveragePool"
        return self.node(
            kind, [x.name], (x.shape[0], rows, columns), kernel_shape=layer.window, strides=layer.stride
        )

    def pad_to(self, x: _Value, shape: _Shape) -> _Value:
        """Zeros at the end of channels, rows and columns up to ``shape``."""
        missing = [wanted - have for wanted, have in zip(shape, x.shape, strict=True)]
        if not any(missing):
            return x
        pads = np.array([0, 0, 0, 0, 0, *missing], np.int64)
        return self.node("Pad", [x.name, self.weight("pads", pads)], shape)

    def add(self, x: _Value, y: _Value) -> _Value:
        channels, rows, columns = (max(pair) for pair in zip(x.shape, y.shape, strict=True))
        shape = (channels, rows, columns)
        return self.node("Add", [self.pad_to(x, shape).name, self.pad_to(y, shape).name], shape)

    def fully_connected(self, x: _Value, layer: FullyConnected) -> _Value:
        num_inputs, num_outputs = layer.weights.shape
        if num_inputs != int(np.prod(x.shape)):
            raise self.unsupported(f"{int(np.prod(x.shape))} inputs at the end", str(num_inputs))
        flat = self.node("Flatten", [x.name], (num_inputs, 1, 1), axis=1)
        inputs = [flat.name, self.weight("weights", layer.weights), self.weight("biases", layer.biases)]
        return self.node("Gemm", inputs, (num_outputs, 1, 1))


@dataclass(frozen=True, slots=True, eq=False)
class _Folded:
    """A convolution with what follows or precedes it worked in."""

    filters: Float32
    biases: Float32
    stride: tuple[int, int]
    padding: tuple[int, int]


def build_dlib_onnx(network: DlibNetwork, name: str = "dlib network") -> bytes:
    """The network as an ONNX model.

    Input ``image_rgb``: (N, 3, rows, columns) float32, RGB, 0 to 255, any N. Output ``embedding``: (N, D)
    float32, not normalised, as dlib's own.

    Args:
        network: what ``read_dlib_network`` read.
        name: what messages call it.

    Returns:
        The serialised model.

    Raises:
        ModelUnsupported: layers in an order that has no such graph.
    """
    builder = _GraphBuilder(name)
    rows, columns = network.input_shape
    value = _Value(INPUT_NAME, (3, rows, columns))
    block_input, block_output = value, None
    for operation in _fold(network, builder):
        match operation:
            case _Folded():
                value = builder.convolution(value, operation)
            case Relu():
                value = builder.node("Relu", [value.name], value.shape)
            case Pool():
                value = builder.pool(value, operation)
            case SaveInput():
                block_input, block_output = value, None
            case SwapBranch():
                block_output, value = value, block_input
            case AddSaved():
                value = builder.add(value, block_input if block_output is None else block_output)
            case FullyConnected():
                value = builder.fully_connected(value, operation)
            case _:
                raise builder.unsupported("every affine layer after a convolution", "another place")
    return _serialise(builder, network, value)


def _fold(network: DlibNetwork, builder: _GraphBuilder) -> list[Operation | _Folded]:
    """The operations with affine layers, mean and scale worked into the convolutions."""
    folded: list[Operation | _Folded] = []
    for operation in network.operations:
        last = folded[-1] if folded else None
        if isinstance(operation, Convolution):
            folded.append(_Folded(operation.filters, operation.biases, operation.stride, operation.padding))
        elif isinstance(operation, Affine) and isinstance(last, _Folded):
            folded[-1] = _fold_affine(last, operation)
        else:
            folded.append(operation)
    first = folded[0]
    if not isinstance(first, _Folded) or first.padding != (0, 0):
        raise builder.unsupported("a first convolution without padding", type(first).__name__)
    folded[0] = _fold_input(first, network.mean_rgb)
    return folded


def _fold_affine(convolution: _Folded, affine: Affine) -> _Folded:
    """``gamma * (filters * x + biases) + beta``; worked out in double precision."""
    gamma: Float64 = affine.gamma.astype(np.float64)
    return _Folded(
        (convolution.filters * gamma[:, None, None, None]).astype(np.float32),
        (convolution.biases * gamma + affine.beta).astype(np.float32),
        convolution.stride,
        convolution.padding,
    )


def _fold_input(convolution: _Folded, mean_rgb: Float32) -> _Folded:
    """``filters * (x - mean) / 256 + biases`` as a convolution of x."""
    filters: Float64 = convolution.filters.astype(np.float64) / _PIXEL_SCALE
    shift = np.einsum("oihw,i->o", filters, mean_rgb.astype(np.float64))
    return _Folded(
        filters.astype(np.float32),
        (convolution.biases - shift).astype(np.float32),
        convolution.stride,
        convolution.padding,
    )


def _window_output(
    shape: _Shape, window: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> tuple[int, int]:
    """Rows and columns of what a moving window makes, as dlib rounds (down)."""
    rows, columns = (
        (size + 2 * pad - side) // step + 1
        for size, pad, side, step in zip(shape[1:], padding, window, stride, strict=True)
    )
    return rows, columns


def _serialise(builder: _GraphBuilder, network: DlibNetwork, value: _Value) -> bytes:
    image_shape: list[int | str] = ["N", 3, *network.input_shape]
    builder.nodes[-1].output[0] = OUTPUT_NAME
    graph = helper.make_graph(
        builder.nodes,
        "dlib_face_embedding",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, image_shape)],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", value.shape[0]])],
        builder.weights,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="assent",
    )
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised
