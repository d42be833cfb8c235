"""One analysed frame after another: faces found and followed, pictures of them embedded, rounds begun and ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from assent.live.naming import Gallery, Naming, NamingSettings, Round
from assent.live.values import CloseLook, SeenFace
from assent.types import Detections, Face, Float32, UInt8
from assent.video.samples import sample_of
from assent.video.settings import AnalysisSettings
from assent.video.shots import at_points
from assent.video.tracker import LiveTrack, Tracker
from assent.video.types import Sample, Seen

_RENEW_AFTER_S: Final = 600.0  # a tracker remembers every frame; a new one begins when nobody is there
_RENEW_ANYWAY_S: Final = 7200.0
_MIN_SIDE_PX: Final = 16
_STILL_WH: Final = (96, 54)
_STILL: Final = 10.0  # luma of a point of ``_STILL_WH``, of 255; a camera's noise is a few
_LOOK_ANYWAY_S: Final = 0.5
_MOST_PICTURES: Final = 3  # embedded of one frame; the other tracks wait for the next


class Networks(Protocol):
    """The part of ``FaceEngine`` that is used here."""

    def look(self, image_rgb: UInt8, *, long_side_px: int, min_score: float) -> Detections:
        """Upright faces at one scale, best score first."""
        ...

    def templates(self, image_rgb: UInt8, faces: list[Face]) -> Float32:
        """One template for each face, (N, D) float32 of unit length."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """What was found in one frame.

    Attributes:
        faces: all of them, held ones too.
        rounds: that ended with this frame.
        num_unnamed: faces in the picture that have no name.
        looks: pictures that were taken of faces of this frame.
        small_rgb: (h, w, 3) uint8, the frame reduced to the size of a look; None where there was none.
    """

    faces: tuple[SeenFace, ...]
    rounds: tuple[Round, ...]
    num_unnamed: int
    looks: tuple[CloseLook, ...] = ()
    small_rgb: UInt8 | None = None


class LiveAnalysis:
    """Follows the faces before one camera.

    Args:
        networks: what finds and embeds faces.
        look_px: longer side of the look at every frame.
        naming: how many pictures a name takes.
    """

    def __init__(
        self, networks: Networks, *, look_px: int = 640, naming: NamingSettings | None = None
    ) -> None:
        self._networks = networks
        self._settings = AnalysisSettings(
            quick_px=look_px,
            quick_every_s=0.0,
            full_px=max(look_px, 640),
            # Low, since whoever has no name is to be hidden.
            begin_score=0.35,
            work_px=look_px,
            max_samples=0,  # naming takes its own, of this frame
        )
        self.naming = Naming(naming)
        self._first_number = 0
        self._began_s: float | None = None
        self._looked_rgb: UInt8 | None = None
        self._looked: UInt8 | None = None  # that, reduced when it is first compared
        self._looked_s = 0.0
        self._tracker = Tracker(networks, self._settings)

    def is_unchanged(self, image_rgb: UInt8, at_s: float) -> bool:
        """Whether a look at this frame can wait: nobody is followed, and nothing moved since the last look.

        Args:
            image_rgb: (H, W, 3) uint8.
            at_s: when it came.
        """
        if self._looked_rgb is None or self._tracker.trails or at_s - self._looked_s > _LOOK_ANYWAY_S:
            return False
        if self._looked is None:
            self._looked = _reduced(self._looked_rgb)
        return float(cv2.absdiff(self._looked, _reduced(image_rgb)).max()) < _STILL

    def look_anew(self) -> None:
        """The next frame is looked at, whatever it is."""
        self._looked_rgb = None

    def update(self, image_rgb: UInt8 | None, at_s: float, gallery: Gallery | None) -> Analysed:
        """The next frame.

        Args:
            image_rgb: (H, W, 3) uint8; None for one that cannot be used: nobody is in it.
            at_s: when it came, by a clock that only goes on.
            gallery: who may be named; None while nobody may.
        """
        if self._began_s is None:
            self._began_s = at_s
        if image_rgb is not None and min(image_rgb.shape[:2]) < _MIN_SIDE_PX:
            image_rgb = None
        self._looked_rgb, self._looked, self._looked_s = image_rgb, None, at_s
        tracks = self._tracker.update(image_rgb, at_s - self._began_s)
        rounds: tuple[Round, ...] = ()
        looks: list[CloseLook] = []
        if image_rgb is not None and gallery is not None:
            rounds = self._ask(image_rgb, tracks, at_s, gallery, looks)
        gone = self.naming.keep({self._number(track) for track in tracks})
        faces = tuple(SeenFace(track.box_xyxy, self._person(track)) for track in tracks)
        num_unnamed = sum(
            face.person is None and not track.is_lost for face, track in zip(faces, tracks, strict=True)
        )
        small_rgb = None if image_rgb is None else self._tracker.small_rgb
        self._renew(at_s, is_empty=not tracks)
        return Analysed(faces, rounds + gone, num_unnamed, tuple(looks), small_rgb)

    def end(self) -> tuple[Round, ...]:
        """Every track ends; what was embedded is overwritten."""
        self._start_anew()
        return self.naming.keep(set())

    def _person(self, track: LiveTrack) -> str | None:
        """A face that is only held where it was may be anybody's by now."""
        return None if track.is_lost else self.naming.person(self._number(track))

    def _number(self, track: LiveTrack) -> int:
        return self._first_number + track.number

    def _ask(
        self,
        image_rgb: UInt8,
        tracks: tuple[LiveTrack, ...],
        at_s: float,
        gallery: Gallery,
        looks: list[CloseLook],
    ) -> tuple[Round, ...]:
        """Another picture of those whose turn it is, named or not; each is added to ``looks``."""
        turn = [
            track
            for track in tracks
            if track.seen == Seen.DETECTED
            and not track.is_lost
            and self.naming.wants(self._number(track), at_s)
        ]
        ended = []
        for track in turn[:_MOST_PICTURES]:
            number = self._number(track)
            sample = self._sample(image_rgb, track, at_s)
            if sample is None:
                self.naming.look_later(number, at_s)
                continue
            looks.append(CloseLook(number, sample.face))
            done = self.naming.add(number, self._template(sample), gallery, at_s)
            if done is not None:
                ended.append(done)
        return tuple(ended)

    def _sample(self, image_rgb: UInt8, track: LiveTrack, at_s: float) -> Sample | None:
        """Of one face in this frame; None where it is not good enough to tell anybody."""
        made = sample_of(self._networks, image_rgb, track.box_xyxy, frame_index=0, time_s=at_s)
        return None if made is None or not made[0].face.quality.is_good else made[0]

    def _template(self, sample: Sample) -> Float32:
        templates = self._networks.templates(sample.crop_rgb, [sample.in_crop()])
        template: Float32 = np.array(templates[0], np.float32)
        templates.fill(0.0)
        return template

    def _renew(self, at_s: float, *, is_empty: bool) -> None:
        age_s = at_s - (self._began_s if self._began_s is not None else at_s)
        if age_s > _RENEW_ANYWAY_S or (is_empty and age_s > _RENEW_AFTER_S):
            self._start_anew()

    def _start_anew(self) -> None:
        """Numbers go on, so that no track is taken for one of before."""
        self._first_number += 1_000_000
        self._began_s = None
        self.look_anew()
        self._tracker = Tracker(self._networks, self._settings)


def _reduced(image_rgb: UInt8) -> UInt8:
    """Mean luma at some points (54, 96) uint8."""
    points = at_points(image_rgb, (3 * _STILL_WH[0], 3 * _STILL_WH[1]))
    gray = cv2.cvtColor(points, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(gray, _STILL_WH, interpolation=cv2.INTER_AREA), np.uint8)
