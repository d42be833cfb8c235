"""Any service that speaks Rekognition's protocol as a system under audit, the vendor's own included.

Pictures are sent as they are on disk. 1:N searches use a collection of the audit's own, which is deleted at the
end; where a run is stopped before, the collection stays, so that the run can go on, and the run that goes on deletes
it.
Scores are the service's ``Similarity``, 0 to 100, asked for without a threshold; what a service withholds even
then is below its own floor (*censored*).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assent.errors import EndpointError, UsageError
from assent.evaluation.runs.calls import Answer, Calls
from assent.evaluation.runs.systems import Compared, Enrolled, Scale, Searched, best_first
from assent.types import JsonObject

if TYPE_CHECKING:
    from botocore.client import BaseClient

DEFAULT_REGION = "us-east-1"
MAX_CANDIDATES = 4096
"""The protocol's largest MaxFaces."""


def make_client(
    endpoint_url: str | None, *, region: str | None = None, timeout_s: float = 60.0
) -> BaseClient:
    """A boto3 client, with the credentials that boto3 finds.

    Args:
        endpoint_url: the service; None for the vendor's own.
        region: the vendor's region; by default what boto3 is configured for.
        timeout_s: how long one answer may take.

    Raises:
        UsageError: boto3 is not installed, or the address is none.
    """
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise UsageError(
            f"auditing an endpoint needs {error.name}, which is not installed; run: pip install 'assent[audit]'"
        ) from error
    if endpoint_url is not None and urlsplit(endpoint_url).scheme not in ("http", "https"):
        raise UsageError("expected an address that begins with http:// or https:// for --endpoint.")
    session = boto3.session.Session()
    config = Config(
        retries={"mode": "standard", "max_attempts": 4}, connect_timeout=10, read_timeout=timeout_s
    )
    client = session.client(
        "rekognition",
        endpoint_url=endpoint_url,
        region_name=region or session.region_name or DEFAULT_REGION,
        config=config,
    )
    assert client is not None
    return client


