"""Every constraint of the service model, checked on the server."""

from __future__ import annotations

import base64
import warnings
from typing import Any

import pytest

from assent.wire.constraints import validated
from assent.wire.errors import WireError
from assent.wire.model import declared_errors, input_shape, operation_names, service_model
from assent.wire.patterns import compiled, is_match

FACE_ID = "01234567-89ab-cdef-0123-456789abcdef"


def check(operation: str, **members: Any) -> dict[str, Any]:
    return validated(input_shape(operation), members)


def refusal(operation: str, **members: Any) -> WireError:
    with pytest.raises(WireError) as refused:
        check(operation, **members)
    return refused.value


def test_every_operation_declares_the_errors_that_are_always_possible() -> None:
    assert len(operation_names()) == 75
    for operation in operation_names():
        assert declared_errors(operation) >= {
            "AccessDeniedException",
            "InternalServerError",
            "InvalidParameterException",
            "ThrottlingException",
        }


def test_every_pattern_compiles_and_every_type_is_known() -> None:
    model = service_model()
    known = {"structure", "list", "map", "string", "integer", "long"}
    known |= {"float", "double", "timestamp", "boolean", "blob"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in model.shape_names:
            shape = model.shape_for(name)
            assert shape.type_name in known
            if "pattern" in shape.metadata:
                compiled(shape.metadata["pattern"])


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        (
            "CreateCollection",
            {},
            "Value null at 'collectionId' failed to satisfy constraint: Member must not be null",
        ),
        ("CreateCollection", {"CollectionId": None}, "Value null at 'collectionId'"),
        (
            "CreateCollection",
            {"CollectionId": ""},
            "Value '' at 'collectionId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            "CreateCollection",
            {"CollectionId": "a" * 256},
            "Member must have length less than or equal to 255",
        ),
        (
            "CreateCollection",
            {"CollectionId": "../etc"},
            r"Value '../etc' at 'collectionId' failed to satisfy constraint: Member must satisfy regular expression "
            r"pattern: [a-zA-Z0-9_.\-]+",
        ),
        ("CreateCollection", {"CollectionId": "a\n"}, "regular expression"),
        ("CreateCollection", {"CollectionId": "ä"}, "regular expression"),
        ("CreateCollection", {"CollectionId": "c", "Tags": {"aws:x": "1"}}, "at 'tags.key'"),
        ("CreateCollection", {"CollectionId": "c", "Tags": {"x": "\t"}}, "at 'tags.value'"),
        ("CreateCollection", {"CollectionId": "c", "Tags": {"": "1"}}, "at 'tags.key'"),
        (
            "CreateCollection",
            {"CollectionId": "c", "Tags": {f"t{n}": "" for n in range(201)}},
            "length less than or equal to 200",
        ),
        ("SearchFaces", {"CollectionId": "c", "FaceId": "X"}, "at 'faceId'"),
        ("SearchFaces", {"CollectionId": "c", "FaceId": FACE_ID.upper()}, "at 'faceId'"),
        (
            "SearchFaces",
            {"CollectionId": "c", "FaceId": FACE_ID, "MaxFaces": 0},
            "Value '0' at 'maxFaces' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            "SearchFaces",
            {"CollectionId": "c", "FaceId": FACE_ID, "MaxFaces": 4097},
            "less than or equal to 4096",
        ),
        (
            "SearchFaces",
            {"CollectionId": "c", "FaceId": FACE_ID, "FaceMatchThreshold": 500},
            "Value '500' at 'faceMatchThreshold'",
        ),
        ("DeleteFaces", {"CollectionId": "c", "FaceIds": []}, "at 'faceIds'"),
        ("DeleteFaces", {"CollectionId": "c", "FaceIds": [FACE_ID, "no"]}, "at 'faceIds.2.member'"),
        (
            "IndexFaces",
            {"CollectionId": "c", "Image": {}, "QualityFilter": "BEST"},
            "Member must satisfy enum value set: [NONE, AUTO, LOW, MEDIUM, HIGH]",
        ),
        ("IndexFaces", {"CollectionId": "c", "Image": {"Bytes": ""}}, "at 'image.bytes'"),
        ("DetectFaces", {"Image": {"S3Object": {"Bucket": "no", "Name": "k"}}}, "at 'image.s3Object.bucket'"),
        ("DetectFaces", {"Image": {}, "Attributes": ["AURA"]}, "at 'attributes.1.member'"),
    ],
)
def test_what_the_model_forbids(operation: str, members: dict[str, Any], message: str) -> None:
    error = refusal(operation, **members)
    assert (error.code, error.status) == ("InvalidParameterException", 400)
    assert error.message.startswith("1 validation error detected: Value ")
    assert message in error.message


