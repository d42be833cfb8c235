"""From a published file to one that loads fast: once, when a model is pulled.

A family without a conversion is used as published. The converters are imported when they are needed, so that
a search does not load the ONNX toolkit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assent.models.manifest import Family


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the files of a family are made fit for use.

    Attributes:
        version: part of the model's digest; changes whenever results may change.
        suffix: of the converted file.
        convert: from the published file and a name for messages to the converted file; raises
            ``ModelUnsupported``.
    """

    version: str
    suffix: str
    convert: Callable[[bytes, str], bytes]


def _convert_centerface(data: bytes, name: str) -> bytes:
    from assent.models.centerface import make_centerface_dynamic

    return make_centerface_dynamic(data, name)


def _convert_dlib_resnet(data: bytes, name: str) -> bytes:
    from assent.models.dlib_onnx import build_dlib_onnx
    from assent.models.dlib_reader import read_dlib_network

    return build_dlib_onnx(read_dlib_network(data, name), name)


def _convert_dlib_shape(data: bytes, name: str) -> bytes:
    from assent.models.shape_predictor import pack_trees, read_shape_predictor

    return pack_trees(read_shape_predictor(data, name))


CONVERSIONS: dict[Family, Conversion] = {
    Family.CENTERFACE: Conversion("centerface/1", ".dynamic.onnx", _convert_centerface),
    Family.DLIB_RESNET: Conversion("dlib-resnet/1", ".onnx", _convert_dlib_resnet),
    Family.DLIB_SHAPE_5: Conversion("dlib-shape/1", ".npz", _convert_dlib_shape),
}
