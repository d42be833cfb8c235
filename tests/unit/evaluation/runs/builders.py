"""A service that speaks Rekognition's protocol at the network's edge, computed by an engine; and badly behaved.

One process, one port, no vendor: what a client sends is parsed from the wire and answered on it. Faces are found
and compared by whatever engine is given, so that answers differ as pictures do.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from assent.errors import ImageError
from assent.evaluation.pictures import subject_face
from assent.types import Float32
from assent.vision.decode import decode_image
from assent.vision.engine import FaceEngine
from assent.vision.quality import PROBE_GATE


class Refusal(Exception):
    """An error of the protocol."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@dataclass
class RekognitionStub:
    """State of the service, and how it misbehaves.

    Attributes:
        engine: finds and compares faces.
        faults: answers to give instead, in order, before any true one; None for a true one.
        die_after: calls after which it hangs up on everybody; None for never.
        withhold_below: similarities below this are kept back, as a service's own floor does.
        consents: where given, ``ExternalImageId`` must be in it to be enrolled.
    """

    engine: FaceEngine
    faults: list[Refusal | None] = field(default_factory=list)
    die_after: int | None = None
    withhold_below: float = 0.0
    consents: frozenset[str] | None = None
    collections: dict[str, dict[str, tuple[str, Float32]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    url: str = ""
    lock: Any = field(default_factory=threading.Lock)

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The response to one request."""
        if self.faults:
            fault = self.faults.pop(0)
            if fault is not None:
                raise fault
        self.calls.append(operation)
        handler = getattr(self, f"on_{operation}", None)
        if handler is None:
            raise Refusal("AccessDeniedException", f"no {operation} here")
        result: dict[str, Any] = handler(request)
        return result

    def on_CompareFaces(self, request):
        source, target = (self._template(request[side]) for side in ("SourceImage", "TargetImage"))
        if source is None or target is None:
            raise Refusal("InvalidParameterException", "Request has Invalid Parameters")
        similarity = _similarity(source, target)
        face = {"BoundingBox": {"Width": 0.5, "Height": 0.5, "Left": 0.1, "Top": 0.1}, "Confidence": 99.0}
        is_match = similarity >= max(request.get("SimilarityThreshold", 80.0), self.withhold_below)
        small = {"BoundingBox": {"Width": 0.1, "Height": 0.1, "Left": 0.8, "Top": 0.8}, "Confidence": 99.0}
        return {
            "SourceImageFace": face,
            "FaceMatches": [{"Similarity": similarity, "Face": face}] if is_match else [],
            "UnmatchedFaces": [small] if is_match else [small, face],
        }

    def on_CreateCollection(self, request):
        if request["CollectionId"] in self.collections:
            raise Refusal("ResourceAlreadyExistsException")
        self.collections[request["CollectionId"]] = {}
        return {"StatusCode": 200, "FaceModelVersion": "7.0"}

    def on_DeleteCollection(self, request):
        self._faces(request)
        del self.collections[request["CollectionId"]]
        return {"StatusCode": 200}

    def on_ListFaces(self, request):
        faces = sorted(self._faces(request))
        start = int(request.get("NextToken", 0))
        page = {"Faces": [{"FaceId": face} for face in faces[start : start + 2]], "FaceModelVersion": "7.0"}
        return page | ({"NextToken": str(start + 2)} if len(faces) > start + 2 else {})

    def on_DeleteFaces(self, request):
        for face in request["FaceIds"]:
            self._faces(request).pop(face, None)
        return {"DeletedFaces": request["FaceIds"]}

    def on_IndexFaces(self, request):
        faces = self._faces(request)
        if self.consents is not None and request["ExternalImageId"] not in self.consents:
            raise Refusal("AccessDeniedException", "nobody is enrolled without a live consent")
        template = self._template(request["Image"])
        if template is None:
            return {
                "FaceRecords": [],
                "UnindexedFaces": [{"Reasons": ["LOW_BRIGHTNESS"]}],
                "FaceModelVersion": "7.0",
            }
        face_id = str(uuid.uuid4())
        faces[face_id] = (request["ExternalImageId"], template)
        return {
            "FaceRecords": [{"Face": {"FaceId": face_id}}],
            "UnindexedFaces": [],
            "FaceModelVersion": "7.0",
        }

    def on_SearchFacesByImage(self, request):
        faces = self._faces(request)
        template = self._template(request["Image"])
        if template is None:
            raise Refusal(
                "InvalidParameterException", "There are no faces in the image. Should be at least 1."
            )
        found = [(_similarity(template, own), face) for face, (_, own) in faces.items()]
        floor = max(request.get("FaceMatchThreshold", 80.0), self.withhold_below)
        found = sorted((one for one in found if one[0] >= floor), reverse=True)[: request.get("MaxFaces", 80)]
        return {
            "FaceMatches": [{"Similarity": s, "Face": {"FaceId": face}} for s, face in found],
            "FaceModelVersion": "7.0",
        }

    def _faces(self, request):
        if request["CollectionId"] not in self.collections:
            raise Refusal("ResourceNotFoundException", "The collection id does not exist")
        return self.collections[request["CollectionId"]]

    def _template(self, image: dict[str, str]) -> Float32 | None:
        try:
            image_rgb = decode_image(base64.b64decode(image["Bytes"])).image_rgb
        except ImageError as error:
            raise Refusal("InvalidImageFormatException", "Request has invalid image format.") from error
        with self.lock:
            faces = self.engine.faces(image_rgb, gate=PROBE_GATE)
            face = subject_face(faces, image_rgb.shape[1], image_rgb.shape[0])
            if face is None or not face.quality.is_good:
                return None
            return np.asarray(self.engine.templates(image_rgb, [face])[0], np.float32)


def _similarity(one: Float32, other: Float32) -> float:
    """0 to 100, rising with the cosine."""
    return float(np.clip(50 * (1 + one @ other), 0, 100))


@contextmanager
def serving(stub: RekognitionStub) -> Iterator[RekognitionStub]:
    """The service on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet; two wait for each other's acknowledgement

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            if stub.die_after is not None and len(stub.calls) >= stub.die_after:
                self.close_connection = True
                return
            try:
                status, answer = 200, stub.answer(operation, json.loads(body))
            except Refusal as refusal:
                status = refusal.status
                answer = {"__type": refusal.code, "Message": refusal.message}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format, *args):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """A client that was killed hangs up; that is nothing to print."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket.settimeout(1.0)  # a client killed between being seen and being accepted is not waited for
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
