"""Decisions on a clip, and copies of photos and videos through the service."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assent.errors import AlreadyExists, NotFound, UsageError
from assent.service.batches import kind_of_file, plan
from assent.service.decisions import (
    AddedBox,
    Decisions,
    Kept,
    Verdict,
    decisions_of,
    read_decisions,
    regions_of,
    write_decisions,
)
from assent.service.redacting import Redaction
from assent.video.types import Analysis, Shot, Track
from tests.video import FACTS


def _analysis() -> Analysis:
    def track(index: int, first: int, count: int) -> Track:
        boxes = np.tile(np.array([10 * index, 5, 10 * index + 8, 15], np.float32), (count, 1))
        return Track(index, first, boxes, np.zeros(count, np.uint8), np.ones(count, np.float32))

    tracks = (track(0, 0, 4), track(1, 2, 5), track(2, 3, 2))
    return Analysis(FACTS, np.arange(8) / 25, (Shot(0, 7),), tracks)


def _decisions() -> Decisions:
    verdicts = {0: Verdict("keep", "ana", "kept"), 1: Verdict("hide", None, "nobody")}
    kept = Kept(collection="club", purpose="club-photos", people=None)
    return decisions_of(_analysis(), verdicts, sha256="0" * 64, start_s=0.0, end_s=None, kept=kept)


def test_what_is_not_decided_is_hidden() -> None:
    decisions = _decisions()
    assert [track.decision for track in decisions.tracks] == ["keep", "hide", "hide"]
    assert [track.index for track in decisions.hidden] == [1, 2]


def test_written_and_read_they_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "decisions.json"
    write_decisions(path, _decisions())
    assert read_decisions(path) == _decisions()
    assert "template" not in path.read_text()


def test_regions_by_frame_in_any_order() -> None:
    decisions = _decisions().model_copy(
        update={"added": (AddedBox(from_s=0.2, to_s=0.24, box_xyxy=(50, 50, 60, 60)),)}
    )
    regions = regions_of(decisions)
    expected = {0: [], 1: [], 2: [10], 3: [10, 20], 4: [10, 20], 5: [10, 50], 6: [10, 50], 7: []}
    for frame in [*range(8), 3, 0, 6]:
        assert regions(frame)[:, 0].tolist() == expected[frame]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body["tracks"][0].update(decision="show"), "tracks.0.decision"),
        (lambda body: body["tracks"][0].update(first_frame=6), "track 0"),
        (lambda body: body["tracks"][0]["boxes_xyxy"].__setitem__(0, [9, 9, 1, 1]), "x0 <= x1"),
        (lambda body: body["tracks"][1].update(index=0), "one index"),
        (lambda body: body.update(added=[{"from_s": 2, "to_s": 1, "box_xyxy": [0, 0, 1, 1]}]), "before"),
        (lambda body: body.update(format="other"), "format"),
    ],
)
def test_a_correction_that_is_none_is_refused_with_its_place(tmp_path: Path, change, said: str) -> None:
    path = tmp_path / "decisions.json"
    write_decisions(path, _decisions())
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))
    with pytest.raises(UsageError, match=said):
        read_decisions(path)


def test_a_photo_loses_its_place_and_thumbnail_and_stands_upright(
    tmp_path: Path, engine, demo_photos: Path, models_dir: Path
) -> None:
    from assent import Assent
    from assent.config import Settings

    with Image.open(demo_photos / "obama.jpg") as photo:
        upright = photo.convert("RGB")
    upright.thumbnail((500, 500))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    exif[0x010F] = "Camera Maker"
    exif.get_ifd(0x8825)[1] = "N"
    source = tmp_path / "in.jpg"
    upright.rotate(90, expand=True).save(source, exif=exif, quality=95)
    settings = Settings(data_dir=tmp_path / "data", models_dir=models_dir)
    with Assent(settings=settings, engine=engine) as assent:
        done = assent.redact_photo(source, tmp_path / "out.jpg")
        assert (done.num_hidden, done.num_shown) == (1, 0)
        assert not assent.detect(tmp_path / "out.jpg").faces
        with pytest.raises(AlreadyExists):
            assent.redact_photo(source, tmp_path / "out.jpg")
        with pytest.raises(UsageError, match="original"):
            assent.redact_photo(source, source)
    with Image.open(tmp_path / "out.jpg") as made:
        assert made.size == upright.size
        assert not made.getexif()
        assert made.format == "JPEG"
    assert b"Camera Maker" not in (tmp_path / "out.jpg").read_bytes()


def test_a_folder_keeps_its_tree_and_nothing_is_copied_through(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.jpg", "deep/b.png"):
        Image.new("RGB", (32, 32)).save(folder / name)
    for name in ("c.mp4", "d.avi", "notes.txt"):
        (folder / name).write_bytes(b"x")
    batch = plan([folder], tmp_path / "out")
    made = {str(work.target.relative_to(tmp_path / "out")): work.kind for work in batch.works}
    assert made == {"a.jpg": "photo", "deep/b.png": "photo", "c.mp4": "video", "d.avi.mp4": "video"}
    assert [path.name for path in batch.ignored] == ["notes.txt"]
    for inside in (folder, folder / "deep" / "out"):
        with pytest.raises(UsageError, match="among the originals"):
            plan([folder], inside)
    with pytest.raises(UsageError, match="both become"):
        plan([folder / "a.jpg", folder / "a.jpg"], tmp_path / "out")
    with pytest.raises(NotFound):
        plan([tmp_path / "absent"], tmp_path / "out")


def test_a_gif_is_a_video_where_it_moves(tmp_path: Path) -> None:
    still, moving = tmp_path / "still.gif", tmp_path / "moving.gif"
    frames = [Image.new("L", (20, 20), shade) for shade in (0, 90, 200)]
    frames[0].save(still)
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    assert (kind_of_file(still), kind_of_file(moving)) == ("photo", "video")


def test_a_look_that_is_stopped_goes_on_and_comes_to_the_same(
    tmp_path: Path, engine, demo_photos: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assent import Assent
    from assent.config import Settings
    from assent.service import looks
    from tests.video import write_clip

    class Stopped(Exception):
        pass

    with Image.open(demo_photos / "obama.jpg") as one, Image.open(demo_photos / "biden.jpg") as two:
        source = write_clip(tmp_path / "in.mkv", [(one, 16), (two, 14)])
    out, edit = tmp_path / "copies" / "out.mkv", tmp_path / "edits" / "edit.json"
    left = edit.with_name(".out.mkv.assent-look.json")
    asked = Redaction(dry_run=True)
    monkeypatch.setattr(looks, "EVERY_S", 0.0)
    monkeypatch.setattr(looks, "_SHARE", 0)
    settings = Settings(data_dir=tmp_path / "data", models_dir=models_dir)
    with Assent(settings=settings, engine=engine) as assent:
        whole = assent.redact_video(source, out, asked, edit=edit)
        assert whole.is_analysed
        assert {path.name for path in edit.parent.iterdir()} == {"edit.json"}
        expected = edit.read_bytes()
        edit.unlink()
        told: list[float] = []
        for num_frames in (8, 19):
            told.clear()

            def stop() -> None:
                if left.exists() and told and told[-1] * 25 >= num_frames:  # noqa: B023
                    raise Stopped

            with pytest.raises(Stopped):
                assent.redact_video(
                    source, out, asked, edit=edit, stop=stop, looking=lambda s, _: told.append(s)
                )
            assert not edit.exists()
        began = json.loads(left.read_bytes())
        assert set(began) == {"head", "state"}
        told.clear()
        again = assent.redact_video(source, out, asked, edit=edit, looking=lambda s, _: told.append(s))
        assert told[0] * 25 > 17
        assert edit.read_bytes() == expected
        assert again.is_analysed
        assert {path.name for path in edit.parent.iterdir()} == {"edit.json"}
        # Of another clip, or damaged: looked at anew.
        for broken in (b"{", json.dumps({**began, "head": {}}).encode()):
            edit.unlink()
            left.write_bytes(broken)
            told.clear()
            assent.redact_video(source, out, asked, edit=edit, looking=lambda s, _: told.append(s))
            assert told[0] == 0
            assert edit.read_bytes() == expected
    assert not out.parent.exists()
