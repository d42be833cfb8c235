"""Reads a dlib metric network of the ResNet family (``*_face_recognition_resnet_model_v1.dat``) into arrays.

The file, written by dlib's ``dnn/core.h`` and ``dnn/layers.h``, nests layers: first comes a list of
serialisation versions, one per nested object, outermost first, then the contents from the input outwards.
Tags and skips have no contents, so the shortcuts of a residual network are told from the list alone: one
tag saves the block's input; tag and skip in a row save the block's output and go back to that input.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from assent.models.dlib_stream import DlibStream
from assent.types import Float32

_LAYER, _TAG_OR_SKIP, _INPUT_LAYER = 2, 1, 3
_MAX_NESTED = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """Cross-correlation of (out, in, rows, columns) float32 ``filters``, plus ``biases`` (out,)."""

    filters: Float32
    biases: Float32
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """``gamma * x + beta`` for each channel; both (channels,) float32."""

    gamma: Float32
    beta: Float32


@dataclass(frozen=True, slots=True)
class Pool:
    """Maximum or average of a window, rows then columns; an average over a window of (0, 0) is global."""

    kind: str
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Relu:
    """``max(x, 0)``."""


@dataclass(frozen=True, slots=True)
class SaveInput:
    """Remembers x as the input of a residual block (dlib's tag1)."""


@dataclass(frozen=True, slots=True)
class SwapBranch:
    """Remembers x as the block's output (tag2) and goes back to the block's input (skip1)."""


@dataclass(frozen=True, slots=True)
class AddSaved:
    """Adds what was remembered last: the block's output after ``SwapBranch``, else its input.

    Where shapes differ, the smaller one is padded with zeros: channels at the end, rows and columns at the
    bottom and right.
    """


@dataclass(frozen=True, slots=True, eq=False)
class FullyConnected:
    """``x @ weights`` (in, out) float32 plus ``biases`` (out,) float32."""

    weights: Float32
    biases: Float32


Operation = Convolution | Affine | Pool | Relu | SaveInput | SwapBranch | AddSaved | FullyConnected


@dataclass(frozen=True, slots=True, eq=False)
class DlibNetwork:
    """A network in the order in which it runs.

    Attributes:
        input_shape: rows and columns of the image.
        mean_rgb: (3,) float32; the network sees (x - mean) / 256 of RGB in 0 to 255.
        operations: from the image to the embedding.
    """

    input_shape: tuple[int, int]
    mean_rgb: Float32
    operations: tuple[Operation, ...] = field(repr=False)

    @property
    def output_dim(self) -> int:
        """Length of the embedding."""
        last = self.operations[-1]
        assert isinstance(last, FullyConnected)
        return int(last.weights.shape[1])


def read_dlib_network(data: bytes, name: str = "dlib network") -> DlibNetwork:
    """Reads the file to its last byte.

    Args:
        data: the content of a ``.dat`` file.
        name: what messages call it.

    Returns:
        The network.

    Raises:
        ModelUnsupported: another format, layer or version, or damaged content; the place is named.
    """
    stream = DlibStream(data, name)
    stream.expect_int(1, "version")
    stream.expect_text("loss_metric_2")
    stream.read_float()  # margin and distance threshold of the loss: used in training only
    stream.read_float()
    nesting = _read_nesting(stream)

    stream.expect_text("input_rgb_image_sized")
    mean_rgb = np.array([stream.read_float() for _ in range(3)], np.float32)
    input_shape = (stream.read_int(), stream.read_int())
    if not all(16 <= side <= 2048 for side in input_shape):
        raise stream.unsupported("an input of 16 to 2048 pixels a side", str(input_shape))

    operations: list[Operation] = []
    tags = 0
    for version in reversed(nesting):
        if version == _TAG_OR_SKIP:
            tags += 1
            continue
        operations += _shortcut(stream, tags)
        tags = 0
        operations.append(_read_layer(stream))
        _skip_layer_state(stream, is_input=version == _INPUT_LAYER)
    if tags or not isinstance(operations[-1], FullyConnected):
        raise stream.unsupported("a network that ends with a fully connected layer", "another")
    stream.expect_end()
    return DlibNetwork(input_shape, mean_rgb, tuple(operations))


def _read_nesting(stream: DlibStream) -> list[int]:
    """The versions of the nested objects, outermost first."""
    nesting: list[int] = []
    while not nesting or nesting[-1] != _INPUT_LAYER:
        version = stream.read_int()
        if version not in (_LAYER, _TAG_OR_SKIP, _INPUT_LAYER) or len(nesting) >= _MAX_NESTED:
            raise stream.unsupported("a layer of version 1, 2 or 3", str(version))
        nesting.append(version)
    return nesting


def _shortcut(stream: DlibStream, tags: int) -> list[Operation]:
    """What a run of tags and skips between two layers means."""
    match tags:
        case 0:
            return []
        case 1:
            return [SaveInput()]
        case 2:
            return [SwapBranch()]
    raise stream.unsupported("one tag, or a tag and a skip, in a row", str(tags))


def _read_layer(stream: DlibStream) -> Operation:
    name = stream.read_text()
    match name:
        case "con_4":
            return _read_convolution(stream)
        case "affine_":
            return _read_affine(stream)
        case "max_pool_2" | "avg_pool_2":
            return _read_pool(stream, "max" if name == "max_pool_2" else "average")
        case "fc_2":
            return _read_fully_connected(stream)
        case "relu_":
            return Relu()
        case "add_prev_":
            return AddSaved()
    raise stream.unsupported(
        "one of con_4, affine_, max_pool_2, avg_pool_2, fc_2, relu_, add_prev_", repr(name)
    )


def _skip_layer_state(stream: DlibStream, *, is_input: bool) -> None:
    """Reads the flags and training state after a layer's own content."""
    for _ in range(3):
        stream.read_bool()
    for _ in range(3):  # gradients and cached output, empty in a trained network
        stream.read_tensor()
    if is_input:
        stream.read_int()  # how many samples one image makes


def _read_pair(stream: DlibStream) -> tuple[int, int]:
    return stream.read_int(), stream.read_int()


def _read_convolution(stream: DlibStream) -> Convolution:
    params = stream.read_tensor().reshape(-1)
    num_filters, rows, columns = stream.read_int(), stream.read_int(), stream.read_int()
    stride, padding = _read_pair(stream), _read_pair(stream)
    filters_shape, biases_shape = stream.read_alias(), stream.read_alias()
    for _ in range(4):  # learning rate and weight decay multipliers
        stream.read_float()
    split = int(np.prod(filters_shape))
    if (
        filters_shape[0] != num_filters
        or filters_shape[2:] != (rows, columns)
        or biases_shape != (1, num_filters, 1, 1)
        or params.size != split + num_filters
        or min(stride) < 1
        or min(padding) < 0
    ):
        raise stream.unsupported(
            f"{num_filters} filters of {rows}x{columns} and their biases",
            f"{filters_shape}, {biases_shape} of {params.size} numbers",
        )
    return Convolution(params[:split].reshape(filters_shape), params[split:], stride, padding)


def _read_affine(stream: DlibStream) -> Affine:
    params = stream.read_tensor().reshape(-1)
    gamma_shape, beta_shape = stream.read_alias(), stream.read_alias()
    mode = stream.read_int()
    channels = params.size // 2
    if mode != 0 or gamma_shape != (1, channels, 1, 1) or beta_shape != gamma_shape:
        raise stream.unsupported(
            f"an affine layer of {channels} channels, mode 0", f"{gamma_shape}, {beta_shape}, mode {mode}"
        )
    return Affine(params[:channels], params[channels:])


def _read_pool(stream: DlibStream, kind: str) -> Pool:
    window, stride, padding = _read_pair(stream), _read_pair(stream), _read_pair(stream)
    is_global = window == (0, 0) and kind == "average"
    if not is_global and (min(window) < 1 or min(stride) < 1 or min(padding) < 0):
        raise stream.unsupported("a pooling window", f"{window}, stride {stride}, padding {padding}")
    return Pool(kind, window, stride, padding)


def _read_fully_connected(stream: DlibStream) -> FullyConnected:
    num_outputs, num_inputs = stream.read_int(), stream.read_int()
    params = stream.read_tensor()
    weights_shape, biases_shape = stream.read_alias(), stream.read_alias()
    has_no_bias = stream.read_int() == 1
    for _ in range(4):
        stream.read_float()
    rows = num_inputs + (0 if has_no_bias else 1)
    if weights_shape != (num_inputs, num_outputs, 1, 1) or params.shape != (rows, num_outputs, 1, 1):
        raise stream.unsupported(
            f"weights of {num_inputs} inputs and {num_outputs} outputs",
            f"{params.shape}, {weights_shape}, {biases_shape}",
        )
    table = params.reshape(rows, num_outputs)
    biases = np.zeros(num_outputs, np.float32) if has_no_bias else table[num_inputs]
    return FullyConnected(table[:num_inputs], biases)
