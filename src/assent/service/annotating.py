"""A picture of a search's answer: candidates framed and named, everybody else hidden."""

from __future__ import annotations

import numpy as np

from assent.service.context import Context
from assent.service.images import ImageSource, load_image
from assent.service.results import AnnotatedPhoto, Candidate, SearchResult
from assent.store.access import Role
from assent.types import Float32
from assent.vision.draw import Annotation, Mark
from assent.vision.draw import annotate as draw
from assent.vision.redact import redact


def annotate(ctx: Context, image: ImageSource, result: SearchResult) -> AnnotatedPhoto:
    """The photo with candidates framed and named and every other face hidden.

    Args:
        ctx: the open data folder.
        image: the photo that was searched.
        result: the search's answer.

    Raises:
        NotFound: no such file.
        ImageError: the photo cannot be read.
        Forbidden: the caller is no searcher.
    """
    ctx.require(Role.SEARCHER)
    image_rgb = load_image(image, ctx.settings).image_rgb
    found = [(answer.face.box_xyxy, answer.candidates) for answer in result.faces if answer.face is not None]
    hidden = [box_xyxy for box_xyxy, candidates in found if not candidates]
    boxes_xyxy: Float32 = np.stack(hidden) if hidden else np.zeros((0, 4), np.float32)
    frames = [
        Annotation(box_xyxy, Mark.CANDIDATE, _label(candidates[0]))
        for box_xyxy, candidates in found
        if candidates
    ]
    picture = draw(redact(image_rgb, boxes_xyxy), frames)
    return AnnotatedPhoto(picture, num_hidden=len(hidden), num_shown=len(frames))


def _label(candidate: Candidate) -> str:
    return f"{candidate.name or candidate.person}, similarity {candidate.similarity:.0f}"
