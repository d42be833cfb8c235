"""One signer shown, everybody else hidden: enrolled from one clip, looked for in the others.

Who is shown is decided here by the mean of a track's good samples, above what any other signer scores: the service
asks more (``assent.service``), so these figures say what tracks and samples allow.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assent.types import Float32, JsonObject
from assent.video.analysis import analyse
from assent.video.covering import hidden_boxes
from assent.video.reading import ClipReader
from assent.video.types import Analysis, Track
from assent.vision.engine import FaceEngine

# Clips of the same signer, as anybody sees: enrolled from the first, looked for in the second.
PAIRS = (("again", "no"), ("milk", "bird"), ("book", "learn"), ("book", "walk"))
_OTHERS = ("again", "milk", "book", "sister")
_AT_EDGE = 0.85  # of the width: the second person of ``bird``


def measure_keep(engine: FaceEngine, videos: Path) -> JsonObject:
    """For each pair: the share of the signer's face-frames shown, and face-frames of others shown."""
    names = sorted({name for pair in PAIRS for name in pair} | set(_OTHERS))
    analyses = {name: _analysed(engine, videos / f"{name}.mkv") for name in names}
    templates = {
        (name, track.index): _templates(engine, track)
        for name, analysis in analyses.items()
        for track in analysis.tracks
    }
    rows: JsonObject = {}
    for enrolled, clip in PAIRS:
        reference = _mean(templates[enrolled, _signer(analyses[enrolled]).index])
        strangers = [
            _mean(templates[name, _signer(analyses[name]).index])
            for name in _OTHERS
            if not _same(name, enrolled)
        ]
        threshold = max(float(reference @ other) for other in strangers)
        keep = {
            track.index
            for track in analyses[clip].tracks
            if len(templates[clip, track.index])
            and float(_mean(templates[clip, track.index]) @ reference) > threshold + 0.02
        }
        rows[f"{enrolled} in {clip}"] = _shown(analyses[clip], keep)
    return rows


def _same(name: str, other: str) -> bool:
    return any({name, other} <= set(pair) for pair in PAIRS) or name == other


def _analysed(engine: FaceEngine, path: Path) -> Analysis:
    with ClipReader(path) as reader:
        return analyse(reader.frames(), reader.facts, engine)


def _templates(engine: FaceEngine, track: Track) -> Float32:
    rows = []
    for sample in track.samples:
        if sample.face.quality.is_good:
            points = sample.face.landmarks_xy - np.array(sample.crop_xy, np.float32)
            chips = engine.chips(sample.crop_rgb, points[None])[0]
            rows.append(engine.embed_chips(chips).mean(0))
    return np.array(rows, np.float32).reshape(-1, engine.dim)


def _mean(templates: Float32) -> Float32:
    mean = templates.mean(0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _signer(analysis: Analysis) -> Track:
    """The track in the middle of the frame for longest."""

    def worth(track: Track) -> float:
        x = float((track.boxes_xyxy[:, 0] + track.boxes_xyxy[:, 2]).mean() / 2)
        return track.num_frames * (abs(x / analysis.facts.width_px - 0.5) < 0.2)

    return max(analysis.tracks, key=worth)


def _shown(analysis: Analysis, keep: set[int]) -> str:
    """In words: of the signer's frames how many show the face, and of the person's at the edge how many."""
    hidden = hidden_boxes(analysis, keep=keep)
    counts = {"signer": [0, 0], "edge": [0, 0]}
    for track in analysis.tracks:
        at_edge = track.boxes_xyxy[:, 2].max() > _AT_EDGE * analysis.facts.width_px
        count = counts["edge" if at_edge else "signer"]
        for frame in range(track.first_frame, track.last_frame + 1):
            middle = track.boxes_xyxy[frame - track.first_frame].reshape(2, 2).mean(0)
            boxes = hidden[frame]
            covered = ((boxes[:, :2] <= middle) & (middle <= boxes[:, 2:])).all(1).any()
            count[0] += not covered
            count[1] += 1
    signer, edge = counts["signer"], counts["edge"]
    return f"signer shown in {signer[0]} of {signer[1]}, person at the edge shown in {edge[0]} of {edge[1]}"
