"""Photos of somebody who agreed: added one or many at a time, each taken or refused with its reasons."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from assent.console.forms import Upload
from assent.console.views.people import open_purposes
from assent.console.visit import Page, Visit, sentence
from assent.errors import (
    AlreadyExists,
    FaceError,
    FaceMismatch,
    ImageError,
    NoFace,
    PoorQuality,
    SeveralFaces,
)
from assent.service.results import Enrolment


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo.

    Attributes:
        filename: as the browser called it.
        enrolment: what was made of it; None where it was refused.
        message: why it was refused, in a sentence.
        reasons: names of what is wrong with the face, each with a remedy in ``wording``.
        advice: what to do; empty where the reasons say it.
    """

    filename: str
    enrolment: Enrolment | None = None
    message: str = ""
    reasons: tuple[str, ...] = ()
    advice: str = ""


def photos(visit: Visit) -> Response:
    """Where to put which photos."""
    return _page(visit, visit.query("person"), visit.query("collection"))


def _page(
    visit: Visit,
    ref: str,
    collection: str,
    outcomes: list[Outcome] | None = None,
    *,
    error: str = "",
    status: int = 200,
) -> Response:
    person = visit.assent.people.get(ref)
    purposes = open_purposes(visit.assent.consents.list(ref), visit.assent.now())
    open_to = [item for item in visit.assent.collections.list() if item.collection.purpose in purposes]
    return visit.page(
        "photos.html",
        status=status,
        person=person,
        purposes=purposes,
        collections=[item.collection for item in open_to],
        chosen=collection,
        outcomes=outcomes or [],
        offers_mismatch=any(item.advice == _MISMATCH for item in outcomes or []),
        offers_largest=any(item.advice == _SEVERAL for item in outcomes or []),
        error=error,
    )


def add_photos(visit: Visit) -> Response:
    """Enrol each photo by itself: one that is refused does not hold up the others."""
    form = visit.form
    ref, collection, uploads = form.text("person"), form.text("collection"), form.files("photo")
    if not uploads:
        return _page(visit, ref, collection, error="Choose a photo first, or take one.", status=400)
    outcomes = [_enrol(visit, upload, ref, collection) for upload in uploads]
    is_any = any(item.enrolment for item in outcomes)
    return _page(visit, ref, collection, outcomes, status=200 if is_any else 400)


def remove(visit: Visit) -> Response:
    """Drop one photo's template."""
    visit.assent.collections.remove_template(visit.form.text("template"))
    return visit.go("/person", id=visit.form.text("person"), note="The photo's template is destroyed.")


def _enrol(visit: Visit, upload: Upload, ref: str, collection: str) -> Outcome:
    form = visit.form
    try:
        enrolment = visit.assent.enrol(
            upload.data,
            person=ref,
            collection=collection,
            choose="largest" if form.has("largest") else "only",
            allow_mismatch=form.has("allow_mismatch"),
        )
    except (FaceError, ImageError, AlreadyExists) as error:
        reasons = tuple(error.reasons) if isinstance(error, PoorQuality) else ()
        return Outcome(upload.filename, None, _message(error), reasons, _advice(error))
    return Outcome(upload.filename, enrolment)


def _message(error: FaceError | ImageError | AlreadyExists) -> str:
    # Those whose own words are about the command line are said anew.
    match error:
        case NoFace():
            return "No face was found."
        case SeveralFaces():
            return f"{error.num_faces} faces were found, and it is not known whose is meant."
        case PoorQuality():
            return "The face is not good enough to be told from others."
        case FaceMismatch():
            return (
                f"The face is unlike this person's earlier photos (similarity {error.similarity:.0f} of 100). "
                "Is it the right photo?"
            )
        case AlreadyExists():
            return "This photo is enrolled already."
    return sentence(error)


_MISMATCH = "If it is, send it again and tick “take it although it is unlike the earlier ones”."
_SEVERAL = "Cut the picture to one face, or send it again and tick “take the largest face”."


def _advice(error: FaceError | ImageError | AlreadyExists) -> str:
    match error:
        case NoFace():
            return "Use a picture in which the whole face is to be seen from the front."
        case SeveralFaces():
            return _SEVERAL
        case FaceMismatch():
            return _MISMATCH
    return ""


PAGES = (
    Page("GET", "/photos", photos),
    Page("POST", "/photos", add_photos, takes_files=True),
    Page("POST", "/photos/remove", remove),
)
