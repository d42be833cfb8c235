"""Enrolled faces: IndexFaces, ListFaces, DeleteFaces."""

from __future__ import annotations

from assent.service.results import IndexedPhoto
from assent.store.values import TemplateRecord
from assent.wire.call import Answer, Body, Call
from assent.wire.common import (
    collection_of,
    is_filtered_out,
    naming_the_remedy,
    refuse_attributes,
    remedy,
)
from assent.wire.errors import denied
from assent.wire.paging import page_of
from assent.wire.pictures import picture
from assent.wire.shapes import face_detail, face_record, model_version, reasons

MAX_PERSON_CHARS = 128


def index_faces(call: Call) -> Answer:
    """Enrol the largest face of a picture as that of the person whom ``ExternalImageId`` names."""
    refuse_attributes(call.params.get("DetectionAttributes", []))
    collection = collection_of(call)
    person, purpose = call.params.get("ExternalImageId"), collection.purpose
    if person is None or len(person) > MAX_PERSON_CHARS:
        raise denied(
            f"No consent, no template: ExternalImageId must be the id (at most {MAX_PERSON_CHARS} characters) of "
            f"a person who agreed to {purpose}. {remedy('ID', purpose)}"
        )
    encoded, version = picture(call), model_version(collection.model_digest)
    with naming_the_remedy(person, purpose):
        filtered = is_filtered_out(call, encoded)
        if filtered:
            return _nothing_indexed(call, encoded, filtered, version)
        indexed = call.assent.index(encoded, person=person, collection=call.collection)
    return Answer(
        {
            "FaceRecords": _records(indexed, version),
            "UnindexedFaces": _unindexed(indexed),
            "FaceModelVersion": version,
        }
    )


def _records(indexed: IndexedPhoto, version: str) -> list[Body]:
    if indexed.enrolled is None or indexed.face is None:
        return []
    detail = face_detail(indexed.face, indexed.image_width, indexed.image_height)
    return [{"Face": face_record(indexed.enrolled, version), "FaceDetail": detail}]


def _unindexed(indexed: IndexedPhoto) -> list[Body]:
    left_out = [(face, ["EXCEEDS_MAX_FACES"]) for face in indexed.others]
    if indexed.enrolled is None and indexed.face is not None:
        left_out.insert(0, (indexed.face, reasons(indexed.reasons)))
    return [
        {"Reasons": why, "FaceDetail": face_detail(face, indexed.image_width, indexed.image_height)}
        for face, why in left_out
    ]


def _nothing_indexed(call: Call, encoded: bytes, filtered: tuple[str, ...], version: str) -> Answer:
    found = call.assent.detect(encoded)
    unindexed = [
        {
            "Reasons": reasons(filtered) if number == 0 else ["EXCEEDS_MAX_FACES"],
            "FaceDetail": face_detail(face, found.image_width, found.image_height),
        }
        for number, face in enumerate(found.faces)
    ]
    return Answer({"FaceRecords": [], "UnindexedFaces": unindexed, "FaceModelVersion": version})


def list_faces(call: Call) -> Answer:
    """The enrolled photos of a collection, oldest first."""
    collection = collection_of(call)
    user, wanted = call.params.get("UserId"), frozenset(call.params.get("FaceIds", ()))
    templates = [
        template
        for template in call.assent.collections.templates(call.collection, user)
        if (not wanted or template.id in wanted) and (user is None or template.is_associated)
    ]
    page = page_of(call, templates, place=_place)
    version = model_version(collection.model_digest)
    body: Body = {
        "Faces": [face_record(template, version) for template in page.items],
        "FaceModelVersion": version,
    }
    return Answer(body | ({"NextToken": page.next_token} if page.next_token else {}))


def _place(template: TemplateRecord) -> str:
    return f"{template.created_at.isoformat(timespec='microseconds')} {template.id}"


def delete_faces(call: Call) -> Answer:
    """Destroy templates; those associated with a user only after they were disassociated."""
    collection_of(call)
    wanted = list(dict.fromkeys(call.params["FaceIds"]))
    there = {template.id: template for template in call.assent.collections.templates(call.collection)}
    free = [face for face in wanted if face in there and not there[face].is_associated]
    deleted = call.assent.collections.remove_templates(call.collection, free)
    kept = [_not_deleted(face, there.get(face)) for face in wanted if face not in set(deleted)]
    return Answer({"DeletedFaces": list(deleted), "UnsuccessfulFaceDeletions": kept})


def _not_deleted(face_id: str, template: TemplateRecord | None) -> Body:
    if template is None or not template.is_associated:
        return {"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]}
    return {
        "FaceId": face_id,
        "UserId": template.person_ref,
        "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"],
    }
