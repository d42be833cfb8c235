"""Follows faces from frame to frame, as frames come: the same for a clip and for a camera.

Each frame: every face is moved along with the pixels; where a look is due (or a face is doubtful) the detector says
where faces are; detections are given to the faces they fit, and those that fit none begin a new track. A track ends at
a cut, when its face was lost for too long, and wherever it is not clear who is who: where two faces cross, both end and
two new ones begin, and again when they part.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from assent.types import Detections, Float32, JsonObject, UInt8
from assent.video.appearance import colours, is_other, is_same
from assent.video.backwards import lead_of
from assent.video.following import follow, likeness, patch
from assent.video.looking import Looks, look_at_frame, look_near
from assent.video.matching import LEAST_NEAR, nearness, pairs
from assent.video.packing import Pixels
from assent.video.pictures import Picture
from assent.video.preparing import Prepared, Preparing
from assent.video.samples import SampleBins, SampleBudget, sample_of, worth_of
from assent.video.settings import AnalysisSettings
from assent.video.trails import LiveTrack, Trail, live_track
from assent.video.types import Seen
from assent.vision.boxes import box_iou

_STEP_LIKENESS: Final = 0.6  # from one frame to the next; less means something came between
_FOUND_LIKENESS: Final = 0.8  # with the face as last detected; a lost one is found by its pixels from here on
_MODEL_LIKENESS: Final = 0.35  # with the face as last detected; less calls for a look
_CROSSING: Final = 0.12  # overlap of two faces from which on it is not clear who is who
_PARTED: Final = 0.03
_SAME_FACE: Final = 0.45  # a detection that near to one already taken is the same face twice
_MOST_LOOKS: Final = 4  # at doubtful faces, of one frame; the others wait a frame

__all__ = ["LiveTrack", "Tracker"]


class Tracker:
    """Told each frame in turn, knows where the faces are.

    Args:
        engine: what finds faces in a picture.
        settings: when to look, when to give up.
        is_whole_clip: keep the ended trails and follow faces back to before they were detected; a camera, whose
            past is shown already, does neither.

    Attributes:
        ended: trails that have ended, of a whole clip.
        preparing: what each frame goes through first; ahead of the tracker where frames wait.
    """

    def __init__(
        self, engine: Looks, settings: AnalysisSettings | None = None, *, is_whole_clip: bool = False
    ) -> None:
        self.ended: list[Trail] = []
        self._engine = engine
        self._settings = settings or AnalysisSettings()
        self._is_whole_clip = is_whole_clip
        self._budget = SampleBudget(self._settings.max_samples, self._settings.sample_bytes)
        self.preparing = Preparing(self._settings)
        self._trails: list[Trail] = []
        self._history: deque[Picture] = deque()
        self._last: Picture | None = None
        self._first_s: float | None = None
        self._num_frames = 0
        self._num_trails = 0

    @property
    def trails(self) -> list[Trail]:
        """Those that have not ended."""
        return self._trails

    @property
    def small_rgb(self) -> UInt8 | None:
        """The last sound frame, reduced to the working size (h, w, 3) uint8."""
        return None if self._last is None else self._last.small_rgb

    def update(self, image_rgb: UInt8 | None, time_s: float) -> tuple[LiveTrack, ...]:
        """The faces of the next frame.

        Args:
            image_rgb: (H, W, 3) uint8; None for a frame that could not be read: faces are held where they were.
            time_s: when it is shown; later than the last one's.
        """
        ready = self.preparing.prepare(image_rgb, index=self._num_frames, time_s=time_s)
        if ready is None:
            self.skip(time_s)
        else:
            self.advance(ready.picture, self.look(ready), is_cut=ready.is_cut)
        return tuple(live_track(trail, time_s) for trail in self._trails)

    def look(self, ready: Prepared) -> Detections | None:
        """What the detector finds in a frame; None where no look is due. Touches nothing else: from any thread."""
        if ready.long_side_px is None:
            return None
        return look_at_frame(
            self._engine,
            ready.picture,
            long_side_px=ready.long_side_px,
            min_score=self._settings.continue_score,
        )

    def state(self) -> JsonObject:
        """All but pixels, for JSON; between two frames, none of which waits."""
        return {
            "shots": self.preparing.shots.state(),
            "schedule": self.preparing.schedule.state(),
            "trails": [trail.state() for trail in self._trails],
            "ended": [trail.state() for trail in self.ended],
            "budget": self._budget.state([trail.bins for trail in self.ended]),
            "history": [picture.index for picture in self._history],
            "last": None if self._last is None else self._last.index,
            "first_s": self._first_s,
            "num_frames": self._num_frames,
            "num_trails": self._num_trails,
        }

    def restore(self, state: JsonObject, pixels: Pixels) -> None:
        """Goes on from a ``state``; of a tracker that has seen nothing yet."""
        last = None if state["last"] is None else pixels.pictures[state["last"]]
        self.preparing.shots.restore(state["shots"], None if last is None else last.thumb_rgb)
        self.preparing.schedule.restore(state["schedule"])
        self._trails = [Trail.restored(item, pixels) for item in state["trails"]]
        self.ended = [Trail.restored(item, pixels) for item in state["ended"]]
        self._budget.restore(state["budget"], [trail.bins for trail in self.ended])
        for index in state["history"]:
            self._remember(pixels.pictures[index])
        self._last = last
        self._first_s = state["first_s"]
        self._num_frames, self._num_trails = state["num_frames"], state["num_trails"]

    def skip(self, time_s: float) -> None:
        """A frame that could not be read."""
        self._count(time_s)
        for trail in self._trails:
            trail.append(trail.box_xyxy, Seen.BRIDGED)
        self._give_up(time_s)

    def advance(self, picture: Picture, found: Detections | None, *, is_cut: bool) -> None:
        """The next frame, with what was found in it where it was looked at.

        Args:
            picture: its ``index`` is how many frames came before.
            found: detections from ``continue_score`` on; None where nobody looked.
            is_cut: whether a shot begins with it.
        """
        last, self._last = self._last, picture
        self._count(picture.time_s)
        if is_cut or (last is not None and last.gray.shape != picture.gray.shape):
            self.end_all()
            last = None
        doubtful = self._follow(last, picture) if last is not None else []
        self._part_crossing()
        # whose track has just ended is looked for as somebody new
        doubtful = [trail for trail in doubtful if trail in self._trails]
        if found is not None:
            self._take(picture, found, self._trails, begins=True)
        else:
            for trail in doubtful[:_MOST_LOOKS]:
                self._look_again(picture, trail)
        self._look_before_giving_up(picture)
        self._give_up(picture.time_s)
        if self._is_whole_clip:
            self._remember(picture)

    def end_all(self) -> None:
        """Ends every track, at a cut or at the clip's end."""
        for trail in list(self._trails):
            self._end(trail)
        self._history.clear()

    def _follow(self, last: Picture, picture: Picture) -> list[Trail]:
        """Moves all boxes; returns the trails of which it is doubtful where they are, longest waiting first."""
        doubtful = []
        to_gray = picture.to_gray
        for trail in self._trails:
            box = trail.box_xyxy * to_gray
            step = follow(last.luma, picture.luma, box)
            is_like = 0.0 if step is None else likeness(step.patch, trail.model)
            # Still pixels under a lost face are not the face; only its own likeness is.
            if step is None or not (
                is_like > _FOUND_LIKENESS
                if trail.is_lost
                else likeness(step.patch, patch(last.gray, box)) >= _STEP_LIKENESS
            ):
                trail.is_lost = True
                trail.append(trail.box_xyxy, Seen.BRIDGED)
                doubtful.append(trail)
                continue
            moved = np.asarray(step.box_xyxy / to_gray, np.float32)
            if trail.is_lost:
                trail.is_lost = False
                trail.bridge(trail.sure_at, moved)
            trail.append(moved, Seen.FOLLOWED)
            trail.sure_at = picture.index
            if is_like < _MODEL_LIKENESS:
                doubtful.append(trail)
        doubtful = [t for t in doubtful if t.misses < 3 or (picture.index + t.number) % 3 == 0]
        return sorted(doubtful, key=lambda trail: trail.misses)

    def _look_again(self, picture: Picture, trail: Trail) -> None:
        """A look at one doubtful face alone."""
        found = look_near(
            self._engine, picture.image_rgb, trail.box_xyxy, min_score=self._settings.continue_score
        )
        self._take(picture, found, [trail], begins=False)

    def _take(self, picture: Picture, found: Detections, trails: list[Trail], *, begins: bool) -> None:
        """Gives detections to trails; those that fit none begin one."""
        trails = list(trails)
        boxes = np.array([trail.box_xyxy for trail in trails], np.float32).reshape(-1, 4)
        near = nearness(boxes, found.boxes_xyxy)
        matched: set[int] = set()
        kept: set[int] = set()
        for t, d in pairs(near, [trail.is_lost for trail in trails]):
            if self._go_on(picture, trails[t], found.take(slice(d, d + 1))):
                matched.add(d)
                kept.add(t)
        for t, trail in enumerate(trails):
            if t not in kept:
                trail.misses += 1
        for d in range(len(found)):
            if d in matched or found.scores[d] < self._settings.begin_score:
                continue
            here = found.boxes_xyxy[d : d + 1]
            held = [trail.box_xyxy for trail in self._trails if not trail.is_lost]
            if held and box_iou(here, np.array(held, np.float32)).max() > _SAME_FACE:
                continue
            if begins or not held or box_iou(here, np.array(held, np.float32)).max() < 0.1:
                self._begin(picture, found.take(slice(d, d + 1)))

    def _go_on(self, picture: Picture, trail: Trail, face: Detections) -> bool:
        """Puts a trail where its face was detected; False where that is another face, which ends the trail."""
        box = face.boxes_xyxy[0]
        gray_box = box * picture.to_gray
        if trail.is_lost and not is_same(
            trail.model, trail.colours, picture.gray, picture.small_rgb, gray_box
        ):
            if face.scores[0] >= self._settings.begin_score:
                self._end(trail)
            return False
        if not trail.is_lost and is_other(
            trail.model, trail.colours, picture.gray, picture.small_rgb, gray_box
        ):
            self._end(trail)
            return False
        if trail.is_lost:
            trail.bridge(trail.sure_at, box)
        else:
            trail.settle(trail.anchor, box)
        trail.put(trail.last_frame, box, Seen.DETECTED, float(face.scores[0]))
        self._anchor(picture, trail, face)
        return True

    def _anchor(self, picture: Picture, trail: Trail, face: Detections) -> None:
        """Remembers a detected face: where, when, what it looks like."""
        gray_box = face.boxes_xyxy[0] * picture.to_gray
        trail.is_lost = False
        trail.misses = 0
        trail.anchor = trail.sure_at = picture.index
        trail.seen_s = picture.time_s
        trail.model = patch(picture.gray, gray_box)
        trail.colours = colours(picture.small_rgb, gray_box)
        trail.look = (picture.index, face.boxes_xyxy[0].copy())
        if trail.crossing or not self._settings.max_samples:
            return  # a sample might show either face, or nobody wants one
        worth = worth_of(face.landmarks_xy[0], float(face.scores[0]))
        if trail.bins.wants(picture.time_s, worth):
            made = sample_of(
                self._engine,
                picture.image_rgb,
                face.boxes_xyxy[0],
                frame_index=picture.index,
                time_s=picture.time_s,
            )
            if made is not None:
                trail.bins.add(*made, face.boxes_xyxy[0].copy())

    def _begin(self, picture: Picture, face: Detections) -> Trail:
        """A new trail, followed backwards where the past is at hand."""
        trail = self._new_trail(picture, face.boxes_xyxy[0], float(face.scores[0]))
        self._anchor(picture, trail, face)
        if self._is_whole_clip:
            first = self._history[0].index if self._history else picture.index
            others = [o for o in (*self._trails, *self.ended) if o is not trail and o.last_frame >= first]
            boxes, seen = lead_of(picture, face.boxes_xyxy[0], self._history, others, self._settings)
            trail.lead(boxes, seen)
        return trail

    def _new_trail(self, picture: Picture, box_xyxy: Float32, score: float) -> Trail:
        bins = SampleBins(self._settings.max_samples)
        trail = Trail(self._num_trails, picture.index, picture.time_s, box_xyxy, score, bins)
        self._num_trails += 1
        self._trails.append(trail)
        return trail

    def _part_crossing(self) -> None:
        """Ends the trails of faces that begin or cease to overlap, and goes on with new ones in their places."""
        if len(self._trails) < 2 and not any(trail.crossing for trail in self._trails):
            return
        trails = list(self._trails)
        boxes = np.array([trail.box_xyxy for trail in trails], np.float32)
        overlap = box_iou(boxes, boxes)
        near = overlap - np.eye(len(trails), dtype=np.float32) > _CROSSING
        lost = np.array([trail.is_lost for trail in trails], np.bool_)
        if (near[lost].any()) or near[:, lost].any():
            # One went behind another: who comes out anew is not taken for either.
            for i, trail in enumerate(trails):
                if lost[i] and near[i].any():
                    self._end(trail)
                elif near[i, lost].any():
                    self._renew(trail, frozenset())
            return
        for i, trail in enumerate(trails):
            least = _PARTED if trail.crossing else _CROSSING
            over = {other.number for j, other in enumerate(trails) if j != i and overlap[i, j] > least}
            if bool(over) != bool(trail.crossing):
                self._renew(trail, frozenset(over))

    def _renew(self, trail: Trail, crossing: frozenset[int]) -> None:
        """Ends a trail before the last frame, where a new one goes on."""
        picture = self._last
        if picture is None or trail.first_frame == trail.last_frame:
            trail.crossing = crossing
            return
        heir = self._new_trail(picture, trail.box_xyxy, float("nan"))
        heir.put(heir.first_frame, trail.box_xyxy, trail.seen, trail.score)
        heir.model, heir.colours, heir.look = trail.model, trail.colours, trail.look
        heir.seen_s = trail.seen_s
        heir.is_lost, heir.misses, heir.crossing = trail.is_lost, trail.misses, crossing
        trail.cut_after(trail.last_frame - 1)
        self._trails.remove(trail)
        self._close(trail)

    def _look_before_giving_up(self, picture: Picture) -> None:
        """A face long followed and not detected may be turned away: the faintest sign of it is enough to go on."""
        for trail in self._trails:
            if trail.is_lost or picture.time_s - trail.seen_s <= self._settings.max_unseen_s:
                continue
            found = look_near(
                self._engine, picture.image_rgb, trail.box_xyxy, min_score=self._settings.faint_score
            )
            if len(found) and nearness(trail.box_xyxy[None], found.boxes_xyxy).max() > LEAST_NEAR:
                trail.seen_s = picture.time_s

    def _give_up(self, time_s: float) -> None:
        """Ends trails lost or undetected for too long, or gone from the picture, or a second time the same face."""
        settings = self._settings
        for trail in list(self._trails):
            unsure_s = (trail.last_frame - trail.sure_at) * self._frame_s(time_s)
            if time_s - trail.seen_s > settings.max_unseen_s or (
                trail.is_lost and unsure_s > settings.max_gap_s
            ):
                self._end(trail)

    def _frame_s(self, now_s: float) -> float:
        """The mean time from frame to frame so far; a camera's clock need not begin at 0."""
        first_s = now_s if self._first_s is None else self._first_s
        return (now_s - first_s) / max(1, self._num_frames - 1)

    def _count(self, time_s: float) -> None:
        if self._first_s is None:
            self._first_s = time_s
        self._num_frames += 1

    def _end(self, trail: Trail) -> None:
        """Takes a trail out; what it was held for too long is dropped."""
        frame_s = self._frame_s(self._last.time_s if self._last is not None else 0.0)
        hold = round(self._settings.hold_s / frame_s) if frame_s > 0 else 0
        trail.cut_after(trail.sure_at + hold)
        self._trails.remove(trail)
        self._close(trail)

    def _close(self, trail: Trail) -> None:
        if self._is_whole_clip:
            self._budget.add(trail.bins)
            self.ended.append(trail)

    def _remember(self, picture: Picture) -> None:
        """Keeps the working picture for following backwards, without the frame itself."""
        self._history.append(picture.without_frame())
        while self._history and self._history[0].time_s < picture.time_s - self._settings.back_s:
            self._history.popleft()
