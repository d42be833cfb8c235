"""Detection: where the faces are and how good they are; nothing that identifies."""

from __future__ import annotations

from assent.service.context import Context
from assent.service.faces import load_faces
from assent.service.images import ImageSource
from assent.service.results import DetectionResult
from assent.store.access import Role
from assent.vision.quality import ENROLMENT_GATE


def detect(ctx: Context, image: ImageSource, *, thorough: bool = False) -> DetectionResult:
    """The faces of a photo, largest first, with the reasons an enrolment would refuse them for.

    Raises:
        NotFound: no such file.
        ImageError: the photo cannot be read.
        Forbidden: the caller is neither enroller nor searcher.
    """
    ctx.require(Role.ENROLLER, Role.SEARCHER)
    photo = load_faces(ctx, image, gate=ENROLMENT_GATE, thorough=thorough)
    height, width = photo.image_rgb.shape[:2]
    return DetectionResult(
        tuple(photo.faces), image_width=width, image_height=height, num_frames=photo.num_frames
    )
