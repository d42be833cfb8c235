"""What each frame goes through before faces are followed in it: reduced, compared with the last one, and scheduled."""

from __future__ import annotations

from dataclasses import dataclass

from assent.types import UInt8
from assent.video.looking import Schedule
from assent.video.pictures import Picture, picture_of
from assent.video.settings import AnalysisSettings
from assent.video.shots import ShotFinder


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A sound frame.

    Attributes:
        picture: the frame, reduced.
        is_cut: whether a shot begins with it.
        long_side_px: how closely to look at it; None for no look.
    """

    picture: Picture
    is_cut: bool
    long_side_px: int | None


class Preparing:
    """Told each frame in turn.

    Attributes:
        shots: what it knows of cuts.
        schedule: of looks.
    """

    def __init__(self, settings: AnalysisSettings) -> None:
        self.shots = ShotFinder()
        self.schedule = Schedule(settings)
        self._work_px = settings.work_px

    def prepare(self, image_rgb: UInt8 | None, *, index: int, time_s: float) -> Prepared | None:
        """The next frame (H, W, 3) uint8; None for one that could not be read."""
        if image_rgb is None:
            self.shots.add(None)
            return None
        picture = picture_of(image_rgb, index=index, time_s=time_s, work_px=self._work_px)
        is_cut = self.shots.add(picture.thumb_rgb) > 0
        due_px = self.schedule.due_px(
            time_s, long_side_px=max(image_rgb.shape[:2]), is_cut=is_cut, change=self.shots.change
        )
        return Prepared(picture, is_cut, due_px)
