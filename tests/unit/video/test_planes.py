"""The veil over a video's own planes is the photos' veil."""

from __future__ import annotations

import av
import numpy as np
import pytest

from assent.types import Float32
from assent.video.orientation import Orientation
from assent.video.planes import blank, grey_frame, hide, padded, upright, views
from assent.vision.redact import FACE_CELLS, RedactMethod, redact
from tests.clips import picture

BOX: Float32 = np.array([[50, 40, 90, 96]], np.float32)


def _yuv(width: int = 160, height: int = 120) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture(0, width, height), format="rgb24").reformat(format="yuv420p")


@pytest.mark.parametrize("method", list(RedactMethod))
def test_the_photos_veil_over_each_plane(method: RedactMethod) -> None:
    frame = _yuv()
    before = [plane.copy() for plane in views(frame)]
    hide(frame, BOX, method=method, margin=0.0)
    luma, blue, red = views(frame)
    assert (luma == redact(np.dstack([before[0]] * 3), BOX, method=method, margin=0.0)[..., 0]).all()
    # Colours have half the size, and as many cells.
    for plane, was in ((blue, before[1]), (red, before[2])):
        if method is RedactMethod.SOLID:
            assert (plane[20:48, 25:45] == 128).all()
        else:
            expected = redact(np.dstack([was] * 3), (BOX / 2).astype(np.float32), method=method, margin=0.0)[
                ..., 0
            ]
            assert (plane == expected).all()
            assert (plane != was).any()


@pytest.mark.parametrize("width", [10, 40, 120])
def test_no_more_mean_colours_than_allowed_are_left(width: int) -> None:
    frame = _yuv(160, 160)
    hide(
        frame,
        np.array([[20, 20, 20 + width, 20 + width]], np.float32),
        method=RedactMethod.MOSAIC,
        margin=0.0,
    )
    for plane, scale in zip(views(frame), (1, 2, 2), strict=True):
        part = plane[20 // scale : (20 + width) // scale, 20 // scale : (20 + width) // scale].astype(int)
        for steps in (np.diff(part, axis=0).any(axis=1), np.diff(part, axis=1).any(axis=0)):
            assert steps.sum() + 1 <= round(FACE_CELLS + 0.5)


def test_every_pixel_that_shares_a_hidden_colour_is_covered() -> None:
    frame = grey_frame(32, 32, "yuv420p")
    luma, blue, red = views(frame)
    luma[:], blue[:], red[:] = 200, 30, 220
    hide(frame, np.array([[5, 5, 8, 8]], np.float32), method=RedactMethod.SOLID, margin=0.0)
    assert (luma[4:8, 4:8] == 64).all()
    assert (blue[2:4, 2:4] == 128).all()
    assert luma[3, 4] == luma[8, 8] == 200
    assert (blue != 128).sum() == 16 * 16 - 4


def test_boxes_at_the_edge_of_odd_frames() -> None:
    for width, height in ((33, 31), (17, 16)):
        frame = _yuv(width, height)
        hide(
            frame,
            np.array([[-5, -5, 4, 4], [width - 3, height - 3, width + 9, height + 9]], np.float32),
            method=RedactMethod.SOLID,
            margin=0.0,
        )
        luma = views(frame)[0]
        assert luma[0, 0] == luma[-1, -1] == 64


def test_a_bad_box_is_refused() -> None:
    for box in ([[5, 5, 1, 9]], [[np.nan, 0, 1, 1]]):
        with pytest.raises(ValueError, match="boxes_xyxy"):
            hide(_yuv(), np.array(box, np.float32), method=RedactMethod.BLUR, margin=0.3)


def test_a_frame_that_the_decoder_still_needs_is_not_touched() -> None:
    frame = _yuv()
    other = frame.reformat(format="yuv420p")  # the same memory
    before = views(other)[0].copy()
    hide(frame, BOX, method=RedactMethod.SOLID, margin=0.3)
    assert other is frame or (views(other)[0] == before).all()


def test_turning_padding_and_blanking() -> None:
    frame = _yuv(34, 18)
    turned = upright(frame, Orientation(swaps=True, flips_x=True))
    assert (turned.width, turned.height) == (18, 34)
    assert (views(turned)[0] == np.rot90(views(frame)[0], 3)).all()
    assert upright(frame, Orientation()) is frame
    wider = padded(_yuv(33, 17), 34, 18)
    assert (views(wider)[0][:, -1] == views(wider)[0][:, -2]).all()
    blank(wider)
    assert (views(wider)[0] == 64).all()
