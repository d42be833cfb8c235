"""Heads for the clips of this folder."""

from __future__ import annotations

import pytest

from assent.demo.photos import fetch_photos
from assent.vision.decode import decode_image
from assent.vision.engine import FaceEngine
from tests.conftest import REPOSITORY
from tests.unit.video.scenes import Head


def _head(engine: FaceEngine, name: str) -> Head:
    photo = (fetch_photos(REPOSITORY / "build" / "photos") / name).read_bytes()
    return Head(engine, decode_image(photo).image_rgb)


@pytest.fixture(scope="session")
def first_head(engine: FaceEngine) -> Head:
    return _head(engine, "obama.jpg")


@pytest.fixture(scope="session")
def second_head(engine: FaceEngine) -> Head:
    return _head(engine, "biden.jpg")
