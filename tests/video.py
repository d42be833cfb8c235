"""Small clips that tests share: analyses made of photographs, without a decoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from assent.video.types import Analysis, ClipFacts, Sample, Shot, Track
from assent.vision.boxes import largest_first
from assent.vision.engine import FaceEngine

FACTS = ClipFacts(
    container="matroska,webm",
    codec="h264",
    width_px=640,
    height_px=480,
    rotation_deg=0,
    frame_rate=30.0,
    duration_s=None,
    num_frames=None,
)


def sample_of(engine: FaceEngine, image: Image.Image) -> Sample:
    """The largest face of a photograph, as a sample of a track."""
    photo = image.convert("RGB")
    photo.thumbnail((800, 800))
    image_rgb = np.asarray(photo)
    face = largest_first(engine.faces(image_rgb))[0]
    return Sample(frame_index=0, time_s=0.0, face=face, crop_rgb=image_rgb, crop_xy=(0, 0))


def clip_of(*tracks: Sequence[Sample], num_frames: int = 12) -> Analysis:
    """A clip of 30 frames a second, in which each track is seen in every frame."""
    made = []
    for index, samples in enumerate(tracks):
        box_xyxy = np.array([100 * index, 50, 100 * index + 80, 150], np.float32)
        placed = [
            dataclasses.replace(sample, frame_index=at, time_s=at / 30) for at, sample in enumerate(samples)
        ]
        made.append(
            Track(
                index=index,
                first_frame=0,
                boxes_xyxy=np.tile(box_xyxy, (num_frames, 1)),
                seen=np.zeros(num_frames, np.uint8),
                scores=np.full(num_frames, 0.9, np.float32),
                samples=tuple(placed),
            )
        )
    times_s = np.arange(num_frames) / 30
    return Analysis(FACTS, times_s, (Shot(0, num_frames - 1),), tuple(made))


def write_clip(path: Path, parts: Sequence[tuple[Image.Image | None, int]], *, rate: int = 25) -> Path:
    """A real video of 480 x 360: each picture for so many frames, drifting a little; None is black."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 480, 360, "yuv420p"
        stream.bit_rate = 2_000_000
        for number, (image, num_frames) in enumerate(parts):
            ground, left = [((20, 60, 200), 20), ((220, 180, 30), 200), ((30, 160, 60), 110)][number % 3]
            for at in range(num_frames):
                frame = Image.new("RGB", (480, 360), (0, 0, 0) if image is None else ground)
                if image is not None:
                    frame.paste(ImageOps.contain(image.convert("RGB"), (340, 340)), (left + at // 2, 10))
                container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode(None))
    return path
