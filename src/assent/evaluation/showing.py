"""Pairs of pictures for a person to look at: in the report, and as one sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from assent.calibration.trials import TopPair
from assent.errors import ImageError
from assent.evaluation.pictures import ReadOptions, picture_chip, read_picture
from assent.evaluation.report.contents import PairPicture
from assent.evaluation.sheets import Tile, draw_sheet, jpeg_of, png_of
from assent.models.files import write_atomically
from assent.types import UInt8
from assent.vision.engine import FaceEngine

_SIDE_PX = 150


@dataclass(slots=True)
class Shower:
    """Draws faces of a run's pictures; each is read once, and nothing of them is kept beyond the run.

    Attributes:
        paths: pictures by the ids that pairs name.
        engine: cuts the face out; None shows the whole picture, made smaller.
        options: how pictures are read.
    """

    paths: Mapping[str, Path]
    engine: FaceEngine | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    _drawn: dict[str, UInt8] = field(default_factory=dict)

    def pairs(self, pairs: Sequence[TopPair]) -> tuple[PairPicture, ...]:
        """The pairs whose two pictures are at hand, side by side."""
        at_hand = [
            pair for pair in pairs if pair.first_image in self.paths and pair.second_image in self.paths
        ]
        return tuple(
            PairPicture(
                pair,
                jpeg_of(
                    np.concatenate([self._face(pair.first_image), self._face(pair.second_image)], axis=1)
                ),
            )
            for pair in at_hand
        )

    def write_sheet(self, pairs: Sequence[TopPair], path: Path) -> Path | None:
        """All pairs as one PNG, numbered as in the CSV beside it; None where there is no pair.

        Raises:
            ModelError: the folder cannot be written.
        """
        if not pairs:
            return None
        tiles = [
            Tile(self._face(pair.first_image), self._face(pair.second_image), f"{number}: {pair.score:.3f}")
            for number, pair in enumerate(pairs, start=1)
        ]
        write_atomically(path, png_of(draw_sheet(tiles)))
        lines = ["number,score,first_image,second_image"]
        lines += [
            f'{number},{pair.score:.4f},"{pair.first_image}","{pair.second_image}"'
            for number, pair in enumerate(pairs, start=1)
        ]
        write_atomically(path.with_suffix(".csv"), ("\n".join(lines) + "\n").encode())
        return path

    def _face(self, image_id: str) -> UInt8:
        if image_id not in self._drawn:
            self._drawn[image_id] = self._cut(self.paths[image_id])
        return self._drawn[image_id]

    def _cut(self, path: Path) -> UInt8:
        chip = None if self.engine is None else picture_chip(self.engine, path, self.options)
        if chip is None:
            try:
                chip = read_picture(path, self.options)
            except ImageError:
                chip = np.zeros((_SIDE_PX, _SIDE_PX, 3), np.uint8)
        return _fitted(chip)


def _fitted(image_rgb: UInt8) -> UInt8:
    """(150, 150, 3): the whole picture on grey."""
    height, width = image_rgb.shape[:2]
    scale = _SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
    fitted = np.full((_SIDE_PX, _SIDE_PX, 3), 128, np.uint8)
    top, left = (_SIDE_PX - size[1]) // 2, (_SIDE_PX - size[0]) // 2
    fitted[top : top + size[1], left : left + size[0]] = small
    return fitted
