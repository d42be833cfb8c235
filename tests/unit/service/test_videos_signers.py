"""The signers' clips: who was enrolled from one clip is confirmed in their others, and nobody else is."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from assent import Assent, Settings
from assent.errors import PoorQuality
from assent.service.videos import decide, search_tracks
from assent.video.analysis import analyse
from assent.video.reading import ClipReader
from assent.video.types import Analysis
from tests.builders import agree

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine

SIGNERS = {
    "again": "a",
    "no": "a",
    "bird": "b",
    "milk": "b",
    "book": "c",
    "learn": "c",
    "walk": "c",
    "sister": "d",
}
NUM_PHOTOS = 3


@pytest.fixture(scope="module")
def clips(shared_data: Path, engine: FaceEngine) -> dict[str, Analysis]:
    """Every signer's clip, looked through."""
    found = {}
    for name in SIGNERS:
        with ClipReader(shared_data / "video" / f"{name}.mkv") as clip:
            found[name] = analyse(clip.frames(), clip.facts, engine)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("enrolled", sorted(SIGNERS))
def test_a_signer_is_confirmed_in_their_other_clips_and_nobody_else(
    clips: dict[str, Analysis], engine: FaceEngine, models_dir: Path, tmp_path: Path, enrolled: str
) -> None:
    settings = Settings(data_dir=tmp_path / "data", models_dir=models_dir)
    with Assent(settings=settings, engine=engine) as assent:
        assent.collections.create("club", purpose="club-photos")
        agree(assent, "who")
        for sample in clips[enrolled].tracks[0].samples:
            buffer = io.BytesIO()
            Image.fromarray(sample.crop_rgb).save(buffer, "PNG")
            with suppress(PoorQuality):
                assent.enrol(buffer.getvalue(), person="who", collection="club", choose="largest")
            if len(assent.collections.templates("club", "who")) == NUM_PHOTOS:
                break
        for name, clip in clips.items():
            if name == enrolled:
                continue
            result = search_tracks(assent._ctx, clip, collection="club", purpose="club-photos")
            shown = [decision.index for decision in decide(result) if decision.is_visible]
            assert shown == ([0] if SIGNERS[name] == SIGNERS[enrolled] else []), name
