"""Copies of photos and videos in which everybody is hidden, but those who consented and were recognised.

Undecided is hidden, in each step: a face that nobody was found for, a track that is not confirmed, somebody whose
consent ended between the look and the copy, a frame that cannot be decoded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from assent.errors import UsageError
from assent.objects.whole import require_output, write_whole
from assent.service.context import Context
from assent.service.decisions import Kept
from assent.service.faces import load_faces
from assent.service.images import load_image, read_bytes, require_file
from assent.service.results import FaceAnswer
from assent.service.searching import search
from assent.store.access import Role
from assent.types import Float32, UInt8
from assent.vision.quality import PROBE_GATE
from assent.vision.redact import DEFAULT_MARGIN, RedactMethod, redact

if TYPE_CHECKING:
    pass

PHOTO_FORMATS: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
}
"""What a photo is written as, by the end of its name."""
_SAVING: Final[dict[str, dict[str, object]]] = {
    "JPEG": {"quality": 92, "subsampling": 0},
    "WEBP": {"quality": 90, "method": 4},
    "PNG": {"compress_level": 6},
    "TIFF": {"compression": "tiff_lzw"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What is asked for.

    Attributes:
        method: what is put where a face was.
        margin: added around each face, in its widths and heights; 0 to 2.
        collection: whose people may stay visible; None hides everybody.
        purpose: what for; the collection's.
        people: who of them; None for everybody whose consent is live.
        quality: of a video's copy.
        is_strict: stop at a frame that cannot be decoded.
        start_s: part of a video, seconds after its first frame.
        end_s: likewise; None to its end.
        overwrite: replace a file that is there.
        dry_run: look and decide, and write no copy.
    """

    method: RedactMethod = RedactMethod.BLUR
    margin: float = DEFAULT_MARGIN
    collection: str | None = None
    purpose: str | None = None
    people: tuple[str, ...] | None = None
    quality: str = "medium"
    is_strict: bool = False
    start_s: float = 0.0
    end_s: float | None = None
    overwrite: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 2:
            raise UsageError(f"a margin is 0 to 2 widths of a face, got {self.margin:g}")
        if (self.collection is None) != (self.purpose is None):
            raise UsageError(
                "whoever is to stay visible is looked for in one collection and for its purpose; give both"
            )
        if self.people is not None and self.collection is None:
            raise UsageError(
                "expected the collection in which those to be kept visible are enrolled, got none"
            )

    @property
    def kept(self) -> Kept:
        """Who is to stay visible."""
        return Kept(collection=self.collection, purpose=self.purpose, people=self.people)


@dataclass(frozen=True, slots=True)
class RedactedPhoto:
    """What became of a photo.

    Attributes:
        num_hidden: faces.
        num_shown: faces left visible.
        people: who they are, by id.
        is_written: False for a dry run.
        notes: what else is different from the original.
    """

    num_hidden: int
    num_shown: int
    people: tuple[str, ...]
    is_written: bool
    notes: tuple[str, ...] = ()


def check_redaction(ctx: Context, asked: Redaction) -> None:
    """Refuse, before anything is looked at, what could not be done.

    Raises:
        Forbidden: the caller is neither enroller nor searcher, or no searcher where people are to be kept.
        NotFound: no such collection or person.
        ConsentError: somebody to be kept has not agreed, or to another purpose.
        CalibrationError: the model's error rates are not known.
    """
    ctx.require(Role.ENROLLER, Role.SEARCHER)
    if asked.collection is not None and asked.purpose is not None:
        from assent.service.videos import check_search

        check_search(ctx, collection=asked.collection, purpose=asked.purpose, people=asked.people or ())


def redact_photo(ctx: Context, source: Path, target: Path, asked: Redaction) -> RedactedPhoto:
    """Write a copy of a photo with faces hidden, turned upright, without any metadata but its colour profile.

    Raises:
        NotFound: no such file.
        ImageError: the photo cannot be read.
        AlreadyExists: the copy is there.
        UsageError: the copy is the original, its name's end is of no format that is written, or it cannot be written.
        Forbidden, ConsentError, CalibrationError: see ``check_redaction``.
    """
    ctx.require(Role.ENROLLER, Role.SEARCHER)
    require_file(source)
    fmt = PHOTO_FORMATS.get(target.suffix.lower())
    if fmt is None:
        raise UsageError(
            f"expected the name of a photo to write ({', '.join(sorted(PHOTO_FORMATS))}), got {target.name}; give it "
            "one of these ends"
        )
    require_output(target, sources=[source], overwrite=asked.overwrite)
    data = read_bytes(source, max_bytes=ctx.settings.max_image_bytes)
    image = load_image(data, ctx.settings)
    hidden, people = _photo_faces(ctx, data, asked)
    if not asked.dry_run:
        covered = redact(image.image_rgb, hidden, method=asked.method, margin=asked.margin)
        write_whole(target, _encoded(covered, fmt, _profile(data)), overwrite=asked.overwrite)
    return RedactedPhoto(len(hidden), len(people), tuple(sorted(set(people))), not asked.dry_run, image.notes)


def _photo_faces(ctx: Context, data: bytes, asked: Redaction) -> tuple[Float32, list[str]]:
    """Boxes (N, 4) of those to hide, and who stays visible."""
    if asked.collection is None or asked.purpose is None:
        photo = load_faces(ctx, data, gate=PROBE_GATE, thorough=True)
        return _stacked([face.box_xyxy for face in photo.faces]), []
    result = search(ctx, data, collection=asked.collection, purpose=asked.purpose, thorough=True)
    hidden, people = [], []
    for answer in result.faces:
        person = _recognised(answer, asked.people)
        if person is not None:
            people.append(person)
        elif answer.face is not None:
            hidden.append(answer.face.box_xyxy)
    return _stacked(hidden), people


def _recognised(answer: FaceAnswer, people: tuple[str, ...] | None) -> str | None:
    """Who a face is, if it is one candidate alone, and one to be kept."""
    if answer.refused or len(answer.candidates) != 1:
        return None
    person = answer.candidates[0].person
    return person if people is None or person in people else None


def _stacked(boxes: list[Float32]) -> Float32:
    return np.stack(boxes) if boxes else np.zeros((0, 4), np.float32)


def _profile(data: bytes) -> bytes | None:
    """The colour profile of an RGB photo, without which its colours would look different."""
    with Image.open(io.BytesIO(data)) as image:
        found = image.info.get("icc_profile")
        return found if image.mode in ("RGB", "RGBA") and isinstance(found, bytes) else None


def _encoded(image_rgb: UInt8, fmt: str, profile: bytes | None) -> bytes:
    buffer = io.BytesIO()
    options = dict(_SAVING.get(fmt, {}))
    if profile is not None and fmt in ("JPEG", "PNG", "WEBP", "TIFF"):
        options["icc_profile"] = profile
    Image.fromarray(image_rgb).save(buffer, format=fmt, **options)
    return buffer.getvalue()
