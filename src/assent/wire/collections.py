"""Collections and their tags."""

from __future__ import annotations

import re
from typing import Any, Final

from assent.errors import AlreadyExists, NotFound
from assent.wire.call import Answer, Call
from assent.wire.common import collection_of, no_collection
from assent.wire.errors import WireError, denied, invalid
from assent.wire.paging import page_of
from assent.wire.shapes import model_version

PURPOSE_TAG: Final = "assent:purpose"
POLICY_TAG: Final = "assent:policy"
REVIEW_TAG: Final = "assent:review"
BEYOND_EVIDENCE_TAG: Final = "assent:beyond-evidence"
_PREFIX: Final = "assent:"
_OWN_TAGS: Final = (PURPOSE_TAG, POLICY_TAG, REVIEW_TAG, BEYOND_EVIDENCE_TAG)
_ARN: Final = re.compile(r"arn:aws:rekognition:([a-z0-9-]+):(\d{12}):collection/([a-zA-Z0-9_.\-]{1,255})")


def create_collection(call: Call) -> Answer:
    """Make an empty collection; its purpose and policy come from tags."""
    tags: dict[str, str] = call.params.get("Tags", {})
    own = {name: value for name, value in tags.items() if name.startswith(_PREFIX)}
    for name in own:
        if name not in _OWN_TAGS:
            raise invalid(
                f"There is no tag {name}; those that mean something here are {', '.join(_OWN_TAGS)}."
            )
    try:
        record = call.assent.collections.create(
            call.collection,
            purpose=_purpose(call, own),
            policy=own.get(POLICY_TAG, "default"),
            review=own.get(REVIEW_TAG, "none"),
            beyond_evidence=own.get(BEYOND_EVIDENCE_TAG, "refuse"),
            tags={name: value for name, value in tags.items() if name not in own},
        )
    except AlreadyExists as error:
        message = f"The collection id: {call.collection} already exists."
        raise WireError("ResourceAlreadyExistsException", message) from error
    return Answer(
        {
            "StatusCode": 200,
            "CollectionArn": arn_of(call, call.collection),
            "FaceModelVersion": model_version(record.model_digest),
        }
    )


def _purpose(call: Call, own: dict[str, str]) -> str:
    purpose = own.get(PURPOSE_TAG, call.assent.settings.default_purpose)
    if purpose is None:
        raise invalid(
            f"A collection has one purpose, to which its people agreed. Give it as the tag {PURPOSE_TAG} "
            f'(Tags={{"{PURPOSE_TAG}": "club-photos"}}), or start the server with ASSENT_DEFAULT_PURPOSE.'
        )
    return purpose


def describe_collection(call: Call) -> Answer:
    """How many faces and users, and of which model."""
    collection_of(call)
    summary = call.assent.collections.get(call.collection)
    return Answer(
        {
            "FaceCount": summary.num_templates,
            "UserCount": summary.num_users,
            "FaceModelVersion": model_version(summary.collection.model_digest),
            "CollectionARN": arn_of(call, call.collection),
            "CreationTimestamp": summary.collection.created_at.timestamp(),
        }
    )


def list_collections(call: Call) -> Answer:
    """The collections' ids, by name."""
    page = page_of(call, call.assent.collections.records(), place=lambda record: record.name)
    body: dict[str, Any] = {
        "CollectionIds": [record.name for record in page.items],
        "FaceModelVersions": [model_version(record.model_digest) for record in page.items],
    }
    return Answer(body | ({"NextToken": page.next_token} if page.next_token else {}))


def delete_collection(call: Call) -> Answer:
    """Destroy a collection with its templates."""
    try:
        call.assent.collections.delete(call.collection)
    except NotFound as error:
        raise no_collection(call.collection) from error
    return Answer({"StatusCode": 200})


def tag_resource(call: Call) -> Answer:
    """Set tags; not those that are the collection's policy."""
    tags: dict[str, str] = call.params["Tags"]
    _refuse_own(call, tags)
    call.assent.collections.tag(_tagged(call), tags)
    return Answer()


def untag_resource(call: Call) -> Answer:
    """Remove tags; not those that are the collection's policy."""
    keys: list[str] = call.params["TagKeys"]
    _refuse_own(call, keys)
    call.assent.collections.untag(_tagged(call), keys)
    return Answer()


def list_tags(call: Call) -> Answer:
    """The tags, and the collection's purpose and policy as they are now."""
    name = _tagged(call)
    record = call.assent.collections.record(name)
    own = {
        PURPOSE_TAG: record.purpose,
        POLICY_TAG: record.preset,
        REVIEW_TAG: str(record.review),
        BEYOND_EVIDENCE_TAG: str(record.beyond_evidence),
    }
    return Answer({"Tags": {**call.assent.collections.tags(name), **own}})


def arn_of(call: Call, name: str) -> str:
    """A collection's Amazon resource name."""
    settings = call.assent.settings
    return f"arn:aws:rekognition:{settings.region}:{settings.account}:collection/{name}"


def _tagged(call: Call) -> str:
    """The collection that ``ResourceArn`` names.

    Raises:
        WireError: ``ResourceNotFoundException`` where there is none, or the name is of another account or kind.
    """
    arn: str = call.params["ResourceArn"]
    found = _ARN.fullmatch(arn)
    if found is None or arn != arn_of(call, found[3]):
        raise WireError(
            "ResourceNotFoundException",
            f"Only collections have tags here: expected a ResourceArn of the form {arn_of(call, 'ID')}.",
        )
    try:
        call.assent.collections.tags(found[3])
    except NotFound as error:
        raise no_collection(found[3]) from error
    return found[3]


def _refuse_own(call: Call, names: object) -> None:
    own = [name for name in names if name.startswith(_PREFIX)]  # type: ignore[attr-defined]
    if own:
        name = _tagged(call)
        raise denied(
            f"{', '.join(sorted(own))}: a purpose is what people agreed to and cannot be changed; make another "
            f"collection. A policy is changed by whoever runs this server: assent collection policy {name} strict."
        )
