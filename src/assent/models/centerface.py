"""Makes the CenterFace file as published fit for use.

The published file fixes its input to ten images of 32 x 32 and lists its weights among the inputs. A weight
that is an input may be overridden at every call, so a runtime must not fold or pre-pack it: at 640 x 480 that
doubles the time. The weights themselves stay as they are.
"""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import helper

from assent.errors import ModelUnsupported

INPUT_NAME = "image_rgb"
OUTPUT_NAMES = ("heatmap", "scale", "offset", "landmarks")
"""In the order of the published file."""

_OUTPUT_CHANNELS = (1, 2, 2, 10)
_STRIDE = 4


def make_centerface_dynamic(data: bytes, name: str = "centerface") -> bytes:
    """The published CenterFace model with free batch, height and width, and weights that are constants.

    Input ``image_rgb``: (N, 3, H, W) float32, RGB, 0 to 255, H and W multiples of 32. Outputs, each on a
    grid of (H / 4, W / 4): ``heatmap`` (N, 1, h, w) in 0 to 1, ``scale`` (N, 2, h, w) logarithms of height
    and width, ``offset`` (N, 2, h, w) of y and x, ``landmarks`` (N, 10, h, w) five pairs of y and x.

    Args:
        data: the published file.
        name: what messages call it.

    Returns:
        The serialised model.

    Raises:
        ModelUnsupported: not an ONNX file, or one with other inputs and outputs.
    """
    try:
        model = onnx.load_from_string(data)
    except DecodeError as error:
        raise _unsupported(name, "an ONNX file", "something else") from error
    graph = model.graph
    weights = {initializer.name for initializer in graph.initializer}
    images = [value for value in graph.input if value.name not in weights]
    if len(images) != 1:
        raise _unsupported(name, "one image input", f"{len(images)} inputs")
    channels = tuple(_num_channels(output) for output in graph.output)
    if channels != _OUTPUT_CHANNELS:
        raise _unsupported(name, f"outputs of {_OUTPUT_CHANNELS} channels", str(channels))

    renamed = {images[0].name: INPUT_NAME}
    renamed |= {output.name: new for output, new in zip(graph.output, OUTPUT_NAMES, strict=True)}
    for node in graph.node:
        node.input[:] = [renamed.get(value, value) for value in node.input]
        node.output[:] = [renamed.get(value, value) for value in node.output]
    rows, columns = f"H/{_STRIDE}", f"W/{_STRIDE}"
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(_float_value(INPUT_NAME, ["N", 3, "H", "W"]))
    graph.output.extend(
        _float_value(output, ["N", count, rows, columns])
        for output, count in zip(OUTPUT_NAMES, _OUTPUT_CHANNELS, strict=True)
    )
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _num_channels(value: onnx.ValueInfoProto) -> int:
    """The declared second dimension; 0 where none is."""
    dimensions = value.type.tensor_type.shape.dim
    return dimensions[1].dim_value if len(dimensions) > 1 else 0


def _float_value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _unsupported(name: str, expected: str, got: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"{name}: expected {expected}, got {got}; this is not the CenterFace file. "
        f"Pull it again: assent models pull {name} --force."
    )
