"""What a stream processor puts out: one record, in the documented shape, for each close look at somebody with a name.

Of strangers there is none: a record for each face of each frame would be their trail. What cannot be delivered waits in
memory, a while and not much of it, and is not sent any more of somebody who withdrew.
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from assent.errors import AssentError
from assent.live.pauses import Pauses
from assent.notifications import Notifier, open_output
from assent.service.context import Context
from assent.service.living import Sighting
from assent.service.telling import Teller
from assent.store.streams import StreamRecord
from assent.wire.call import Body
from assent.wire.shapes import face_detail, face_record, model_version

_MOST_WAITING: Final = 100
_LONGEST_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    sighting: Sighting
    unix_s: float


class StreamOutput(Teller):
    """Sends the records of one stream.

    Args:
        ctx: the open data folder.
        stream: whose.
        notifier: where they go.
    """

    def __init__(self, ctx: Context, stream: StreamRecord, notifier: Notifier) -> None:
        super().__init__(
            "a stream's record",
            Pauses(0.5, 15.0),
            trouble="the output is not reached ({reason}); records wait for a minute, 100 of them at most",
        )
        self._ctx = ctx
        self._stream = stream
        self._notifier = notifier
        self._waiting: deque[_Waiting] = deque(maxlen=_MOST_WAITING)

    def see(self, sighting: Sighting) -> None:
        """See ``Output.see``; the oldest is dropped where too many wait."""
        self._waiting.append(_Waiting(sighting, time.time()))
        self.wake()

    def _tell_next(self) -> bool:
        is_sent = False
        while self._waiting and not is_sent:
            item = self._waiting[0]
            if time.time() - item.unix_s < _LONGEST_WAIT_S:
                body = self._record(item)
                if body is not None:
                    self._notifier.send(self._stream.id, json.dumps(body))
                    is_sent = True
            if self._waiting and self._waiting[0] is item:
                self._waiting.popleft()
        return is_sent

    def _record(self, item: _Waiting) -> Body | None:
        """One record; None where the person no longer agrees."""
        sighting = item.sighting
        place, hit = sighting.gallery.place, sighting.hit
        with self._ctx.records.reading() as tx:
            try:
                tx.agreed_person(place.id, hit.person)
                ref = tx.person_by_id(hit.person).ref
                photos = tx.templates(sighting.gallery.collection.name, ref)
            except AssentError:
                return None
        version = model_version(sighting.gallery.collection.model_digest)
        return {
            "InputInformation": {
                "KinesisVideo": {
                    "StreamArn": self._stream.facts["input"],
                    "FragmentNumber": "0",
                    "ServerTimestamp": item.unix_s,
                    "ProducerTimestamp": item.unix_s,
                    "FrameOffsetInSeconds": 0.0,
                }
            },
            "StreamProcessorInformation": {"Status": "RUNNING"},
            "FaceSearchResponse": [
                {
                    "DetectedFace": face_detail(sighting.face, sighting.width_px, sighting.height_px),
                    "MatchedFaces": [
                        {
                            "Similarity": hit.similarity,
                            "Face": face_record(photo, version),
                            "FmrAtScore": hit.fmr_at_score,
                            "ExpectedFalseCandidates": hit.expected_false_candidates,
                        }
                        for photo in photos
                    ],
                }
            ],
        }


def output_of(ctx: Context, stream: StreamRecord) -> StreamOutput | None:
    """What a stream's sightings go to; None for a stream that no Rekognition program made.

    Raises:
        UsageError: the settings do not say where.
    """
    arn = stream.facts.get("output")
    return None if arn is None else StreamOutput(ctx, stream, open_output(ctx.settings, str(arn)))
