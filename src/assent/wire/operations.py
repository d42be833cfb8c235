"""The operations that are answered, and the page that lists all of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from assent.wire import collections, detecting, faces, searching, streams, users, videos
from assent.wire.call import Handler
from assent.wire.errors import mapped_errors
from assent.wire.model import operation_names
from assent.wire.refusals import REFUSALS, Kind

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "CreateCollection": collections.create_collection,
        "DescribeCollection": collections.describe_collection,
        "ListCollections": collections.list_collections,
        "DeleteCollection": collections.delete_collection,
        "IndexFaces": faces.index_faces,
        "ListFaces": faces.list_faces,
        "DeleteFaces": faces.delete_faces,
        "SearchFaces": searching.search_faces,
        "SearchFacesByImage": searching.search_faces_by_image,
        "CreateUser": users.create_user,
        "ListUsers": users.list_users,
        "DeleteUser": users.delete_user,
        "AssociateFaces": users.associate_faces,
        "DisassociateFaces": users.disassociate_faces,
        "SearchUsers": searching.search_users,
        "SearchUsersByImage": searching.search_users_by_image,
        "DetectFaces": detecting.detect_faces,
        "CompareFaces": detecting.compare_faces,
        "StartFaceSearch": videos.start_face_search,
        "GetFaceSearch": videos.get_face_search,
        "StartFaceDetection": videos.start_face_detection,
        "GetFaceDetection": videos.get_face_detection,
        "StartPersonTracking": videos.start_person_tracking,
        "GetPersonTracking": videos.get_person_tracking,
        "StartSegmentDetection": videos.start_segment_detection,
        "GetSegmentDetection": videos.get_segment_detection,
        "CreateStreamProcessor": streams.create_stream_processor,
        "DescribeStreamProcessor": streams.describe_stream_processor,
        "ListStreamProcessors": streams.list_stream_processors,
        "StartStreamProcessor": streams.start_stream_processor,
        "StopStreamProcessor": streams.stop_stream_processor,
        "UpdateStreamProcessor": streams.update_stream_processor,
        "DeleteStreamProcessor": streams.delete_stream_processor,
        "TagResource": collections.tag_resource,
        "UntagResource": collections.untag_resource,
        "ListTagsForResource": collections.list_tags,
    }
)
"""Every operation that is answered."""


def operations_page() -> str:
    """``docs/operations.md``: each operation of the service model and what becomes of it."""
    total, answered = len(operation_names()), len(HANDLERS)
    parts = [
        "# Rekognition's operations\n",
        f"Of Amazon Rekognition's {total} operations {answered} are answered, each by computing it. The others answer "
        "`AccessDeniedException` with the reason below; clients do not try that again. How to move a program over, "
        "and what differs: [rekognition.md](rekognition.md).\n",
        f"## Answered ({answered})\n",
        _table("operation", "what it does here", [(name, _summary(h)) for name, h in HANDLERS.items()]),
    ]
    for kind in Kind:
        rows = [(name, r.reason) for r in REFUSALS if r.kind is kind for name in r.operations]
        parts += [
            f"## {kind[0].upper()}{kind[1:]} ({len(rows)})\n",
            _table("operation", "reason", sorted(rows)),
        ]
    parts += [
        "## Errors\n",
        "An operation answers only with errors that it declares; where the one below is not declared, with "
        "`InvalidParameterException`. Before an operation is looked at there are "
        "`MissingAuthenticationTokenException`, `IncompleteSignatureException`, `InvalidSignatureException`, "
        "`UnrecognizedClientException`, `UnknownOperationException` and `SerializationException`; "
        "`ThrottlingException` where there is more to do than the server takes on, and `InternalServerError` where "
        "something broke.\n",
        _table("Assent's error", "answered as", [(name, f"`{code}`") for name, code in mapped_errors()]),
    ]
    return "\n".join(parts)


def _summary(handler: Handler) -> str:
    return (inspect.getdoc(handler) or "").split("\n\n")[0].replace("``", "`")


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {left} | {right} |", "| --- | --- |", *(f"| `{a}` | {b} |" for a, b in rows)]
    return "\n".join(lines) + "\n"
