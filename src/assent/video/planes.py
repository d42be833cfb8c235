"""A decoded frame's own pixels, to hide faces in them without a detour over RGB.

A video keeps brightness at full size and two colours at half size each way (4:2:0). Mean colours are as linear in
these as they are in RGB, so the veil is the same one, ``assent.vision.redact``'s, laid over each plane with as many
cells; ``tests/unit/video/test_planes.py`` holds the two together.
"""

from __future__ import annotations

from typing import Final

import av
import numpy as np

from assent.types import Float32, UInt8
from assent.video.orientation import Orientation
from assent.vision.redact import RedactMethod, cell_sizes, covered_pixels, veil, veil_cells

YUV: Final = ("yuv420p", "yuvj420p")
RGB: Final = "rgb24"
_GREY: Final = 64  # luma, and each of RGB, of what replaces a face or a frame
_NO_COLOUR: Final = 128


def views(frame: av.VideoFrame) -> list[UInt8]:
    """The planes as arrays that share the frame's memory.

    Args:
        frame: of a format in ``YUV`` (one (H, W) and two of half the size, rounded up), or ``RGB`` (one (H, W, 3)).

    Raises:
        ValueError: another format.
    """
    if frame.format.name == RGB:
        plane = frame.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height]
        return [rows[:, : frame.width * 3].reshape(frame.height, frame.width, 3)]
    if frame.format.name not in YUV:
        raise ValueError(f"expected a frame of {', '.join(YUV)} or {RGB}, got {frame.format.name}")
    found: list[UInt8] = []
    for number, plane in enumerate(frame.planes):
        half = number > 0
        height = (frame.height + 1) // 2 if half else frame.height
        width = (frame.width + 1) // 2 if half else frame.width
        found.append(np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :width])
    return found


def hide(frame: av.VideoFrame, boxes_xyxy: Float32, *, method: RedactMethod, margin: float) -> None:
    """Hide every box and its margin, in place, as strongly as ``assent.vision.redact.redact`` does.

    Args:
        frame: of a format in ``YUV`` or ``RGB``; its memory is made its own first where the decoder still reads it.
        boxes_xyxy: (N, 4) pixels of the frame, end-exclusive; may stick out of it.
        method: what is put where a face was.
        margin: added on each side, in widths and heights of the box.

    Raises:
        ValueError: boxes of another shape, not finite or inverted, a negative margin, another format. The frame must
            not be used then.
    """
    if not len(boxes_xyxy):
        return
    frame.make_writable()
    planes = views(frame)
    regions = covered_pixels(boxes_xyxy, margin=margin, width_px=frame.width, height_px=frame.height)
    for (x0, y0, x1, y1), cell_px in zip(regions.tolist(), cell_sizes(boxes_xyxy), strict=True):
        if x0 < x1 and y0 < y1:
            _hide_region(planes, (x0, y0, x1, y1), cell_px, method)


def _hide_region(
    planes: list[UInt8], region_xyxy: tuple[int, int, int, int], cell_px: Float32, method: RedactMethod
) -> None:
    x0, y0, x1, y1 = region_xyxy
    is_yuv = len(planes) == 3
    if is_yuv:
        # Out to whole pairs of pixels: a pair shares its colour, and a face's must not remain at the edge.
        x0, y0 = x0 - x0 % 2, y0 - y0 % 2
        x1, y1 = min(x1 + x1 % 2, planes[0].shape[1]), min(y1 + y1 % 2, planes[0].shape[0])
    cells = veil_cells(x1 - x0, y1 - y0, cell_px)
    for number, plane in enumerate(planes):
        half = 1 if number == 0 else 2
        part = plane[y0 // half : -(-y1 // half), x0 // half : -(-x1 // half)]
        if method is RedactMethod.SOLID:
            part[:] = _GREY if number == 0 else _NO_COLOUR
        else:
            part[:] = veil(np.ascontiguousarray(part), cells, smooth=method is RedactMethod.BLUR)


def blank(frame: av.VideoFrame) -> None:
    """Make a frame of ``YUV`` or ``RGB`` grey from edge to edge, in place."""
    frame.make_writable()
    for number, plane in enumerate(views(frame)):
        plane[:] = _GREY if number == 0 else _NO_COLOUR


def grey_frame(width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """A grey frame of ``YUV`` or ``RGB``."""
    frame = av.VideoFrame(width, height, pixel_format)
    blank(frame)
    return frame


def upright(frame: av.VideoFrame, orientation: Orientation) -> av.VideoFrame:
    """A frame of ``YUV`` or ``RGB`` turned and mirrored as it is shown; the frame itself where nothing is to do."""
    if orientation.is_upright:
        return frame
    width, height = orientation.size(frame.width, frame.height)
    turned = av.VideoFrame(width, height, frame.format.name)
    for target, source in zip(views(turned), views(frame), strict=True):
        target[:] = orientation.apply(source)
    copy_looks(frame, turned)
    return turned


def padded(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """A frame of ``YUV`` with its last column and row repeated up to a size; the frame itself where it has it."""
    if (frame.width, frame.height) == (width, height):
        return frame
    wider = av.VideoFrame(width, height, frame.format.name)
    for target, source in zip(views(wider), views(frame), strict=True):
        (rows, columns), (more_rows, more_columns) = source.shape[:2], target.shape[:2]
        target[:] = np.pad(source, ((0, more_rows - rows), (0, more_columns - columns)), mode="edge")
    copy_looks(frame, wider)
    return wider


def copy_looks(source: av.VideoFrame, target: av.VideoFrame) -> None:
    """Carry over how the numbers of a frame are to be read as colours."""
    target.colorspace = source.colorspace
    target.color_range = source.color_range
    target.color_trc = source.color_trc
    target.color_primaries = source.color_primaries
