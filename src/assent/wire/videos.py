"""Stored videos: Start and Get of faces, people, and segments. What runs is a job (docs/video.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from assent.errors import NotFound
from assent.service.findings import BoxAt, Segment, TrackFindings, VideoFindings
from assent.service.jobs import JobAnswer, Notice, RepeatToken, StoredVideo
from assent.service.results import Candidate
from assent.store.jobvalues import JobState
from assent.video.types import ClipFacts
from assent.wire.call import Answer, Body, Call
from assent.wire.common import DEFAULT_SIMILARITY, collection_of
from assent.wire.errors import WireError, invalid
from assent.wire.paging import page_of
from assent.wire.shapes import face_detail, face_matches, model_version, percent
from assent.wire.timecode import smpte

MAX_MATCHES: Final = 4096
_MAX_RESULTS: Final = 1000
_MODEL: Final = "1.0"
_STATES: Final = {
    JobState.QUEUED: "IN_PROGRESS",
    JobState.RUNNING: "IN_PROGRESS",
    JobState.SUCCEEDED: "SUCCEEDED",
    JobState.FAILED: "FAILED",
    JobState.CANCELLED: "FAILED",
}


def start_face_search(call: Call) -> Answer:
    """Begin to look for who of a collection's consenting people is in a stored video."""
    collection = collection_of(call)
    threshold = call.params.get("FaceMatchThreshold", DEFAULT_SIMILARITY)
    asked = {"collection": collection.name, "purpose": collection.purpose, "threshold": threshold}
    return _start(call, "face-search", asked)


def start_face_detection(call: Call) -> Answer:
    """Begin to look for the faces in a stored video; nobody is searched for."""
    return _start(call, "face-detection", {})


def start_person_tracking(call: Call) -> Answer:
    """Begin to follow faces through a stored video, under numbers of that video alone; nobody is searched for."""
    return _start(call, "person-tracking", {})


def start_segment_detection(call: Call) -> Answer:
    """Begin to look for the shots of a stored video, and for black frames."""
    types, filters = call.params["SegmentTypes"], call.params.get("Filters", {})
    for member, type_ in (("TechnicalCueFilter", "TECHNICAL_CUE"), ("ShotFilter", "SHOT")):
        if member in filters and type_ not in types:
            raise invalid(f"Filters.{member} needs the segment type {type_}, which was not asked for.")
    cue, shot = filters.get("TechnicalCueFilter", {}), filters.get("ShotFilter", {})
    black = cue.get("BlackFrame", {})
    asked: Body = {
        "types": sorted(set(types)),
        "least": {
            "black": cue.get("MinSegmentConfidence", 50.0) / 100,
            "shot": shot.get("MinSegmentConfidence", 50.0) / 100,
        },
        "black": {
            "max_luma": black.get("MaxPixelThreshold", 0.2),
            "min_coverage": black.get("MinCoveragePercentage", 99.0) / 100,
        },
    }
    return _start(call, "segment-detection", asked)


def get_face_search(call: Call) -> Answer:
    """Where faces are in the video, and whose enrolled photos each may be like; strangers are boxes with a number."""
    answer = _answer(call, "face-search")
    body = _about(answer)
    if answer.findings is None:
        return Answer(body)
    by_track = _candidates(answer)
    version = _version(call, answer)

    def person(track: TrackFindings, box: BoxAt) -> Body:
        matches = face_matches(by_track.get(track.index, ()), MAX_MATCHES, version=version)
        return _person(track, box, answer.findings) | ({"FaceMatches": matches} if matches else {})

    body |= _page(call, "Persons", _moments(answer.findings), person)
    search = answer.findings.search
    if search is not None:
        body |= {"GallerySize": search.gallery_size, "LogLeaf": search.log_leaf}
        if search.similarity is not None:
            body |= {"AppliedThreshold": search.similarity, "AppliedFmr": search.max_fmr}
        if search.review_id is not None:
            body["ReviewId"] = search.review_id
    return Answer(body)


