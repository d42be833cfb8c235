"""Promise 1 for live video: no stranger's template survives its track, in memory or on disk."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assent import Assent
from assent.errors import PlaceNotReady
from assent.live.analysis import LiveAnalysis
from assent.live.naming import Naming
from assent.service.liveoptions import LiveOptions
from assent.types import Face, Float32, UInt8
from assent.vision.engine import FaceEngine
from tests.promises.builders import PURPOSE, files_under
from tests.unit.live.clips import portrait_frames, write_clip
from tests.unit.service.test_places import agree_to


@pytest.fixture(scope="module")
def stranger_clip(tmp_path_factory: pytest.TempPathFactory, demo_photos: Path) -> Path:
    path = tmp_path_factory.mktemp("stranger") / "stranger.mkv"
    return write_clip(path, portrait_frames(demo_photos / "biden.jpg", 25), fps=20)


class Spy:
    """Networks that remember what they embedded: a copy, and whether the original still lives."""

    def __init__(self, engine: FaceEngine) -> None:
        self._engine = engine
        self.copies: list[Float32] = []

    def look(self, *args: Any, **options: Any) -> Any:
        return self._engine.look(*args, **options)

    def templates(self, image_rgb: UInt8, faces: list[Face]) -> Float32:
        made = self._engine.templates(image_rgb, faces)
        self.copies.append(made[0].copy())
        return made


def bytes_of(template: Float32) -> bytes:
    """A run of a template's bytes that nothing else has."""
    return template.tobytes()[:64]


@pytest.fixture
def door(club: Assent) -> Assent:
    club.places.add("door", collection="club", responsible="Club", notice="Members are recognised here.")
    agree_to(club, "ana", "door")
    return club


def test_nobody_is_recognised_where_nobody_agreed(club: Assent, stranger_clip: Path) -> None:
    club.places.add("attic", collection="club", responsible="Club", notice="Nobody agreed to this.")
    with pytest.raises(PlaceNotReady):
        club.live("attic", source=str(stranger_clip))


def test_no_strangers_template_is_in_memory_when_its_track_has_ended(
    engine: FaceEngine, demo_photos: Path
) -> None:
    class Nobody:
        def search(self, template: Float32) -> None:
            kept.append(weakref.ref(template))

        def is_still(self, person: str, template: Float32) -> bool:
            return False

    kept: list[Any] = []
    spy = Spy(engine)
    analysis = LiveAnalysis(spy)
    frames = portrait_frames(demo_photos / "biden.jpg", 8)
    for number, frame in enumerate(frames):
        analysis.update(frame, 0.15 * number, Nobody())
    wall = np.full_like(frames[0], 160)
    for number in range(8):  # they walk out of the picture
        analysis.update(wall, 2.0 + 0.5 * number, Nobody())
    gc.collect()
    assert len(spy.copies) >= 3
    assert len(kept) == len(spy.copies)
    assert [ref() for ref in kept if ref() is not None] == []
    held = [item for item in gc.get_objects() if isinstance(item, Naming) and item._asked]
    assert held == []


def test_templates_are_overwritten_and_not_only_dropped(engine: FaceEngine, demo_photos: Path) -> None:
    seen: list[Float32] = []

    class Nobody:
        def search(self, template: Float32) -> None:
            seen.append(template)  # a reference that outlives the track, as a bug might hold one

        def is_still(self, person: str, template: Float32) -> bool:
            return False

    class Holding(Spy):
        """Holds what the network gave, too."""

        def templates(self, image_rgb: UInt8, faces: list[Face]) -> Float32:
            given.append(super().templates(image_rgb, faces))
            return given[-1]

    given: list[Float32] = []
    analysis = LiveAnalysis(Holding(engine))
    for number, frame in enumerate(portrait_frames(demo_photos / "biden.jpg", 8)):
        analysis.update(frame, 0.15 * number, Nobody())
    assert len(seen) >= 3
    assert len(given) >= 3
    analysis.end()
    assert not any(template.any() for template in [*seen, *given])


def test_nothing_of_a_stranger_is_on_the_disk(
    door: Assent, stranger_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: FaceEngine
) -> None:
    spy = Spy(engine)
    run = door.live("door", source=str(stranger_clip), options=LiveOptions(max_fps=20, has_preview=True))
    monkeypatch.setattr(run._analysis, "_networks", spy)
    run.run()
    assert len(spy.copies) >= 3
    door.close()
    for path, content in files_under(tmp_path).items():
        for template in spy.copies:
            assert bytes_of(template) not in content, path
        assert b"\xff\xd8\xff" not in content, path  # no picture either


def test_the_same_stranger_twice_is_two_strangers(door: Assent, stranger_clip: Path) -> None:
    """No record of one appearance has anything in common with another's but the kind of act."""
    for _ in range(2):
        door.live("door", source=str(stranger_clip), options=LiveOptions(max_fps=20)).run()
    entries = door.log(kinds=["search"])
    assert len(entries) >= 2
    known = {"seq", "at", "kind", "actor", "leaf_sha256", "candidates", "num_pictures"}
    facts = [{name: value for name, value in entry.items() if name not in known} for entry in entries]
    assert all(entry["candidates"] == [] for entry in entries)
    assert all(fact == facts[0] for fact in facts), facts
    assert set(facts[0]) <= {
        "purpose", "collection", "epoch", "model", "gallery_size", "fpir_target", "requested_similarity",
        "applied_similarity", "max_fmr", "num_faces", "num_refused", "medium", "place",
    }  # fmt: skip
    assert facts[0]["purpose"] == PURPOSE
