"""Collections with their policies, tags, enrolled photos and users."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from assent.calibration.profile import FPIR_PRESETS
from assent.errors import NotFound
from assent.rest.authentication import Acting
from assent.rest.bodies import BoundedRoute
from assent.rest.errors import documented
from assent.rest.paging import Cursor, Limit, Page, page_of
from assent.rest.shapes.collections import (
    AssociationAnswer,
    CollectionAnswer,
    CollectionsAnswer,
    NewCollection,
    NewPolicy,
    NewTags,
    NewUser,
    PoliciesAnswer,
    PolicyAnswer,
    TagsAnswer,
    TemplateAnswer,
    ToAssociate,
    ToDisassociate,
    UserAnswer,
    UsersAnswer,
)
from assent.rest.shapes.fields import REF_PATTERN, CollectionPath, PersonPath, TemplatePath

router = APIRouter(tags=["Collections"], route_class=BoundedRoute)


@router.get("/policies", responses=documented())
def list_policies() -> PoliciesAnswer:
    """The policies by name, and what each bounds."""
    return PoliciesAnswer(
        items=[PolicyAnswer(name=name, fpir_target=target) for name, target in FPIR_PRESETS.items()]
    )


@router.get("/collections", responses=documented())
def list_collections(assent: Acting) -> CollectionsAnswer:
    """All collections, by name."""
    return CollectionsAnswer(items=[CollectionAnswer.of(found) for found in assent.collections.list()])


@router.post("/collections", status_code=201, responses=documented(400, 409, 413))
def create_collection(assent: Acting, new: NewCollection) -> CollectionAnswer:
    """Make an empty collection with one purpose and one policy."""
    assent.collections.create(
        new.name,
        purpose=new.purpose,
        policy=new.policy,
        fpir_target=new.fpir_target,
        review=new.review,
        beyond_evidence=new.beyond_evidence,
        tags=new.tags,
    )
    return CollectionAnswer.of(assent.collections.get(new.name))


@router.get("/collections/{collection}", responses=documented(404))
def get_collection(assent: Acting, collection: CollectionPath) -> CollectionAnswer:
    """A collection: its size, its floor, and how many people the evidence supports."""
    return CollectionAnswer.of(assent.collections.get(collection))


@router.put("/collections/{collection}/policy", responses=documented(400, 404, 413))
def set_policy(assent: Acting, collection: CollectionPath, new: NewPolicy) -> CollectionAnswer:
    """Change how many false positives are accepted, and who decides; the next search is held to it."""
    assent.collections.set_policy(
        collection,
        policy=new.policy,
        fpir_target=new.fpir_target,
        review=new.review,
        beyond_evidence=new.beyond_evidence,
    )
    return CollectionAnswer.of(assent.collections.get(collection))


@router.delete("/collections/{collection}", status_code=204, responses=documented(404))
def delete_collection(assent: Acting, collection: CollectionPath) -> None:
    """Destroy a collection with its key and all its templates. People and consents stay."""
    assent.collections.delete(collection)


@router.get("/collections/{collection}/tags", responses=documented(404))
def get_tags(assent: Acting, collection: CollectionPath) -> TagsAnswer:
    """A collection's tags."""
    return TagsAnswer(tags=assent.collections.tags(collection))


@router.post("/collections/{collection}/tags", responses=documented(400, 404, 413))
def add_tags(assent: Acting, collection: CollectionPath, new: NewTags) -> TagsAnswer:
    """Add tags, or change their values; the others stay."""
    return TagsAnswer(tags=assent.collections.tag(collection, new.tags))


@router.delete("/collections/{collection}/tags", responses=documented(404))
def remove_tags(
    assent: Acting,
    collection: CollectionPath,
    key: Annotated[list[str], Query(min_length=1, max_length=200, description="Keys to remove; repeatable.")],
) -> TagsAnswer:
    """Remove tags; keys that are not there are none."""
    assent.collections.untag(collection, key)
    return TagsAnswer(tags=assent.collections.tags(collection))


@router.get("/collections/{collection}/templates", responses=documented(404))
def list_templates(
    assent: Acting,
    collection: CollectionPath,
    person: Annotated[
        str | None, Query(pattern=REF_PATTERN, description="Only this person's.", examples=["ana"])
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[TemplateAnswer]:
    """What is enrolled, oldest first: ids, people and quality, never the templates themselves."""
    chosen, after = page_of(
        assent.collections.templates(collection, person),
        lambda record: (record.created_at.isoformat(timespec="microseconds"), record.id),
        limit=limit,
        cursor=cursor,
    )
    return Page(items=[TemplateAnswer.of(record) for record in chosen], next_cursor=after)


@router.delete(
    "/collections/{collection}/templates/{template_id}", status_code=204, responses=documented(404)
)
def remove_template(assent: Acting, collection: CollectionPath, template_id: TemplatePath) -> None:
    """Drop one enrolled photo's template."""
    if not assent.collections.remove_templates(collection, [template_id]):
        raise NotFound("no template of this collection has this id; list them")


@router.get("/collections/{collection}/users", responses=documented(404))
def list_users(assent: Acting, collection: CollectionPath) -> UsersAnswer:
    """People with a user vector made of chosen photos."""
    return UsersAnswer(items=[UserAnswer.of(user) for user in assent.users.list(collection)])


@router.post("/collections/{collection}/users", status_code=201, responses=documented(400, 404, 409, 413))
def create_user(assent: Acting, collection: CollectionPath, new: NewUser) -> UserAnswer:
    """Make a user of a person with a live consent for the collection's purpose."""
    return UserAnswer.of(assent.users.create(collection, new.person))


@router.delete("/collections/{collection}/users/{person}", status_code=204, responses=documented(404))
def delete_user(assent: Acting, collection: CollectionPath, person: PersonPath) -> None:
    """Remove a user; the person, the consent and the enrolled photos stay."""
    assent.users.delete(collection, person)


@router.post("/collections/{collection}/users/{person}/associate", responses=documented(400, 404, 409, 413))
def associate(
    assent: Acting, collection: CollectionPath, person: PersonPath, what: ToAssociate
) -> AssociationAnswer:
    """Count enrolled photos of a person in the user's vector."""
    made = assent.users.associate(collection, person, what.template_ids, min_similarity=what.min_similarity)
    return AssociationAnswer.of(made)


@router.post(
    "/collections/{collection}/users/{person}/disassociate", responses=documented(400, 404, 409, 413)
)
def disassociate(
    assent: Acting, collection: CollectionPath, person: PersonPath, what: ToDisassociate
) -> AssociationAnswer:
    """Take photos out of the user's vector; they stay enrolled."""
    return AssociationAnswer.of(assent.users.disassociate(collection, person, what.template_ids))