def get_face_detection(call: Call) -> Answer:
    """The faces of the video, by time."""
    answer = _answer(call, "face-detection")
    body = _about(answer)
    if answer.findings is None:
        return Answer(body)

    def face(_track: TrackFindings, box: BoxAt) -> Body:
        return {"Timestamp": _ms(box.time_s), "Face": _detail(box, answer.findings)}

    return Answer(body | _page(call, "Faces", _moments(answer.findings), face))


def get_person_tracking(call: Call) -> Answer:
    """The faces of the video, each under a number that means nothing elsewhere and is forgotten with the job."""
    answer = _answer(call, "person-tracking")
    body = _about(answer)
    if answer.findings is None:
        return Answer(body)

    def person(track: TrackFindings, box: BoxAt) -> Body:
        return _person(track, box, answer.findings)

    return Answer(body | _page(call, "Persons", _moments(answer.findings), person))


def get_segment_detection(call: Call) -> Answer:
    """The shots and black frames of the video, by time."""
    answer = _answer(call, "segment-detection")
    body = _about(answer)
    findings = answer.findings
    if findings is None:
        return Answer(body)
    body["VideoMetadata"] = [body["VideoMetadata"]]
    body["AudioMetadata"] = [{"Codec": codec} for codec in findings.facts.audio_codecs]
    body["SelectedSegmentTypes"] = [
        {"Type": type_, "ModelVersion": _MODEL} for type_ in answer.options["types"]
    ]
    wanted = {"SHOT": "shot", "TECHNICAL_CUE": "black"}
    kinds = {wanted[type_] for type_ in answer.options["types"]}
    least = answer.options["least"]
    chosen = [s for s in findings.segments if s.kind in kinds and s.confidence >= least[s.kind]]
    shots = [segment for segment in chosen if segment.kind == "shot"]
    page = page_of(call, chosen, place=lambda s: f"{s.first_frame:010d} {s.kind}", max_size=_MAX_RESULTS)
    body["Segments"] = [_segment(segment, shots, findings.facts) for segment in page.items]
    return Answer(body | ({"NextToken": page.next_token} if page.next_token else {}))


def _start(call: Call, kind: str, options: Body) -> Answer:
    video = _video(call)
    params = call.params
    tag, channel = params.get("JobTag"), params.get("NotificationChannel")
    named = {name: value for name, value in params["Video"]["S3Object"].items() if value}
    about = {"API": call.operation, "Video": {"S3ObjectName": video.key, "S3Bucket": video.bucket}}
    if tag is not None:
        about["JobTag"] = tag
    token = params.get("ClientRequestToken")
    job = call.assent.jobs.submit(
        kind,
        video,
        options={**options, "about": {"video": named, "tag": tag}},
        token=RepeatToken(token, call.fingerprint()) if token else None,
        notice=Notice(channel["SNSTopicArn"], about) if channel else None,
        objects=call.objects,
    )
    return Answer({"JobId": job.id})


def _video(call: Call) -> StoredVideo:
    named = call.params["Video"].get("S3Object", {})
    if not (named.get("Bucket") and named.get("Name")):
        raise invalid("Video.S3Object needs both Bucket and Name.")
    return StoredVideo(named["Bucket"], named["Name"], named.get("Version"))


def _answer(call: Call, kind: str) -> JobAnswer:
    try:
        return call.assent.jobs.answer(call.params["JobId"], kind=kind)
    except NotFound as error:
        raise WireError("ResourceNotFoundException", "Could not find JobId") from error


def _about(answer: JobAnswer) -> Body:
    """What every page says, whatever the job was."""
    job, about = answer.job, answer.options["about"]
    body: Body = {"JobStatus": _STATES[job.state], "JobId": job.id, "Video": {"S3Object": about["video"]}}
    if about["tag"] is not None:
        body["JobTag"] = about["tag"]
    if job.state is JobState.FAILED:
        body["StatusMessage"] = f"{job.error}: {job.message}"
    elif job.state is JobState.CANCELLED:
        body["StatusMessage"] = "The job was cancelled."
    if answer.findings is not None:
        body["VideoMetadata"] = _metadata(answer.findings)
    return body


