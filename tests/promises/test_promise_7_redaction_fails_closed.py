"""Promise 7: redaction fails closed. Undecided is hidden, and nothing is copied through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assent import Assent
from assent.errors import ImageError
from assent.service.images import load_image
from assent.service.pictures import encode_png
from assent.service.redacting import Redaction
from assent.types import UInt8
from assent.vision.redact import redact
from tests.promises.builders import PURPOSE


def hidden_share(before: UInt8, after: UInt8, box_xyxy: np.ndarray) -> float:
    """The share of a box's pixels that are not what they were."""
    x0, y0, x1, y1 = np.clip(np.round(box_xyxy).astype(int), 0, None)
    return float(np.any(before[y0:y1, x0:x1] != after[y0:y1, x0:x1], axis=2).mean())


def test_whoever_is_not_a_candidate_is_hidden(club: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "biden.jpg"
    result = club.search(photo, collection="club", purpose=PURPOSE, thorough=True)
    before = load_image(photo, club.settings).image_rgb
    after = club.annotate(photo, result).image_rgb
    for answer in result.faces:
        assert answer.face is not None
        assert hidden_share(before, after, answer.face.box_xyxy) > 0.98


def test_a_copy_that_keeps_who_consented_hides_a_stranger(
    club: Assent, demo_photos: Path, tmp_path: Path
) -> None:
    photo, target = demo_photos / "biden.jpg", tmp_path / "copy.png"
    result = club.search(photo, collection="club", purpose=PURPOSE, thorough=True)
    [face] = [answer.face for answer in result.faces]
    assert face is not None
    done = club.redact_photo(photo, target, Redaction(collection="club", purpose=PURPOSE))
    assert (done.num_hidden, done.num_shown) == (1, 0)
    before, after = (load_image(path, club.settings).image_rgb for path in (photo, target))
    assert hidden_share(before, after, face.box_xyxy) > 0.98


def test_a_consent_that_ends_hides_the_face_in_the_next_picture(club: Assent, demo_photos: Path) -> None:
    photo = demo_photos / "obama3.jpg"
    shown = club.annotate(photo, club.search(photo, collection="club", purpose=PURPOSE, thorough=True))
    club.consents.withdraw(club.consents.list("ana")[0].id)
    hidden = club.annotate(photo, club.search(photo, collection="club", purpose=PURPOSE, thorough=True))
    assert (shown.num_shown, hidden.num_shown) == (1, 0)
    assert hidden.num_hidden == shown.num_shown + shown.num_hidden


def test_a_face_too_poor_to_search_is_hidden_even_of_somebody_enrolled(
    club: Assent, demo_photos: Path, tmp_path: Path
) -> None:
    picture = Image.open(demo_photos / "obama3.jpg").convert("RGB").resize((430, 700)).resize((215, 350))
    dark = tmp_path / "dark.png"
    dark.write_bytes(encode_png(np.asarray(np.asarray(picture) // 9, np.uint8)))
    result = club.search(dark, collection="club", purpose=PURPOSE, thorough=True)
    assert result.faces
    assert all(answer.refused for answer in result.faces)
    assert club.annotate(dark, result).num_hidden == len(result.faces)


def test_an_answer_without_candidates_hides_everybody(club: Assent, demo_photos: Path) -> None:
    """Whatever was decided about a face is in the answer; without it nothing is left visible."""
    photo = demo_photos / "obama3.jpg"
    result = club.search(photo, collection="club", purpose=PURPOSE, thorough=True)
    undecided = replace(result, faces=tuple(replace(answer, candidates=()) for answer in result.faces))
    assert club.annotate(photo, undecided).num_shown == 0


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([np.nan, 0, 10, 10], id="not a number"),
        pytest.param([0, 0, np.inf, 10], id="infinite"),
        pytest.param([20, 20, 10, 10], id="inverted"),
    ],
)
def test_a_region_that_cannot_be_hidden_gives_no_picture(box: list[float]) -> None:
    image_rgb = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError):
        redact(image_rgb, np.array([box], np.float32))


def test_a_photo_that_cannot_be_read_gives_no_picture(
    club: Assent, demo_photos: Path, tmp_path: Path
) -> None:
    photo = demo_photos / "obama3.jpg"
    result = club.search(photo, collection="club", purpose=PURPOSE)
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(photo.read_bytes()[:20_000])
    with pytest.raises(ImageError):
        club.annotate(torn, result)
