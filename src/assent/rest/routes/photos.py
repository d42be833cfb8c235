"""What is asked about a photo: enrol, search, verify, compare, detect.

Each takes the encoded photo itself. No operation takes an address: pictures are never fetched. Every search is of the
one collection that its path names.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, File, Form

from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute, PhotoRoute, TwoPhotosRoute
from assent.rest.errors import documented
from assent.rest.shapes.faces import (
    ComparisonAnswer,
    DetectionAnswer,
    EnrolmentAnswer,
    PersonProbe,
    SearchAnswer,
    TemplateProbe,
    VerificationAnswer,
)
from assent.rest.shapes.fields import REF_PATTERN, CollectionPath, PurposeForm, ThresholdForm

router = APIRouter(tags=["Faces"], route_class=PhotoRoute)
two_photos = APIRouter(tags=["Faces"], route_class=TwoPhotosRoute)
enrolled = APIRouter(tags=["Faces"], route_class=BoundedRoute)

_Photo = Annotated[
    bytes,
    File(description="The photo's file: JPEG, PNG, WebP, ... Never an address: pictures are not fetched."),
]
_Person = Annotated[str, Form(pattern=REF_PATTERN, description="The person's id.", examples=["ana"])]
_Candidates = Annotated[int, Form(ge=1, le=1000, description="At most so many candidates a face.")]
_Choose = Annotated[
    Literal["only", "largest"],
    Form(description="Which face, when there are several; `only`: several are an error."),
]
_Thorough = Annotated[bool, Form(description="Look for the smallest faces too; slower.")]
_NO = (400, 404, 409, 413)


@router.post("/collections/{collection}/templates", status_code=201, responses=documented(*_NO))
def enrol(
    assent: Acting,
    collection: CollectionPath,
    image: _Photo,
    person: _Person,
    choose: _Choose = "only",
    allow_mismatch: Annotated[
        bool, Form(description="Take the photo even when the face is unlike the person's earlier ones.")
    ] = False,
) -> EnrolmentAnswer:
    """Make one template of one photo of a person whose live consent covers the collection's purpose."""
    made = assent.enrol(
        image, person=person, collection=collection, choose=choose, allow_mismatch=allow_mismatch
    )
    return EnrolmentAnswer.of(made)


@router.post("/collections/{collection}/search", responses=documented(*_NO))
def search(
    assent: Acting,
    collection: CollectionPath,
    image: _Photo,
    purpose: PurposeForm,
    threshold: ThresholdForm = None,
    max_candidates: _Candidates = 5,
    thorough: _Thorough = False,
    faces: Annotated[Literal["all", "largest"], Form(description="Which faces are searched.")] = "all",
    among: Annotated[
        Literal["people", "users"],
        Form(description="Compare with the mean of all of a person's photos, or of a user's chosen ones."),
    ] = "people",
) -> SearchAnswer:
    """Who of a collection's consenting people may be in a photo.

    Everybody else leaves nothing behind but a count. Under two-person review the answer holds a `review_id` instead of
    candidates.
    """
    result = assent.search(
        image,
        collection=collection,
        purpose=purpose,
        threshold=threshold,
        max_candidates=max_candidates,
        thorough=thorough,
        faces=faces,
        among=among,
    )
    return SearchAnswer.of(result)


@enrolled.post("/collections/{collection}/search/template", responses=documented(*_NO))
def search_template(assent: Acting, collection: CollectionPath, probe: TemplateProbe) -> SearchAnswer:
    """Who else of the collection is like one enrolled photo; its own person is left out where it is the only one."""
    result = assent.search_template(
        probe.template_id,
        collection=collection,
        purpose=probe.purpose,
        threshold=probe.threshold,
        max_candidates=probe.max_candidates,
        among=probe.among,
    )
    return SearchAnswer.of(result)


@enrolled.post("/collections/{collection}/search/person", responses=documented(*_NO))
def search_person(assent: Acting, collection: CollectionPath, probe: PersonProbe) -> SearchAnswer:
    """Which other users of the collection are like one user."""
    result = assent.search_person(
        probe.person,
        collection=collection,
        purpose=probe.purpose,
        threshold=probe.threshold,
        max_candidates=probe.max_candidates,
    )
    return SearchAnswer.of(result)


@router.post("/collections/{collection}/verify", responses=documented(*_NO))
def verify(
    assent: Acting,
    collection: CollectionPath,
    image: _Photo,
    person: _Person,
    purpose: PurposeForm,
    threshold: Annotated[
        float,
        Form(
            ge=0,
            le=100,
            allow_inf_nan=False,
            description="A similarity of 0 to 100: 80 is 1 false match in 1,000 comparisons, 90 in 10,000. The "
            "collection's policy is the floor.",
        ),
    ] = 80.0,
    choose: _Choose = "only",
) -> VerificationAnswer:
    """Whether the face in a photo is that of one named, enrolled person."""
    result = assent.verify(
        image, person=person, collection=collection, purpose=purpose, threshold=threshold, choose=choose
    )
    return VerificationAnswer.of(result)


@two_photos.post("/compare", responses=documented(400, 409, 413))
def compare(
    assent: Acting,
    source: Annotated[bytes, File(description="A photo's file; its largest face is compared.")],
    target: Annotated[bytes, File(description="A photo's file; every face in it is compared.")],
    threshold: Annotated[
        float, Form(ge=0, le=100, allow_inf_nan=False, description="A similarity of 0 to 100.")
    ] = 80.0,
) -> ComparisonAnswer:
    """The largest face of one photo against every face of another; nothing of either is kept."""
    return ComparisonAnswer.of(assent.compare(source, target, threshold=threshold))


@router.post("/detect", responses=documented(400, 413))
def detect(assent: Acting, image: _Photo, thorough: _Thorough = False) -> DetectionAnswer:
    """The faces of a photo and their quality; nothing that identifies, nothing kept."""
    return DetectionAnswer.of(assent.detect(image, thorough=thorough))
