"""Search: by picture, by enrolled face, by user; candidates with the rate at which strangers score as high."""

from __future__ import annotations

from typing import Final

from assent.errors import NotFound
from assent.service.results import FaceAnswer, SearchResult
from assent.store.values import CollectionRecord
from assent.wire.call import Answer, Body, Call
from assent.wire.common import DEFAULT_SIMILARITY, collection_of, is_filtered_out
from assent.wire.errors import NO_FACE, WireError, invalid
from assent.wire.pictures import picture
from assent.wire.shapes import (
    bounding_box,
    face_detail,
    face_matches,
    model_version,
    percent,
    reasons,
    user_matches,
)

MAX_FACES: Final = 4096
MAX_USERS: Final = 500
MAX_UNSEARCHED: Final = 100
TOO_POOR: Final = f"{NO_FACE} (The largest one is too poor to be searched for: {{}}.)"


def search_faces_by_image(call: Call) -> Answer:
    """Whose enrolled photos the largest face of a picture may be like."""
    encoded = picture(call)
    collection = collection_of(call)
    limit = call.params.get("MaxFaces", MAX_FACES)
    filtered = is_filtered_out(call, encoded)
    if filtered:
        raise invalid(TOO_POOR.format(", ".join(filtered)))
    result = call.assent.search(
        encoded,
        collection=call.collection,
        purpose=collection.purpose,
        threshold=call.params.get("FaceMatchThreshold", DEFAULT_SIMILARITY),
        max_candidates=limit,
        faces="largest",
    )
    largest = _largest(result)
    if largest is None or largest.face is None:
        raise invalid(NO_FACE)
    if largest.refused:
        raise invalid(TOO_POOR.format(", ".join(largest.refused)))
    body = {
        "SearchedFaceBoundingBox": bounding_box(
            largest.face.box_xyxy, result.image_width, result.image_height
        ),
        "SearchedFaceConfidence": percent(largest.face.score),
        "FaceMatches": face_matches(largest.candidates, limit, version=_version(collection)),
    }
    return _answer(body, collection, result)


def search_faces(call: Call) -> Answer:
    """Whose enrolled photos an enrolled photo of somebody else may be like."""
    collection = collection_of(call)
    limit = call.params.get("MaxFaces", MAX_FACES)
    try:
        result = call.assent.search_template(
            call.params["FaceId"],
            collection=call.collection,
            purpose=collection.purpose,
            threshold=call.params.get("FaceMatchThreshold", DEFAULT_SIMILARITY),
            max_candidates=limit,
        )
    except NotFound as error:
        raise invalid("faceId was not found in the collection") from error
    body = {
        "SearchedFaceId": call.params["FaceId"],
        "FaceMatches": face_matches(
            result.candidates, limit, version=_version(collection), but=call.params["FaceId"]
        ),
    }
    return _answer(body, collection, result)


def search_users(call: Call) -> Answer:
    """Which users an enrolled photo, or another user, may be like."""
    user, face = call.params.get("UserId"), call.params.get("FaceId")
    if (user is None) == (face is None):
        raise invalid("Expected either UserId or FaceId, got both or neither.")
    collection = collection_of(call)
    limit = call.params.get("MaxUsers", MAX_USERS)
    threshold = call.params.get("UserMatchThreshold", DEFAULT_SIMILARITY)
    options = {
        "collection": call.collection,
        "purpose": collection.purpose,
        "threshold": threshold,
        "max_candidates": limit,
    }
    try:
        result = (
            call.assent.search_person(user, **options)
            if user is not None
            else call.assent.search_template(face or "", among="users", **options)
        )
    except NotFound as error:
        if user is not None:
            raise WireError("ResourceNotFoundException", f"The user id: {user} does not exist") from error
        raise invalid("faceId was not found in the collection") from error
    searched: Body = (
        {"SearchedUser": {"UserId": user}} if user is not None else {"SearchedFace": {"FaceId": face}}
    )
    return _answer({"UserMatches": user_matches(result.candidates, limit), **searched}, collection, result)


def search_users_by_image(call: Call) -> Answer:
    """Which users the largest face of a picture may be like; without a face, none and no error."""
    encoded = picture(call)
    collection = collection_of(call)
    limit = call.params.get("MaxUsers", MAX_USERS)
    filtered = is_filtered_out(call, encoded)
    if filtered:
        return _none_searched(call, collection, encoded, filtered)
    result = call.assent.search(
        encoded,
        collection=call.collection,
        purpose=collection.purpose,
        threshold=call.params.get("UserMatchThreshold", DEFAULT_SIMILARITY),
        max_candidates=limit,
        faces="largest",
        among="users",
    )
    largest = _largest(result)
    body: Body = {
        "UserMatches": user_matches(largest.candidates if largest else (), limit),
        "UnsearchedFaces": _unsearched(result),
    }
    if largest is not None and largest.face is not None and not largest.refused:
        detail = face_detail(largest.face, result.image_width, result.image_height)
        body["SearchedFace"] = {"FaceDetail": detail}
    return _answer(body, collection, result)


def _none_searched(
    call: Call, collection: CollectionRecord, encoded: bytes, filtered: tuple[str, ...]
) -> Answer:
    found = call.assent.detect(encoded)
    unsearched = [
        {
            "FaceDetails": face_detail(face, found.image_width, found.image_height),
            "Reasons": reasons(filtered if number == 0 else ("not-largest",)),
        }
        for number, face in enumerate(found.faces[:MAX_UNSEARCHED])
    ]
    return Answer(
        {"UserMatches": [], "UnsearchedFaces": unsearched, "FaceModelVersion": _version(collection)}
    )


def _unsearched(result: SearchResult) -> list[Body]:
    return [
        {
            "FaceDetails": face_detail(answer.face, result.image_width, result.image_height),
            "Reasons": reasons(answer.refused),
        }
        for answer in result.faces[:MAX_UNSEARCHED]
        if answer.face is not None and answer.refused
    ]


def _version(collection: CollectionRecord) -> str:
    return model_version(collection.model_digest)


def _largest(result: SearchResult) -> FaceAnswer | None:
    return result.faces[0] if result.faces else None


def _answer(body: Body, collection: CollectionRecord, result: SearchResult) -> Answer:
    """The answer with what Rekognition does not tell: what was applied, against how many, and where it is recorded.

    Clients drop members that they do not know, so that the most needed are headers too.
    """
    best = next(iter(result.candidates), None)
    extra: Body = {"GallerySize": result.gallery_size, "LogLeaf": result.log_leaf}
    headers = {"x-assent-gallery-size": str(result.gallery_size), "x-assent-log-leaf": result.log_leaf}
    if result.policy is not None:
        extra |= {"AppliedThreshold": result.policy.similarity, "AppliedFmr": result.policy.max_fmr}
        headers["x-assent-applied-threshold"] = f"{result.policy.similarity:.4g}"
        headers["x-assent-applied-fmr"] = f"{result.policy.max_fmr:.4g}"
    if result.review_id is not None:
        extra["ReviewId"] = headers["x-assent-review-id"] = result.review_id
    if best is not None:
        headers["x-assent-fmr-at-score"] = f"{best.fmr_at_score:.4g}"
    return Answer({**body, "FaceModelVersion": _version(collection), **extra}, headers)