def _metadata(findings: VideoFindings) -> Body:
    facts = findings.facts
    return {
        "Codec": facts.codec,
        "DurationMillis": _ms(findings.duration_s),
        "Format": facts.container,
        "FrameRate": facts.frame_rate,
        "FrameHeight": facts.height_px,
        "FrameWidth": facts.width_px,
        "ColorRange": "FULL" if facts.is_full_range else "LIMITED",
    }


def _moments(findings: VideoFindings) -> Iterator[tuple[TrackFindings, BoxAt]]:
    for track in findings.tracks:
        for box in track.boxes:
            yield track, box


def _page(call: Call, member: str, moments: Any, shown: Any) -> Body:
    """One page of the boxes, by time, or by track where that is asked for."""
    by_index = call.params.get("SortBy") == "INDEX"

    def place(moment: tuple[TrackFindings, BoxAt]) -> str:
        track, box = moment
        at, index = f"{box.time_s:012.4f}", f"{track.index:08d}"
        return f"{index} {at}" if by_index else f"{at} {index}"

    page = page_of(call, moments, place=place, max_size=_MAX_RESULTS)
    body: Body = {member: [shown(*moment) for moment in page.items]}
    return body | ({"NextToken": page.next_token} if page.next_token else {})


def _person(track: TrackFindings, box: BoxAt, findings: VideoFindings | None) -> Body:
    face = _detail(box, findings)
    person = {"Index": track.index, "BoundingBox": face["BoundingBox"], "Face": face}
    return {"Timestamp": _ms(box.time_s), "Person": person}


def _detail(box: BoxAt, findings: VideoFindings | None) -> Body:
    """Box and confidence always; the rest where it was measured, which is for the best few pictures of a track."""
    left, top, right, bottom = box.box
    bounds = {"Left": left, "Top": top, "Width": right - left, "Height": bottom - top}
    where: Body = {"BoundingBox": bounds, "Confidence": percent(box.confidence)}
    if box.face is None or findings is None:
        return where
    return face_detail(box.face, findings.facts.width_px, findings.facts.height_px) | where


def _segment(segment: Segment, shots: list[Segment], facts: ClipFacts) -> Body:
    num_frames = segment.last_frame - segment.first_frame + 1
    body: Body = {
        "StartTimestampMillis": _ms(segment.start_s),
        "EndTimestampMillis": _ms(segment.end_s),
        "DurationMillis": _ms(segment.end_s) - _ms(segment.start_s),
        "StartTimecodeSMPTE": smpte(segment.first_frame, facts.frame_rate),
        "EndTimecodeSMPTE": smpte(segment.last_frame, facts.frame_rate),
        "DurationSMPTE": smpte(num_frames, facts.frame_rate),
        "StartFrameNumber": segment.first_frame,
        "EndFrameNumber": segment.last_frame,
        "DurationFrames": num_frames,
    }
    confidence = percent(segment.confidence)
    if segment.kind == "shot":
        shot = {"Index": shots.index(segment), "Confidence": confidence}
        return {"Type": "SHOT", **body, "ShotSegment": shot}
    return {
        "Type": "TECHNICAL_CUE",
        **body,
        "TechnicalCueSegment": {"Type": "BlackFrames", "Confidence": confidence},
    }


def _candidates(answer: JobAnswer) -> dict[int, list[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for item in answer.named:
        found.setdefault(item.track, []).append(item.candidate)
    return found


def _version(call: Call, answer: JobAnswer) -> str:
    return model_version(call.assent.collections.record(answer.options["collection"]).model_digest)


def _ms(seconds: float) -> int:
    """Milliseconds, rounded down; a time that the frames' clock gives exactly is not rounded below itself."""
    return int(seconds * 1000 + 1e-6)
