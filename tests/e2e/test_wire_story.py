"""The whole story through boto3, as a program written for Amazon Rekognition would tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builders import agree
from tests.e2e.wire import Wire

PURPOSE = "club-photos"


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def message(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Message"])


def test_from_an_empty_server_to_a_match_and_back(empty_wire: Wire, demo_photos: Path) -> None:
    client = empty_wire.client()

    def photo(name: str) -> dict[str, Any]:
        return {"Bytes": (demo_photos / name).read_bytes()}

    made = client.create_collection(CollectionId="club", Tags={"assent:purpose": PURPOSE, "team": "chess"})
    assert made["StatusCode"] == 200
    assert made["CollectionArn"] == "arn:aws:rekognition:us-east-1:000000000000:collection/club"
    with pytest.raises(ClientError) as refused:
        client.index_faces(CollectionId="club", Image=photo("obama.jpg"), ExternalImageId="ana")
    assert code(refused) == "AccessDeniedException"
    assert f"assent consent record ana --purpose {PURPOSE}" in message(refused)

    agree(empty_wire.assent, "ana")
    indexed = client.index_faces(CollectionId="club", Image=photo("obama.jpg"), ExternalImageId="ana")
    [record] = indexed["FaceRecords"]
    assert record["Face"]["ExternalImageId"] == "ana"
    assert indexed["UnindexedFaces"] == []
    assert indexed["FaceModelVersion"] == made["FaceModelVersion"]
    again = client.index_faces(CollectionId="club", Image=photo("obama.jpg"), ExternalImageId="ana")
    assert again["FaceRecords"][0]["Face"]["FaceId"] == record["Face"]["FaceId"]

    found = client.search_faces_by_image(CollectionId="club", Image=photo("obama3.jpg"))
    [match] = found["FaceMatches"]
    assert match["Face"] == record["Face"]
    assert match["Similarity"] >= 80
    stranger = client.search_faces_by_image(CollectionId="club", Image=photo("biden.jpg"))
    assert stranger["FaceMatches"] == []

    described = client.describe_collection(CollectionId="club")
    assert (described["FaceCount"], described["UserCount"]) == (1, 0)
    assert described["CollectionARN"] == made["CollectionArn"]

    [consent] = empty_wire.assent.consents.list("ana")
    empty_wire.assent.consents.withdraw(consent.id)
    assert client.search_faces_by_image(CollectionId="club", Image=photo("obama3.jpg"))["FaceMatches"] == []
    assert client.list_faces(CollectionId="club")["Faces"] == []
    assert client.delete_collection(CollectionId="club")["StatusCode"] == 200
    assert client.list_collections()["CollectionIds"] == []
