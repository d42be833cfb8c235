"""From a photo to templates that live as long as the call: the one way enrolment, search and verification share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assent.errors import NoFace, PoorQuality, SeveralFaces
from assent.service.context import Context
from assent.service.images import ImageSource, load_image
from assent.types import Face, Quality, UInt8
from assent.vision.boxes import largest_first
from assent.vision.quality import QualityGate

Choose = Literal["only", "largest"]
"""Which face of a photo is meant: the only one there is, or the largest."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo and its faces.

    Attributes:
        image_rgb: (H, W, 3) uint8, upright.
        faces: largest first.
        num_frames: frames or pages of the file; only the first was looked at.
    """

    image_rgb: UInt8
    faces: list[Face]
    num_frames: int


def load_faces(ctx: Context, image: ImageSource, *, gate: QualityGate, thorough: bool = False) -> Photo:
    """Decode a photo and find its faces.

    Args:
        ctx: the open data folder.
        image: a file's path, or encoded bytes.
        gate: what a face's quality is held to.
        thorough: look for the smallest faces too.
    """
    decoded = load_image(image, ctx.settings)
    faces = ctx.engine.faces(decoded.image_rgb, thorough=thorough, gate=gate)
    return Photo(decoded.image_rgb, largest_first(faces), decoded.num_frames)


def choose_face(faces: list[Face], choose: Choose) -> Face:
    """The face that is meant.

    Raises:
        NoFace: there is none.
        SeveralFaces: there are several and nobody said which.
    """
    if not faces:
        raise NoFace(
            "expected one face, found none; use a photo in which the face is larger, sharper, and turned to the camera"
        )
    if len(faces) > 1 and choose == "only":
        raise SeveralFaces(
            f"expected one face, found {len(faces)}; crop the photo to the person meant, or choose the largest face "
            f"if you are sure that it is theirs (--largest)",
            num_faces=len(faces),
        )
    return faces[0]


def require_quality(quality: Quality) -> None:
    """Refuse a face that a template should not be made from.

    Raises:
        PoorQuality: with the reasons.
    """
    if not quality.is_good:
        reasons = ", ".join(quality.reasons)
        raise PoorQuality(
            f"the face is too poor to use ({reasons}): eyes {quality.inter_ocular_px:.0f} px apart, sharpness "
            f"{quality.sharpness:.2f}, brightness {quality.brightness:.0f}; use a larger, sharper, evenly lit photo, "
            f"turned to the camera",
            reasons=quality.reasons,
        )
