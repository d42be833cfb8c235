"""Users: people of whom somebody said which enrolled photos count."""

from __future__ import annotations

from typing import Final

from assent.errors import AlreadyExists, NotFound, TokenReused
from assent.service.users import Association, AssociationFailure
from assent.store.access import RequestToken
from assent.wire.call import Answer, Body, Call
from assent.wire.common import collection_of, naming_the_remedy
from assent.wire.errors import WireError
from assent.wire.paging import page_of

ASSOCIATION_MIN_SIMILARITY: Final = 75.0
MAX_USERS_A_PAGE: Final = 500
_REASONS: Final = {
    "face-not-found": "FACE_NOT_FOUND",
    "of-another-person": "ASSOCIATED_TO_A_DIFFERENT_USER",
    "low-similarity": "LOW_MATCH_CONFIDENCE",
}


def create_user(call: Call) -> Answer:
    """Make a person who agreed a user of a collection."""
    purpose = collection_of(call).purpose
    with naming_the_remedy(_user(call), purpose):
        try:
            call.assent.users.create(call.collection, _user(call), token=_token(call))
        except TokenReused:
            raise
        except AlreadyExists as error:
            raise WireError("ConflictException", f"The user id: {_user(call)} already exists.") from error
    return Answer()


def delete_user(call: Call) -> Answer:
    """Undo CreateUser; photos stay enrolled."""
    collection_of(call)
    try:
        call.assent.users.delete(call.collection, _user(call), token=_token(call))
    except NotFound as error:
        raise _no_user(call) from error
    return Answer()


def list_users(call: Call) -> Answer:
    """The users of a collection, by id."""
    collection_of(call)
    users = call.assent.users.list(call.collection)
    page = page_of(call, users, place=lambda user: user.person_ref, max_size=MAX_USERS_A_PAGE)
    body: Body = {
        "Users": [
            {"UserId": user.person_ref, "UserStatus": status(user.num_templates)} for user in page.items
        ]
    }
    return Answer(body | ({"NextToken": page.next_token} if page.next_token else {}))


def associate_faces(call: Call) -> Answer:
    """Let enrolled photos of a user count when users are searched."""
    purpose = collection_of(call).purpose
    threshold = call.params.get("UserMatchThreshold", ASSOCIATION_MIN_SIMILARITY)
    _require_user(call)
    with naming_the_remedy(_user(call), purpose):
        done = call.assent.users.associate(
            call.collection, _user(call), call.params["FaceIds"], min_similarity=threshold
        )
    return _association(done, "AssociatedFaces", "UnsuccessfulFaceAssociations", with_confidence=True)


def disassociate_faces(call: Call) -> Answer:
    """Let photos of a user count no longer."""
    collection_of(call)
    _require_user(call)
    done = call.assent.users.disassociate(call.collection, _user(call), call.params["FaceIds"])
    return _association(done, "DisassociatedFaces", "UnsuccessfulFaceDisassociations", with_confidence=False)


def status(num_templates: int) -> str:
    """``ACTIVE`` once photos count for a user: it can be found from then on."""
    return "ACTIVE" if num_templates else "CREATED"


def _association(done: Association, done_as: str, failed_as: str, *, with_confidence: bool) -> Answer:
    return Answer(
        {
            done_as: [{"FaceId": face_id} for face_id in done.done],
            failed_as: [_failure(failure, with_confidence=with_confidence) for failure in done.failed],
            "UserStatus": status(done.num_templates),
        }
    )


def _failure(failure: AssociationFailure, *, with_confidence: bool) -> Body:
    body: Body = {"FaceId": failure.template_id, "Reasons": [_REASONS[failure.reason]]}
    if failure.person is not None:
        body["UserId"] = failure.person
    if with_confidence and failure.similarity is not None:
        body["Confidence"] = failure.similarity
    return body


def _user(call: Call) -> str:
    user: str = call.params["UserId"]
    return user


def _token(call: Call) -> RequestToken | None:
    token = call.params.get("ClientRequestToken")
    return RequestToken(call.operation, token, call.fingerprint()) if token else None


def _require_user(call: Call) -> None:
    try:
        call.assent.users.get(call.collection, _user(call))
    except NotFound as error:
        raise _no_user(call) from error


def _no_user(call: Call) -> WireError:
    return WireError("ResourceNotFoundException", f"The user id: {_user(call)} does not exist")