def test_an_oversized_picture_is_told_by_its_size() -> None:
    blob = base64.b64encode(bytes(5 * 2**20 + 1)).decode()
    error = refusal("DetectFaces", Image={"Bytes": blob})
    assert error.code == "InvalidParameterException"
    assert error.message == (
        "1 validation error detected: Value '[5242881 bytes]' at 'image.bytes' failed to satisfy constraint: "
        "Member must have length less than or equal to 5242880"
    )


def test_several_violations_are_counted() -> None:
    error = refusal("SearchFaces", CollectionId="", FaceId="", MaxFaces=-1)
    assert error.message.startswith("3 validation errors detected: ")
    many = refusal("DeleteFaces", CollectionId="c", FaceIds=["x"] * 4000)
    assert many.message.startswith("4000 validation errors detected: ")
    assert len(many.message) < 2500


@pytest.mark.parametrize(
    "members",
    [
        {"CollectionId": 1},
        {"CollectionId": ["c"]},
        {"CollectionId": True},
        {"CollectionId": {"c": 1}},
        {"CollectionId": "c", "MaxFaces": "1"},
        {"CollectionId": "c", "MaxFaces": 1.5},
        {"CollectionId": "c", "MaxFaces": True},
        {"CollectionId": "c", "MaxFaces": 2**31},
        {"CollectionId": "c", "FaceMatchThreshold": "80"},
        {"CollectionId": "c", "FaceMatchThreshold": False},
        {"CollectionId": "c", "Image": []},
        {"CollectionId": "c", "Image": {"Bytes": 1}},
        {"CollectionId": "c", "Image": {"S3Object": "s3://b/k"}},
    ],
    ids=str,
)
def test_another_type(members: dict[str, Any]) -> None:
    assert refusal("SearchFacesByImage", **members).code == "SerializationException"


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "ab",
        "abc",
        "ab==cd==",
        "YQ=",
        "YQ===",
        "YQ==\n",
        " YQ==",
        "YQ",
        "Y_-=",
        "é",
        "=",
        "====",
        "YQ==YQ==",
    ],
)
def test_base64_that_is_none(text: str) -> None:
    error = refusal("DetectFaces", Image={"Bytes": text})
    assert error.code == "SerializationException"
    assert "image.bytes" in error.message


def test_what_is_right_passes_and_what_is_unknown_is_ignored() -> None:
    params = check(
        "SearchFacesByImage",
        CollectionId="c",
        Image={"Bytes": base64.b64encode(b"x").decode(), "Url": "http://example.org/x.jpg"},
        MaxFaces=3.0,
        FaceMatchThreshold=80,
        QualityFilter=None,
        SomethingNew={"a": [1]},
    )
    assert params == {
        "CollectionId": "c",
        "Image": {"Bytes": b"x"},
        "MaxFaces": 3,
        "FaceMatchThreshold": 80.0,
    }
    assert isinstance(params["MaxFaces"], int)


def test_tags_may_be_of_any_script() -> None:
    tags = {"Zweck": "Vereinsfotos", "目的": "写真 集", "x": ""}
    assert check("TagResource", ResourceArn="a" * 20, Tags=tags)["Tags"] == tags


def test_a_long_text_with_a_slow_pattern_takes_no_time() -> None:
    pattern = r"^arn:aws:sns:.*:\w{12}:.+$"
    assert not is_match("arn:aws:sns:" + "a:" * 1_000_000, pattern)
    assert is_match("arn:aws:sns:us-east-1:123456789012:topic", pattern)


def test_recursive_shapes_of_other_operations_are_checked_too() -> None:
    error = refusal(
        "StartFaceSearch",
        Video={"S3Object": {"Bucket": "b?!", "Name": ""}},
        CollectionId="c",
        NotificationChannel={"SNSTopicArn": "x"},
    )
    assert error.message.startswith("4 validation errors detected: ")
    assert "Value null at 'notificationChannel.roleArn'" in error.message
