"""What a person looks at before trusting a redacted video: a contact sheet, and a page with every track's strip.

The contact sheet shows frames as they are in the copy, faces hidden. The page shows faces, since it is there to judge
who was hidden and who was not; it is written only where somebody asks for it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from assent.errors import UsageError
from assent.objects.whole import write_whole
from assent.service.decisions import Decisions, TrackEntry, regions_of
from assent.types import UInt8
from assent.version import __version__
from assent.video.reading import ClipReader
from assent.vision.boxes import grow_boxes
from assent.vision.redact import RedactMethod, redact

_SHEET_FRAMES: Final = 12
_SHEET_COLUMNS: Final = 4
_CELL_PX: Final = 360
_STRIP_FRAMES: Final = 6
_STRIP_PX: Final = 96
_STRIP_MARGIN: Final = 0.3
MAX_STRIPS: Final = 400
"""Tracks whose strip the page shows; the others are listed without."""
SHEET_FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


@dataclass(slots=True)
class _Wanted:
    sheet: frozenset[int]
    strips: dict[int, list[TrackEntry]] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    cells: list[tuple[float, UInt8]] = field(default_factory=list)
    crops: dict[int, list[bytes]] = field(default_factory=dict)


def check_sheets(preview: Path | None, report: Path | None) -> None:
    """Refuse names that nothing can be written under, before anything is looked at.

    Raises:
        UsageError: the contact sheet is to be neither PNG nor JPEG, or the page is no HTML.
    """
    if preview is not None and preview.suffix.lower() not in SHEET_FORMATS:
        raise UsageError(f"expected a PNG or JPEG for --preview, got {preview.name}; end it in .png or .jpg")
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"expected a page for --report, got {report.name}; end it in .html")


def write_sheets(
    source: Path,
    decisions: Decisions,
    *,
    method: RedactMethod,
    margin: float,
    max_pixels: int,
    preview: Path | None = None,
    report: Path | None = None,
    facts: Sequence[tuple[str, str]] = (),
) -> None:
    """Read the clip once more and write what was asked for; replaces files that are there.

    Args:
        source: the clip.
        decisions: on its tracks.
        method: what is put where a face was.
        margin: around each face.
        max_pixels: largest frame that is decoded.
        preview: the contact sheet, PNG or JPEG.
        report: the page, HTML.
        facts: rows for the page's head.

    Raises:
        VideoError: the clip cannot be read.
        UsageError: a file cannot be written.
    """
    wanted = _wanted(decisions, is_sheet=preview is not None, is_report=report is not None)
    seen = _look(source, decisions, wanted, method, margin, max_pixels)
    if preview is not None:
        buffer = io.BytesIO()
        Image.fromarray(_sheet(seen.cells)).save(buffer, format=SHEET_FORMATS[preview.suffix.lower()])
        write_whole(preview, buffer.getvalue(), overwrite=True)
    if report is not None:
        write_whole(report, _page(source, decisions, seen, facts).encode(), overwrite=True)


def _wanted(decisions: Decisions, *, is_sheet: bool, is_report: bool) -> _Wanted:
    num_frames = len(decisions.times_s)
    middles = (np.arange(_SHEET_FRAMES) + 0.5) * num_frames / _SHEET_FRAMES
    wanted = _Wanted(frozenset(middles.astype(int).tolist()) if is_sheet and num_frames else frozenset())
    if is_report:
        for track in decisions.tracks[:MAX_STRIPS]:
            spread = np.linspace(track.first_frame, track.last_frame, _STRIP_FRAMES).round().astype(int)
            for frame in sorted(set(spread.tolist())):
                wanted.strips.setdefault(frame, []).append(track)
    return wanted


def _look(
    source: Path, decisions: Decisions, wanted: _Wanted, method: RedactMethod, margin: float, max_pixels: int
) -> _Seen:
    seen, regions = _Seen(), regions_of(decisions)
    with ClipReader(
        source, max_pixels=max_pixels, start_s=decisions.start_s, end_s=decisions.end_s
    ) as reader:
        for frame in reader.frames(only=wanted.sheet | set(wanted.strips)):
            image_rgb = frame.image_rgb
            if image_rgb is None:
                continue
            for track in wanted.strips.get(frame.index, ()):
                box = track.boxes_xyxy[frame.index - track.first_frame]
                seen.crops.setdefault(track.index, []).append(_crop(image_rgb, box))
            if frame.index in wanted.sheet and frame.damage is None:
                covered = redact(image_rgb, regions(frame.index), method=method, margin=margin)
                seen.cells.append((frame.time_s, _fitted(covered, _CELL_PX)))
    return seen


def _fitted(image_rgb: UInt8, side_px: int) -> UInt8:
    height, width = image_rgb.shape[:2]
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _crop(image_rgb: UInt8, box: tuple[float, float, float, float]) -> bytes:
    height, width = image_rgb.shape[:2]
    [[x0, y0, x1, y1]] = grow_boxes(np.array([box], np.float32), margin=_STRIP_MARGIN).tolist()
    left, top = min(max(int(x0), 0), width - 1), min(max(int(y0), 0), height - 1)
    right, bottom = max(min(int(x1) + 1, width), left + 1), max(min(int(y1) + 1, height), top + 1)
    picture = Image.fromarray(image_rgb[top:bottom, left:right])
    picture = picture.resize((max(1, round(picture.width * _STRIP_PX / picture.height)), _STRIP_PX))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()


def _sheet(cells: list[tuple[float, UInt8]]) -> UInt8:
    """The frames in rows, each with its time below."""
    if not cells:
        return np.full((_CELL_PX, _CELL_PX, 3), 64, np.uint8)
    label_px = 22
    height = max(cell.shape[0] for _, cell in cells) + label_px
    width = max(cell.shape[1] for _, cell in cells)
    columns = min(_SHEET_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for number, (time_s, cell) in enumerate(cells):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
        at = (left + 4, top + cell.shape[0] + label_px - 6)
        cv2.putText(sheet, clock_text(time_s), at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet


def clock_text(time_s: float) -> str:
    """A time in a clip as people read it.

    Example:
        >>> clock_text(3723.456)
        '1:02:03.46'
    """
    minutes, seconds = divmod(round(time_s, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:05.2f}" if hours else f"{minutes}:{seconds:05.2f}"


_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ccc;
vertical-align:top}img{height:72px;margin-right:2px}.hide{color:#7a1f1f}.keep{color:#12602c}
.note{background:#fff4d6;padding:.6rem 1rem;border-left:4px solid #8a6100}
@media (prefers-color-scheme:dark){body{background:#181818;color:#eee}.hide{color:#ff9c9c}.keep{color:#8fe0a8}
.note{background:#3a3010}th,td{border-color:#555}}
"""
_WORDS: Final = {"hide": "hidden", "keep": "visible", "drop": "no face"}


