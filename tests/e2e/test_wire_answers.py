"""Every answered operation, by hand: the answer is of the model's shape, and says what Rekognition does not."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assent.service.pictures import encode_png
from tests.builders import agree
from tests.e2e.wire import Wire, assert_typed_error

PURPOSE = "club-photos"
NO_FACE = "There are no faces in the image. Should be at least 1."


def b64(path: Path) -> dict[str, str]:
    return {"Bytes": base64.b64encode(path.read_bytes()).decode()}


def blank(width: int = 200, height: int = 200) -> dict[str, str]:
    return {"Bytes": base64.b64encode(encode_png(np.full((height, width, 3), 128, np.uint8))).decode()}


def face_ids(wire: Wire, person: str | None = None) -> list[str]:
    faces = wire.ask("ListFaces", CollectionId="club").body["Faces"]
    return [face["FaceId"] for face in faces if person in (None, face["ExternalImageId"])]


def refused(wire: Wire, operation: str, **members: Any) -> tuple[str, str]:
    reply = wire.ask(operation, **members)
    return assert_typed_error(reply, operation=operation), reply.body["Message"]


def test_search_says_how_often_it_is_wrong(club_wire: Wire, demo_photos: Path) -> None:
    reply = club_wire.ask("SearchFacesByImage", CollectionId="club", Image=b64(demo_photos / "obama3.jpg"))
    body = reply.body
    # One match for each of ana's two photos, with the one similarity that she has.
    assert [match["Face"]["ExternalImageId"] for match in body["FaceMatches"]] == ["ana", "ana"]
    assert len({match["Face"]["FaceId"] for match in body["FaceMatches"]}) == 2
    assert len({match["Similarity"] for match in body["FaceMatches"]}) == 1
    [fmr] = {match["FmrAtScore"] for match in body["FaceMatches"]}
    assert 0 < fmr <= body["AppliedFmr"] == pytest.approx(0.001)
    assert body["FaceMatches"][0]["ExpectedFalseCandidates"] == pytest.approx(2 * fmr)
    assert (body["GallerySize"], body["AppliedThreshold"]) == (2, pytest.approx(80))
    assert club_wire.assent.log()[-1]["requested_similarity"] == 80
    assert reply.headers["x-assent-gallery-size"] == "2"
    assert float(reply.headers["x-assent-fmr-at-score"]) == pytest.approx(fmr, rel=1e-3)
    assert float(reply.headers["x-assent-applied-threshold"]) == pytest.approx(80)
    leaves = {entry["leaf_sha256"] for entry in club_wire.assent.log(kinds=["search"])}
    assert {body["LogLeaf"]} == {reply.headers["x-assent-log-leaf"]} == leaves


def test_headers_reach_boto3(club_wire: Wire, demo_photos: Path) -> None:
    found = club_wire.client().search_faces_by_image(
        CollectionId="club", Image={"Bytes": (demo_photos / "obama3.jpg").read_bytes()}
    )
    headers = found["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-assent-gallery-size"] == "2"
    assert float(headers["x-assent-fmr-at-score"]) < 0.001
    assert found["ResponseMetadata"]["RequestId"] == headers["x-amzn-requestid"]


def test_max_faces_counts_photos(club_wire: Wire, demo_photos: Path) -> None:
    reply = club_wire.ask(
        "SearchFacesByImage", CollectionId="club", Image=b64(demo_photos / "obama3.jpg"), MaxFaces=1
    )
    assert len(reply.body["FaceMatches"]) == 1


def test_a_looser_threshold_is_held_to_the_floor_and_a_stricter_one_counts(
    club_wire: Wire, demo_photos: Path
) -> None:
    image = b64(demo_photos / "obama3.jpg")
    loose = club_wire.ask("SearchFacesByImage", CollectionId="club", Image=image, FaceMatchThreshold=0).body
    assert loose["AppliedFmr"] == pytest.approx(0.005)  # times 2 people is the policy's 0.01
    assert loose["AppliedThreshold"] < 80
    strict = club_wire.ask("SearchFacesByImage", CollectionId="club", Image=image, FaceMatchThreshold=90).body
    assert strict["AppliedThreshold"] == pytest.approx(90)
    code, message = refused(
        club_wire, "SearchFacesByImage", CollectionId="club", Image=image, FaceMatchThreshold=99
    )
    assert code == "InvalidParameterException"
    assert "99 was asked for" in message
    assert "evidence ends at 95.0" in message


def test_no_face_is_told_in_the_very_words(club_wire: Wire) -> None:
    assert refused(club_wire, "SearchFacesByImage", CollectionId="club", Image=blank()) == (
        "InvalidParameterException",
        NO_FACE,
    )
    users = club_wire.ask("SearchUsersByImage", CollectionId="club", Image=blank()).body
    assert (users["UserMatches"], users["UnsearchedFaces"]) == ([], [])
    assert "SearchedFace" not in users
    assert club_wire.ask("DetectFaces", Image=blank()).body == {"FaceDetails": []}
    indexed = club_wire.ask("IndexFaces", CollectionId="club", Image=blank(), ExternalImageId="ana").body
    assert (indexed["FaceRecords"], indexed["UnindexedFaces"]) == ([], [])


def test_comparing_without_a_face_is_an_error(club_wire: Wire, demo_photos: Path) -> None:
    face = b64(demo_photos / "biden.jpg")
    for source, target in ((face, blank()), (blank(), face)):
        code, message = refused(club_wire, "CompareFaces", SourceImage=source, TargetImage=target)
        assert code == "InvalidParameterException"
        assert message.startswith("Request has Invalid Parameters")


def test_a_face_that_is_too_poor_is_told_apart(club_wire: Wire, demo_photos: Path) -> None:
    pixels = np.asarray(Image.open(demo_photos / "biden.jpg").convert("RGB"))
    dark = {"Bytes": base64.b64encode(encode_png((pixels // 16).astype(np.uint8))).decode()}
    code, message = refused(club_wire, "SearchFacesByImage", CollectionId="club", Image=dark)
    assert code == "InvalidParameterException"
    assert message.startswith(NO_FACE)
    assert "too poor" in message
    indexed = club_wire.ask(
        "IndexFaces", CollectionId="club", Image=dark, ExternalImageId="bea", QualityFilter="NONE"
    ).body
    assert indexed["FaceRecords"] == []
    assert "LOW_BRIGHTNESS" in indexed["UnindexedFaces"][0]["Reasons"]
    users = club_wire.ask("SearchUsersByImage", CollectionId="club", Image=dark).body
    assert "LOW_BRIGHTNESS" in users["UnsearchedFaces"][0]["Reasons"]


def test_a_stricter_quality_filter_is_kept_to(club_wire: Wire, demo_photos: Path) -> None:
    pixels = Image.open(demo_photos / "biden.jpg").convert("RGB")
    scale = 15 / club_wire.assent.detect(demo_photos / "biden.jpg").faces[0].quality.inter_ocular_px
    size = (max(80, round(pixels.width * scale)), max(80, round(pixels.height * scale)))
    small = {"Bytes": base64.b64encode(encode_png(np.asarray(pixels.resize(size)))).decode()}
    ask = {"CollectionId": "club", "Image": small}
    assert club_wire.ask("SearchFacesByImage", **ask).status == 200
    for value in ("MEDIUM", "HIGH"):
        code, message = refused(club_wire, "SearchFacesByImage", **ask, QualityFilter=value)
        assert (code, "small" in message) == ("InvalidParameterException", True)
        users = club_wire.ask("SearchUsersByImage", **ask, QualityFilter=value).body
        assert "SMALL_BOUNDING_BOX" in users["UnsearchedFaces"][0]["Reasons"]
        code, message = refused(
            club_wire, "CompareFaces", SourceImage=small, TargetImage=small, QualityFilter=value
        )
        assert "too poor" in message
        indexed = club_wire.ask("IndexFaces", **ask, ExternalImageId="ana", QualityFilter=value).body
        assert indexed["FaceRecords"] == []
        assert "SMALL_BOUNDING_BOX" in indexed["UnindexedFaces"][0]["Reasons"]


def test_index_takes_the_largest_face(club_wire: Wire, group_photo: Path) -> None:
    indexed = club_wire.ask("IndexFaces", CollectionId="club", Image=b64(group_photo), ExternalImageId="cid")
    assert assert_typed_error(indexed, operation="IndexFaces") == "AccessDeniedException"
    agree(club_wire.assent, "cid")
    body = club_wire.ask(
        "IndexFaces", CollectionId="club", Image=b64(group_photo), ExternalImageId="cid", MaxFaces=10
    ).body
    [record], [other] = body["FaceRecords"], body["UnindexedFaces"]
    assert other["Reasons"] == ["EXCEEDS_MAX_FACES"]
    box, listed = record["Face"]["BoundingBox"], record["FaceDetail"]["BoundingBox"]
    assert box == pytest.approx(listed, abs=1e-4)
    area = {
        name: d["BoundingBox"]["Width"] * d["BoundingBox"]["Height"]
        for name, d in (("indexed", record["FaceDetail"]), ("other", other["FaceDetail"]))
    }
    assert area["indexed"] >= area["other"]


def test_somebody_elses_face_is_not_enrolled_by_mistake(club_wire: Wire, demo_photos: Path) -> None:
    code, message = refused(
        club_wire,
        "IndexFaces",
        CollectionId="club",
        Image=b64(demo_photos / "biden.jpg"),
        ExternalImageId="ana",
    )
    assert code == "InvalidParameterException"
    assert "unlike this person's earlier photos" in message


@pytest.mark.parametrize("person", [None, "nobody", "x" * 200])
def test_whoever_is_enrolled_must_have_agreed(club_wire: Wire, demo_photos: Path, person: str | None) -> None:
    named = {} if person is None else {"ExternalImageId": person}
    code, message = refused(
        club_wire, "IndexFaces", CollectionId="club", Image=b64(demo_photos / "biden.jpg"), **named
    )
    assert code == "AccessDeniedException"
    assert "assent consent record" in message
    assert "--purpose club-photos" in message


def test_a_consent_to_something_else_does_not_do(club_wire: Wire, demo_photos: Path) -> None:
    agree(club_wire.assent, "dan", purpose="newsletter")
    asked: dict[str, dict[str, Any]] = {
        "IndexFaces": {"Image": b64(demo_photos / "biden.jpg"), "ExternalImageId": "dan"},
        "CreateUser": {"UserId": "dan"},
    }
    for operation, members in asked.items():
        code, message = refused(club_wire, operation, CollectionId="club", **members)
        assert code == "AccessDeniedException"
        assert "assent consent record dan --purpose club-photos" in message


def test_detection_tells_the_default_attributes(club_wire: Wire, demo_photos: Path) -> None:
    for attributes in ([], ["DEFAULT"], ["ALL"], ["ALL", "DEFAULT"]):
        [detail] = club_wire.ask(
            "DetectFaces", Image=b64(demo_photos / "biden.jpg"), Attributes=attributes
        ).body["FaceDetails"]
        assert set(detail) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    points = {point["Type"]: point for point in detail["Landmarks"]}
    assert points["eyeLeft"]["X"] < points["nose"]["X"] < points["eyeRight"]["X"]
    assert points["eyeLeft"]["Y"] < points["nose"]["Y"] < points["mouthLeft"]["Y"]
    box = detail["BoundingBox"]
    assert box["Left"] < points["nose"]["X"] < box["Left"] + box["Width"]
    assert 0 < detail["Quality"]["Sharpness"] < 100
    assert 0 < detail["Quality"]["Brightness"] < 100


@pytest.mark.parametrize("attribute", ["GENDER", "AGE_RANGE", "EMOTIONS", "SMILE", "BEARD", "EYEGLASSES"])
def test_nothing_is_inferred(club_wire: Wire, demo_photos: Path, attribute: str) -> None:
    image = b64(demo_photos / "biden.jpg")
    asked: dict[str, dict[str, Any]] = {
        "DetectFaces": {"Attributes": ["DEFAULT", attribute]},
        "IndexFaces": {"DetectionAttributes": [attribute], "CollectionId": "club", "ExternalImageId": "ana"},
    }
    for operation, members in asked.items():
        code, message = refused(club_wire, operation, Image=image, **members)
        assert code == "AccessDeniedException"
        assert attribute in message
        assert "nothing is inferred" in message


def test_comparison(club_wire: Wire, demo_photos: Path, group_photo: Path) -> None:
    reply = club_wire.ask(
        "CompareFaces", SourceImage=b64(demo_photos / "obama.jpg"), TargetImage=b64(group_photo)
    )
    [match], [other] = reply.body["FaceMatches"], reply.body["UnmatchedFaces"]
    assert match["Similarity"] >= 80
    assert match["FmrAtScore"] <= reply.body["AppliedFmr"] == pytest.approx(0.001)
    assert match["Face"]["BoundingBox"]["Left"] < other["BoundingBox"]["Left"]
    assert "x-assent-fmr-at-score" in reply.headers
    code, message = refused(
        club_wire,
        "CompareFaces",
        SourceImage=b64(demo_photos / "obama.jpg"),
        TargetImage=b64(group_photo),
        SimilarityThreshold=99.9,
    )
    assert (code, "evidence ends" in message) == ("InvalidParameterException", True)


def test_search_by_an_enrolled_face_leaves_that_face_out(club_wire: Wire) -> None:
    one, other = face_ids(club_wire, "ana")
    body = club_wire.ask("SearchFaces", CollectionId="club", FaceId=one).body
    assert body["SearchedFaceId"] == one
    assert [match["Face"]["FaceId"] for match in body["FaceMatches"]] == [other]
    [only] = face_ids(club_wire, "bea")
    assert club_wire.ask("SearchFaces", CollectionId="club", FaceId=only).body["FaceMatches"] == []
    assert refused(club_wire, "SearchFaces", CollectionId="club", FaceId=str(uuid.uuid4())) == (
        "InvalidParameterException",
        "faceId was not found in the collection",
    )


def test_users_are_the_people_whose_photos_somebody_chose(club_wire: Wire, demo_photos: Path) -> None:
    ask, of = club_wire.ask, {"CollectionId": "club"}
    ana, bea = face_ids(club_wire, "ana"), face_ids(club_wire, "bea")
    image = b64(demo_photos / "obama3.jpg")
    for user in ("ana", "bea"):
        assert ask("CreateUser", **of, UserId=user).body == {}
    assert ask("ListUsers", **of).body["Users"] == [
        {"UserId": "ana", "UserStatus": "CREATED"},
        {"UserId": "bea", "UserStatus": "CREATED"},
    ]
    assert ask("SearchUsersByImage", **of, Image=image).body["UserMatches"] == []
    missing = str(uuid.uuid4())
    done = ask("AssociateFaces", **of, UserId="ana", FaceIds=[*ana, *bea, missing]).body
    assert [face["FaceId"] for face in done["AssociatedFaces"]] == ana
    assert done["UserStatus"] == "ACTIVE"
    failures = {f["FaceId"]: f for f in done["UnsuccessfulFaceAssociations"]}
    assert failures[bea[0]]["Reasons"] == ["ASSOCIATED_TO_A_DIFFERENT_USER"]
    assert failures[bea[0]]["UserId"] == "bea"
    assert failures[missing]["Reasons"] == ["FACE_NOT_FOUND"]
    found = ask("SearchUsersByImage", **of, Image=image).body
    [match] = found["UserMatches"]
    assert match["User"] == {"UserId": "ana", "UserStatus": "ACTIVE"}
    assert match["FmrAtScore"] <= found["AppliedFmr"]
    assert set(found["SearchedFace"]["FaceDetail"]) >= {"BoundingBox", "Pose"}
    assert ask("SearchUsers", **of, UserId="ana").body["UserMatches"] == []
    by_face = ask("SearchUsers", **of, FaceId=ana[0]).body
    assert [m["User"]["UserId"] for m in by_face["UserMatches"]] == ["ana"]
    assert by_face["SearchedFace"] == {"FaceId": ana[0]}
    listed = ask("ListFaces", **of, UserId="ana").body["Faces"]
    assert [face["UserId"] for face in listed] == ["ana", "ana"]
    kept = ask("DeleteFaces", **of, FaceIds=[ana[0], missing]).body
    assert kept["DeletedFaces"] == []
    assert [failure["Reasons"] for failure in kept["UnsuccessfulFaceDeletions"]] == [
        ["ASSOCIATED_TO_AN_EXISTING_USER"],
        ["FACE_NOT_FOUND"],
    ]
    undone = ask("DisassociateFaces", **of, UserId="ana", FaceIds=[ana[0], *bea]).body
    assert [face["FaceId"] for face in undone["DisassociatedFaces"]] == [ana[0]]
    assert undone["UserStatus"] == "ACTIVE"
    assert ask("DeleteFaces", **of, FaceIds=[ana[0], ana[0]]).body["DeletedFaces"] == [ana[0]]
    assert ask("DescribeCollection", **of).body["UserCount"] == 2
    assert ask("DeleteUser", **of, UserId="ana").body == {}
    assert refused(club_wire, "DeleteUser", **of, UserId="ana")[0] == "ResourceNotFoundException"


def test_request_tokens_make_a_repeated_request_happen_once(club_wire: Wire) -> None:
    ask = club_wire.ask
    of = {"CollectionId": "club", "ClientRequestToken": "token-1"}
    assert ask("CreateUser", **of, UserId="ana").status == 200
    assert ask("CreateUser", **of, UserId="ana").status == 200
    assert refused(club_wire, "CreateUser", **of, UserId="bea")[0] == "IdempotentParameterMismatchException"
    assert refused(club_wire, "CreateUser", CollectionId="club", UserId="ana") == (
        "ConflictException",
        "The user id: ana already exists.",
    )


def test_users_that_are_not_there(club_wire: Wire) -> None:
    of = {"CollectionId": "club"}
    for operation in ("AssociateFaces", "DisassociateFaces"):
        code, _ = refused(club_wire, operation, **of, UserId="ana", FaceIds=[str(uuid.uuid4())])
        assert code == "ResourceNotFoundException"
    assert refused(club_wire, "SearchUsers", **of, UserId="ana")[0] == "ResourceNotFoundException"
    assert refused(club_wire, "SearchUsers", **of)[0] == "InvalidParameterException"
    assert refused(club_wire, "CreateUser", **of, UserId="nobody")[0] == "AccessDeniedException"


def test_collections_that_are_not_there(club_wire: Wire, demo_photos: Path) -> None:
    image, face = blank(), str(uuid.uuid4())
    asked: dict[str, dict[str, Any]] = {
        "DescribeCollection": {},
        "DeleteCollection": {},
        "IndexFaces": {"Image": image, "ExternalImageId": "ana"},
        "ListFaces": {},
        "DeleteFaces": {"FaceIds": [face]},
        "SearchFaces": {"FaceId": face},
        "SearchFacesByImage": {"Image": image},
        "CreateUser": {"UserId": "ana"},
        "ListUsers": {},
        "DeleteUser": {"UserId": "ana"},
        "AssociateFaces": {"UserId": "ana", "FaceIds": [face]},
        "DisassociateFaces": {"UserId": "ana", "FaceIds": [face]},
        "SearchUsers": {"UserId": "ana"},
        "SearchUsersByImage": {"Image": image},
    }
    for operation, members in asked.items():
        assert refused(club_wire, operation, CollectionId="nowhere", **members) == (
            "ResourceNotFoundException",
            "The collection id: nowhere does not exist",
        ), operation
    code, message = refused(
        club_wire, "CreateCollection", CollectionId="club", Tags={"assent:purpose": PURPOSE}
    )
    assert (code, message) == ("ResourceAlreadyExistsException", "The collection id: club already exists.")


def test_a_collections_purpose_and_policy_come_from_tags(empty_wire: Wire) -> None:
    ask = empty_wire.ask
    code, message = refused(empty_wire, "CreateCollection", CollectionId="club")
    assert code == "InvalidParameterException"
    assert "assent:purpose" in message
    assert "ASSENT_DEFAULT_PURPOSE" in message
    tags = {
        "assent:purpose": PURPOSE,
        "assent:policy": "strict",
        "assent:review": "two-person",
        "assent:beyond-evidence": "review",
        "team": "chess",
    }
    arn = ask("CreateCollection", CollectionId="club", Tags=tags).body["CollectionArn"]
    assert ask("ListTagsForResource", ResourceArn=arn).body["Tags"] == tags
    assert ask("TagResource", ResourceArn=arn, Tags={"team": "go", "place": "Berlin"}).body == {}
    assert ask("UntagResource", ResourceArn=arn, TagKeys=["place", "none"]).body == {}
    assert ask("ListTagsForResource", ResourceArn=arn).body["Tags"] == {**tags, "team": "go"}
    asked: dict[str, dict[str, Any]] = {
        "TagResource": {"Tags": {"assent:review": "none"}},
        "UntagResource": {"TagKeys": ["assent:purpose"]},
    }
    for operation, members in asked.items():
        code, message = refused(empty_wire, operation, ResourceArn=arn, **members)
        assert code == "AccessDeniedException"
        assert "assent collection policy club" in message
    empty_wire.assent.collections.set_policy("club", review="none")
    assert ask("ListTagsForResource", ResourceArn=arn).body["Tags"]["assent:review"] == "none"


@pytest.mark.parametrize(
    "tags",
    [
        {"assent:purpose": "Club Photos"},
        {"assent:purpose": PURPOSE, "assent:policy": "lax"},
        {"assent:purpose": PURPOSE, "assent:review": "one-person"},
        {"assent:purpose": PURPOSE, "assent:beyond-evidence": "guess"},
        {"assent:purpose": PURPOSE, "assent:colour": "red"},
    ],
    ids=str,
)
def test_tags_that_mean_nothing_are_refused(empty_wire: Wire, tags: dict[str, str]) -> None:
    code, _ = refused(empty_wire, "CreateCollection", CollectionId="club", Tags=tags)
    assert code == "InvalidParameterException"
    assert empty_wire.ask("ListCollections").body["CollectionIds"] == []


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:rekognition:us-east-1:000000000000:collection/nowhere",
        "arn:aws:rekognition:eu-west-1:000000000000:collection/club",
        "arn:aws:rekognition:us-east-1:111111111111:collection/club",
        "arn:aws:rekognition:us-east-1:000000000000:project/club/1",
        "arn:aws:rekognition:us-east-1:000000000000:collection/../club",
        "x" * 30,
    ],
)
def test_only_collections_have_tags(club_wire: Wire, arn: str) -> None:
    asked: dict[str, dict[str, Any]] = {
        "TagResource": {"Tags": {"a": "b"}},
        "UntagResource": {"TagKeys": ["a"]},
        "ListTagsForResource": {},
    }
    for operation, members in asked.items():
        code, _ = refused(club_wire, operation, ResourceArn=arn, **members)
        assert code == "ResourceNotFoundException"


def test_under_two_person_review_nobody_is_named(empty_wire: Wire, demo_photos: Path) -> None:
    ask = empty_wire.ask
    ask(
        "CreateCollection",
        CollectionId="club",
        Tags={"assent:purpose": PURPOSE, "assent:review": "two-person"},
    )
    agree(empty_wire.assent, "ana")
    ask("IndexFaces", CollectionId="club", Image=b64(demo_photos / "obama.jpg"), ExternalImageId="ana")
    reply = ask("SearchFacesByImage", CollectionId="club", Image=b64(demo_photos / "obama3.jpg"))
    assert reply.body["FaceMatches"] == []
    review_id = reply.body["ReviewId"]
    assert reply.headers["x-assent-review-id"] == review_id
    assert "x-assent-fmr-at-score" not in reply.headers
    assert empty_wire.assent.reviews.outcome(review_id).num_pairs == 1
    assert "ana" not in str(reply)


def test_keys_open_what_their_roles_say(club_wire: Wire, demo_photos: Path) -> None:
    searcher = club_wire.assent.access.make("looks", ["searcher"])
    enroller = club_wire.assent.access.make("enrols", ["enroller"])
    image = b64(demo_photos / "obama3.jpg")
    assert club_wire.ask("SearchFacesByImage", key=searcher, CollectionId="club", Image=image).status == 200
    for key, operation, members in (
        (searcher, "CreateCollection", {"CollectionId": "x", "Tags": {"assent:purpose": PURPOSE}}),
        (searcher, "DeleteCollection", {"CollectionId": "club"}),
        (searcher, "IndexFaces", {"CollectionId": "club", "Image": image, "ExternalImageId": "ana"}),
        (enroller, "SearchFacesByImage", {"CollectionId": "club", "Image": image}),
        (enroller, "CompareFaces", {"SourceImage": image, "TargetImage": image}),
    ):
        reply = club_wire.ask(operation, key=key, **members)
        assert assert_typed_error(reply, operation=operation) == "AccessDeniedException"
    actors = {entry["actor"] for entry in club_wire.assent.log(kinds=["search"])}
    assert actors == {f"looks/{searcher.key.id}"}