@dataclass(slots=True)
class EndpointSystem:
    """Compares and searches through a service.

    Attributes:
        calls: to the service.
        where: how the report names the service: its host, without what an address may hold beside it.
        external_ids: the ``ExternalImageId`` of a reference's file name without its suffix; one that is not there
            gets a number. A service that wants consent (Assent's) needs the consenting people's ids here.
        tags: given to the collection when it is made.
    """

    calls: Calls
    where: str
    external_ids: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    _collection: str = ""
    _numbers: dict[str, int] = field(default_factory=dict)
    model_version: str = ""

    @property
    def identity(self) -> JsonObject:
        """The service's host."""
        return {"endpoint": self.where}

    @property
    def scale(self) -> Scale:
        """Similarity."""
        return Scale.SIMILARITY

    @property
    def is_pairwise(self) -> bool:
        """Not known of a service: some adjust scores to the size of the gallery."""
        return False

    def compare(self, probe: Path, reference: Path) -> Compared:
        """CompareFaces, the probe as source; of several faces in the reference, the largest.

        Raises:
            EndpointError: see ``Calls``.
            UsageError: a file cannot be opened.
        """
        answer = self.calls(
            "compare_faces",
            SourceImage={"Bytes": _bytes(probe)},
            TargetImage={"Bytes": _bytes(reference)},
            SimilarityThreshold=0.0,
        )
        if answer.response is None:
            return Compared(None, failure=answer.failure, error=answer.error, ms=answer.ms)
        matched = [
            (match["Face"], float(match["Similarity"])) for match in answer.response.get("FaceMatches", [])
        ]
        faces = matched + [(face, -1.0) for face in answer.response.get("UnmatchedFaces", [])]
        if not faces:
            return Compared(None, failure="no face", ms=answer.ms)
        _, score = max(faces, key=lambda one: _area(one[0]))
        return Compared(max(score, 0.0), is_censored=score < 0, ms=answer.ms)

    def picture_ms(self, path: Path) -> None:
        """Not known: a comparison is one call."""

    def open_gallery(self, name: str, known: dict[int, str]) -> set[int]:
        """CreateCollection, or take up the one of a run that was stopped.

        Faces in it that this run does not know of (enrolled, but killed before it was noted) are taken out, so that
        they are enrolled once.

        Raises:
            EndpointError: the service refuses; for Assent's own server, see docs/audit.md on consents.
        """
        self._collection = name
        held = self._held_faces()
        if held is None:
            tags = {"Tags": self.tags} if self.tags else {}
            self.calls.required("create_collection", CollectionId=name, **tags)
            held = set()
        unknown = sorted(held - set(known.values()))
        for start in range(0, len(unknown), MAX_CANDIDATES):
            part = unknown[start : start + MAX_CANDIDATES]
            self.calls.required("delete_faces", CollectionId=name, FaceIds=part)
        self._numbers = {face_id: number for number, face_id in known.items() if face_id in held}
        return {number for number, face_id in known.items() if face_id not in held}

    def enrol(self, number: int, path: Path) -> Enrolled:
        """IndexFaces, the largest face.

        Raises:
            EndpointError: the service refuses; Assent's own does, without a consent.
            UsageError: the file cannot be opened.
        """
        external_id = self.external_ids.get(path.stem, f"reference-{number}")
        try:
            answer = self.calls(
                "index_faces",
                CollectionId=self._collection,
                Image={"Bytes": _bytes(path)},
                ExternalImageId=external_id,
                MaxFaces=1,
            )
        except EndpointError as error:
            raise EndpointError(self._explained(error), code=error.code) from error
        if answer.response is None:
            return Enrolled(failure=answer.failure, error=answer.error, ms=answer.ms)
        self.model_version = str(answer.response.get("FaceModelVersion", self.model_version))
        records = answer.response.get("FaceRecords", [])
        if not records:
            return Enrolled(failure=_refusal(answer.response), ms=answer.ms)
        face_id = str(records[0]["Face"]["FaceId"])
        self._numbers[face_id] = number
        return Enrolled(face_id=face_id, ms=answer.ms)

    def search(self, path: Path, max_candidates: int) -> Searched:
        """SearchFacesByImage without a threshold.

        Raises:
            EndpointError: see ``Calls``.
            UsageError: the file cannot be opened.
        """
        answer: Answer = self.calls(
            "search_faces_by_image",
            CollectionId=self._collection,
            Image={"Bytes": _bytes(path)},
            MaxFaces=min(max_candidates, MAX_CANDIDATES),
            FaceMatchThreshold=0.0,
        )
        if answer.response is None:
            return Searched(None, failure=answer.failure, error=answer.error, ms=answer.ms)
        self.model_version = str(answer.response.get("FaceModelVersion", self.model_version))
        scored = [
            (self._numbers[match["Face"]["FaceId"]], float(match["Similarity"]))
            for match in answer.response.get("FaceMatches", [])
            if match["Face"]["FaceId"] in self._numbers
        ]
        return Searched(best_first(scored, max_candidates), ms=answer.ms)

    def close_gallery(self, name: str) -> None:
        """DeleteCollection; one that is gone already is as well.

        Raises:
            EndpointError: it could not be deleted; the message names it.
        """
        self._collection = ""
        try:
            self.calls.required("delete_collection", CollectionId=name)
        except (EndpointError, UsageError) as error:
            code = error.code if isinstance(error, EndpointError) else ""
            if code != "ResourceNotFoundException":
                raise EndpointError(
                    f"the audit's collection {name} could not be deleted ({error.message}); run the same command "
                    "again, or delete it yourself: faces of the gallery may be in it.",
                    code=code,
                ) from error

    def _held_faces(self) -> set[str] | None:
        """The ids of the faces in the collection; None where there is no such collection."""
        held: set[str] = set()
        page: dict[str, Any] = {}
        while True:
            try:
                found = self.calls.required("list_faces", CollectionId=self._collection, **page)
            except EndpointError as error:
                if error.code == "ResourceNotFoundException":
                    return None
                raise
            held |= {str(face["FaceId"]) for face in found.get("Faces", [])}
            if not found.get("NextToken"):
                return held
            page = {"NextToken": found["NextToken"]}

    def _explained(self, error: EndpointError) -> str:
        if error.code != "AccessDeniedException":
            return error.message
        return (
            f"{error.message} If this is an Assent server: it enrols nobody without a consent. Record one for each "
            "person of the gallery there, and say with --external-ids whose each picture is (docs/audit.md)."
        )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the picture {path.name} cannot be read: {error.strerror}.") from error


def _area(face: Any) -> float:
    box = face.get("BoundingBox", {})
    return float(box.get("Width", 0.0)) * float(box.get("Height", 0.0))


def _refusal(response: JsonObject) -> str:
    """Why IndexFaces took no face, in the service's words."""
    for face in response.get("UnindexedFaces", []):
        if face.get("Reasons"):
            return str(face["Reasons"][0]).lower().replace("_", " ")
    return "no face"