def _page(source: Path, decisions: Decisions, seen: _Seen, facts: Sequence[tuple[str, str]]) -> str:
    rows = "\n".join(_row(track, seen.crops.get(track.index, [])) for track in decisions.tracks)
    added = "".join(
        f"<li>{clock_text(box.from_s)} to {clock_text(box.to_s)}: "
        f"{escape(', '.join(f'{value:g}' for value in box.box_xyxy))}</li>"
        for box in decisions.added
    )
    head = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts
    )
    name = escape(source.name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><title>Who is hidden in {name}</title><style>{_STYLE}</style></head>
<body><main><h1>Who is hidden in {name}</h1>
<p class="note">This page shows faces that the copy hides. Keep it as you keep the original, and delete it when the copy
has been checked.</p>
<table><tbody>{head}</tbody></table>
<h2>{len(decisions.tracks)} tracks: {len(decisions.hidden)} hidden, {len(decisions.shown)} visible</h2>
<p>A track is one face from its first to its last visible frame. To change a decision, write <code>hide</code>,
<code>keep</code> or <code>drop</code> (no face) into the file of <code>--edit</code>, and render again.</p>
<table><thead><tr><th scope=col>track</th><th scope=col>times</th><th scope=col>decision</th><th scope=col>why</th>
<th scope=col>strip</th></tr></thead><tbody>
{rows}
</tbody></table>
{f"<h2>Boxes added by hand</h2><ul>{added}</ul>" if added else ""}
<p>Made by Assent {escape(__version__)}.</p></main></body></html>
"""


def _row(track: TrackEntry, crops: list[bytes]) -> str:
    strip = "".join(
        f'<img alt="track {track.index}" src="data:image/jpeg;base64,{base64.b64encode(crop).decode()}">'
        for crop in crops
    )
    why = track.reason if track.person is None else f"{track.reason}: {track.person}"
    return (
        f"<tr><th scope=row>{track.index}</th>"
        f"<td>{clock_text(track.first_s)} to {clock_text(track.last_s)}</td>"
        f'<td class="{track.decision}">{_WORDS[track.decision]}</td><td>{escape(why)}</td><td>{strip}</td></tr>'
    )
