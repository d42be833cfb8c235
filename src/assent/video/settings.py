"""How a clip is looked at: often and small, now and then closely, and when a face followed is given up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """The schedule of looks and the limits of following. Figures are in ``docs/video-analysis.md``.

    Attributes:
        quick_px: longer side of the frequent look.
        quick_every_s: seconds between two of them; at most ``lead_s``, so that a face that came since the last look
            is covered from there on even where it cannot be followed back.
        full_px: longer side of the closer look, which finds smaller faces and takes the quick one's turn.
        full_every_s: seconds between two of them.
        fine_px: longer side of the closest look, for clips larger than ``full_px``; in tiles.
        fine_every_s: seconds between two of them.
        busy_change: mean change of a pixel between frames, of 255, from which on every frame gets a quick look.
        begin_score: a detection begins a track from this score on,
        continue_score: and continues one from this. Hiding everyone wants both low.
        faint_score: enough where a face has long been followed and not detected, before it is given up.
        work_px: longer side of the pictures in which faces are followed.
        back_s: how long a face is followed backwards from where it was first detected.
        hold_s: how long a face that was lost stays covered where it was seen last.
        lead_s: how long it is covered before the first frame in which it could be followed.
        max_gap_s: a face found again within this time, and fitting, was the same all along.
        max_unseen_s: a face followed by its pixels alone is looked at closely after this time, and given up if nothing
            like a face is there.
        max_samples: of a track.
        sample_bytes: of all ended tracks together; beyond it tracks keep fewer, then the smallest faces none.
    """

    quick_px: int = 320
    quick_every_s: float = 0.16
    full_px: int = 640
    full_every_s: float = 1.0
    fine_px: int = 1280
    fine_every_s: float = 2.0
    busy_change: float = 8.0
    begin_score: float = 0.45
    continue_score: float = 0.25
    faint_score: float = 0.15
    work_px: int = 640
    back_s: float = 2.0
    hold_s: float = 0.5
    lead_s: float = 0.3
    max_gap_s: float = 1.0
    max_unseen_s: float = 2.0
    max_samples: int = 8
    sample_bytes: int = 120_000_000


HIDE_ALL = AnalysisSettings(quick_every_s=0.24, full_every_s=2.0, max_samples=0)
"""Where nobody is to be recognised: no face is kept to be embedded, not even in memory, and fewer looks will do."""
