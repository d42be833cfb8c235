"""Stream processors: a camera of a declared place, watched for the people of a collection who agreed to that place."""

from __future__ import annotations

from typing import Any, Final

from assent.errors import AlreadyExists, NotFound, UsageError
from assent.notifications import open_output
from assent.store.streams import StreamRecord, StreamState
from assent.wire.call import Answer, Body, Call
from assent.wire.common import DEFAULT_SIMILARITY, no_collection
from assent.wire.errors import WireError, denied, invalid
from assent.wire.paging import page_of

_MAX_RESULTS: Final = 1000


def create_stream_processor(call: Call) -> Answer:
    """Make a stream processor for face search; its video stream's ARN stands for a camera of a declared place."""
    params = call.params
    if params.get("RegionsOfInterest") or params.get("KmsKeyId"):
        raise invalid("RegionsOfInterest and KmsKeyId are not for face search.")
    settings = params["Settings"]
    if "ConnectedHome" in settings or "FaceSearch" not in settings:
        raise denied("Only face search is done here; labels of connected homes are not.")
    input_arn = params["Input"].get("KinesisVideoStream", {}).get("Arn")
    output_arn = params["Output"].get("KinesisDataStream", {}).get("Arn")
    if input_arn is None or output_arn is None:
        raise invalid("Face search needs Input.KinesisVideoStream.Arn and Output.KinesisDataStream.Arn.")
    place, camera = _camera_of(call, input_arn)
    asked = settings["FaceSearch"]
    collection = asked.get("CollectionId", "")
    _check_place(call, place, collection)
    open_output(call.assent.settings, output_arn)
    facts: Body = {
        "input": input_arn,
        "output": output_arn,
        "role": params["RoleArn"],
        "collection": collection,
    }
    if "NotificationChannel" in params:
        facts["topic"] = params["NotificationChannel"]["SNSTopicArn"]
    try:
        made = call.assent.streams.add(
            params["Name"],
            place=place,
            camera=camera,
            threshold=asked.get("FaceMatchThreshold", DEFAULT_SIMILARITY),
            facts=facts,
        )
    except AlreadyExists as error:
        raise WireError(
            "ResourceInUseException", f"The stream processor {params['Name']} already exists."
        ) from error
    return Answer({"StreamProcessorArn": _arn(call, made)})


def describe_stream_processor(call: Call) -> Answer:
    """What a stream processor is, and how it does."""
    stream = _stream(call)
    facts = stream.facts
    body: Body = {
        "Name": stream.name,
        "StreamProcessorArn": _arn(call, stream),
        "Status": _status(stream),
        "CreationTimestamp": stream.created_at.timestamp(),
        "LastUpdateTimestamp": stream.changed_at.timestamp(),
        "Input": {"KinesisVideoStream": {"Arn": facts["input"]}},
        "Output": {"KinesisDataStream": {"Arn": facts["output"]}},
        "RoleArn": facts["role"],
        "Settings": {
            "FaceSearch": {
                "CollectionId": facts["collection"],
                "FaceMatchThreshold": stream.threshold
                if stream.threshold is not None
                else DEFAULT_SIMILARITY,
            }
        },
    }
    if stream.message:
        body["StatusMessage"] = stream.message
    if "topic" in facts:
        body["NotificationChannel"] = {"SNSTopicArn": facts["topic"]}
    return Answer(body)


def list_stream_processors(call: Call) -> Answer:
    """The stream processors, by name."""
    found = [stream for stream in call.assent.streams.list() if _is_processor(stream)]
    page = page_of(call, found, place=lambda stream: stream.name, max_size=_MAX_RESULTS)
    body: Body = {
        "StreamProcessors": [{"Name": stream.name, "Status": _status(stream)} for stream in page.items]
    }
    return Answer(body | ({"NextToken": page.next_token} if page.next_token else {}))


def start_stream_processor(call: Call) -> Answer:
    """Have a worker (``assent live-worker``) watch, until it is stopped."""
    if call.params.get("StartSelector") or call.params.get("StopSelector"):
        raise invalid("StartSelector and StopSelector are for labels, not for face search.")
    stream = _stream(call)
    if stream.is_wanted:
        raise WireError("ResourceInUseException", f"The stream processor {stream.name} is running.")
    _check_place(call, stream.place, str(stream.facts["collection"]))
    return Answer({"SessionId": str(call.assent.streams.start(stream.name).session_id)})


def stop_stream_processor(call: Call) -> Answer:
    """Have the worker end it."""
    call.assent.streams.stop(_stream(call).name)
    return Answer()


def update_stream_processor(call: Call) -> Answer:
    """Change the labels of a connected home, which no stream processor here has; so there is nothing to change."""
    _stream(call)
    raise invalid(
        "Only settings for labels can be updated, and a face search has none; delete it and create another."
    )


def delete_stream_processor(call: Call) -> Answer:
    """Forget a stream processor that is stopped."""
    stream = _stream(call)
    if stream.is_wanted or stream.worker is not None:
        raise WireError(
            "ResourceInUseException", f"The stream processor {stream.name} is running; stop it first."
        )
    call.assent.streams.remove(stream.name)
    return Answer()


def _camera_of(call: Call, arn: str) -> tuple[str, str]:
    place, _, camera = call.assent.settings.stream_sources.get(arn, "").partition("/")
    if not place or not camera:
        raise invalid(
            "No camera is configured for this video stream: name PLACE/CAMERA for its ARN in ASSENT_STREAM_SOURCES."
        )
    return place, camera


def _check_place(call: Call, place: str, collection: str) -> None:
    """The place recognises this collection's people, and may do so now."""
    try:
        summary = call.assent.places.get(place)
    except NotFound as error:
        raise invalid(f"The video stream's ARN stands for the place {place}, which there is not.") from error
    if summary.place.collection_name != collection:
        if all(record.name != collection for record in call.assent.collections.records()):
            raise (
                no_collection(collection)
                if call.operation == "StartStreamProcessor"
                else invalid(f"The collection id: {collection} does not exist")
            )
        raise denied(
            f"The place {place} recognises people of the collection {summary.place.collection_name}, who agreed to "
            f"that; not of {collection}."
        )
    if call.operation == "StartStreamProcessor" and summary.problem is not None:
        raise denied(summary.problem)


def _stream(call: Call) -> StreamRecord:
    name: str = call.params["Name"]
    try:
        stream = call.assent.streams.get(name)
        if _is_processor(stream):
            return stream
    except (NotFound, UsageError):
        pass
    raise WireError("ResourceNotFoundException", f"The stream processor {name} does not exist.")


def _is_processor(stream: StreamRecord) -> bool:
    """Whether a Rekognition program made it."""
    return "input" in stream.facts


def _status(stream: StreamRecord) -> str:
    if not stream.is_wanted and stream.state is not StreamState.FAILED:
        return "STOPPED" if stream.worker is None else "STOPPING"
    states: dict[StreamState, str] = {StreamState.RUNNING: "RUNNING", StreamState.FAILED: "FAILED"}
    return states.get(stream.state, "STARTING")


def _arn(call: Call, stream: StreamRecord) -> str:
    settings: Any = call.assent.settings
    return f"arn:aws:rekognition:{settings.region}:{settings.account}:streamprocessor/{stream.name}"
