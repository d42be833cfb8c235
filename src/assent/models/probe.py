"""Looks into a model file: does it have the inputs and outputs of its family, and does it run?

Each check runs the network once on noise of its own size, since what a file declares may be free or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from assent.errors import ModelUnsupported
from assent.models.manifest import Family
from assent.models.sessions import ModelSession, TensorInfo
from assent.types import Float32

_STRIDES_PX = (8, 16, 32)
_FREE_SIDE_PX = 96  # a multiple of every stride, for networks that take any size
_ARCFACE_SIDE_PX = 112
_DLIB_SIDE_PX = 150
_YUNET_WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
_SCRFD_WIDTHS = (1, 1, 1, 4, 4, 4, 10, 10, 10)
_SCRFD_ANCHORS = 2
_CENTERFACE_STRIDE_PX = 4
_CENTERFACE_CHANNELS = (1, 2, 2, 10)


@dataclass(frozen=True, slots=True)
class Probed:
    """What a model file turned out to be.

    Attributes:
        input_width: pixels, None where any will do.
        input_height: pixels, None where any will do.
        output_dim: length of the embedding; None for detectors.
    """

    input_width: int | None = None
    input_height: int | None = None
    output_dim: int | None = None


def probe_model(session: ModelSession, family: Family, name: str) -> Probed:
    """Checks a model against its family.

    Args:
        session: the model as it will be run.
        family: what it is said to be; not a landmark family.
        name: what messages call it.

    Returns:
        Its sizes.

    Raises:
        ModelUnsupported: inputs, outputs or results are not the family's.
    """
    return _PROBES[family](_Probe(session, family, name))


@dataclass(frozen=True, slots=True)
class _Probe:
    """One model under examination."""

    session: ModelSession
    family: Family
    name: str

    def unsupported(self, expected: str, got: str) -> ModelUnsupported:
        return ModelUnsupported(
            f"{self.name}: expected {expected} for the family {self.family}, got {got}; choose the family "
            "that the file belongs to, or another export of it."
        )

    def image_input(self) -> TensorInfo:
        """The one input, which must be (N, 3, H, W) float32."""
        inputs = self.session.inputs
        if len(inputs) != 1:
            raise self.unsupported("one input", f"{len(inputs)}")
        image = inputs[0]
        if len(image.shape) != 4 or image.shape[1] != 3 or image.type != "tensor(float)":
            raise self.unsupported("an input (N, 3, H, W) of float32", f"{list(image.shape)} of {image.type}")
        return image

    def run(self, batch: int, width: int, height: int) -> list[Float32]:
        """The outputs for noise, checked to be finite."""
        noise = np.random.default_rng(0).uniform(0, 255, (batch, 3, height, width)).astype(np.float32)
        outputs = self.session.run({self.image_input().name: noise})
        if not all(np.isfinite(output).all() for output in outputs):
            raise self.unsupported("finite results", "infinite or undefined ones")
        return outputs

    def expect_shapes(self, outputs: Sequence[Float32], wanted: Sequence[tuple[int, ...]]) -> None:
        """Checks shapes; a leading batch axis of 1 may be missing."""
        got = [output.shape for output in outputs]
        if [_unbatched(shape) for shape in got] != [_unbatched(shape) for shape in wanted]:
            raise self.unsupported(f"results of shapes {list(wanted)}", f"{got}")


def _unbatched(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def _fixed(dimension: int | str | None) -> int | None:
    return dimension if isinstance(dimension, int) and dimension > 0 else None


def _embedder(probe: _Probe, side_px: int) -> Probed:
    image = probe.image_input()
    height, width = (_fixed(dimension) for dimension in image.shape[2:])
    if (width or side_px, height or side_px) != (side_px, side_px):
        raise probe.unsupported(f"an input of {side_px} x {side_px}", f"{width} x {height}")
    batch = _fixed(image.shape[0]) or 2
    embeddings = probe.run(batch, side_px, side_px)[0]
    if embeddings.ndim != 2 or len(embeddings) != batch or embeddings.shape[1] < 2:
        raise probe.unsupported(f"embeddings ({batch}, D)", f"shape {embeddings.shape}")
    if not np.linalg.norm(embeddings, axis=1).all():
        raise probe.unsupported("embeddings with a direction", "zeros")
    return Probed(side_px, side_px, embeddings.shape[1])


def _arcface(probe: _Probe) -> Probed:
    return _embedder(probe, _ARCFACE_SIDE_PX)


def _dlib_resnet(probe: _Probe) -> Probed:
    return _embedder(probe, _DLIB_SIDE_PX)


def _detector_size(probe: _Probe) -> Probed:
    image = probe.image_input()
    height, width = (_fixed(dimension) for dimension in image.shape[2:])
    if (height is None) != (width is None):
        raise probe.unsupported(
            "an input with height and width both fixed or both free", f"{list(image.shape)}"
        )
    return Probed(width, height)


def _cells(width: int, height: int) -> list[int]:
    return [(width // stride) * (height // stride) for stride in _STRIDES_PX]


def _yunet(probe: _Probe) -> Probed:
    size = _detector_size(probe)
    width, height = size.input_width or _FREE_SIDE_PX, size.input_height or _FREE_SIDE_PX
    wanted_names = [f"{kind}_{stride}" for kind in _YUNET_WIDTHS for stride in _STRIDES_PX]
    names = [output.name for output in probe.session.outputs]
    if sorted(names) != sorted(wanted_names):
        raise probe.unsupported(f"outputs {', '.join(wanted_names)}", ", ".join(names) or "none")
    by_name = dict(zip(names, probe.run(1, width, height), strict=True))
    cells = dict(zip(_STRIDES_PX, _cells(width, height), strict=True))
    wanted = [(1, cells[stride], last) for last in _YUNET_WIDTHS.values() for stride in _STRIDES_PX]
    probe.expect_shapes([by_name[name] for name in wanted_names], wanted)
    return size


def _scrfd(probe: _Probe) -> Probed:
    size = _detector_size(probe)
    width, height = size.input_width or _FREE_SIDE_PX, size.input_height or _FREE_SIDE_PX
    outputs = probe.run(1, width, height)
    if len(outputs) != len(_SCRFD_WIDTHS):
        raise probe.unsupported(
            "nine outputs (scores, boxes and landmarks at three strides)",
            f"{len(outputs)}; exports with landmarks are called '_kps' or '_bnkps'",
        )
    rows = [_SCRFD_ANCHORS * cells for cells in _cells(width, height)] * 3
    probe.expect_shapes(outputs, [(1, row, last) for row, last in zip(rows, _SCRFD_WIDTHS, strict=True)])
    return size


def _centerface(probe: _Probe) -> Probed:
    side = _FREE_SIDE_PX // _CENTERFACE_STRIDE_PX
    outputs = probe.run(1, _FREE_SIDE_PX, _FREE_SIDE_PX)
    probe.expect_shapes(outputs, [(1, channels, side, side) for channels in _CENTERFACE_CHANNELS])
    return Probed()


_PROBES: dict[Family, Callable[[_Probe], Probed]] = {
    Family.ARCFACE: _arcface,
    Family.DLIB_RESNET: _dlib_resnet,
    Family.YUNET: _yunet,
    Family.SCRFD: _scrfd,
    Family.CENTERFACE: _centerface,
}
