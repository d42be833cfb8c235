"""The interface over an empty data folder, and over a club of two; new, or shared by tests that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assent import Assent
from tests.builders import Clock, add_profile, make_settings
from tests.unit.rest.builders import Api

if TYPE_CHECKING:
    from assent.vision.engine import FaceEngine


@pytest.fixture
def api(assent: Assent) -> Iterator[Api]:
    """Nobody and nothing yet."""
    with Api(assent) as opened:
        yield opened


@pytest.fixture
def club(api: Api, demo_photos: Path) -> Api:
    """Ana with two photos, bea with one."""
    enrol_two(api, demo_photos)
    return api


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, engine: FaceEngine) -> Iterator[Api]:
    """Somebody called ``joe`` who agreed to nothing; for requests that are refused."""
    settings = make_settings(tmp_path_factory.mktemp("still"), models_dir)
    add_profile(settings, engine.model_digest)
    with (
        Assent(settings=settings, actor="tester", clock=Clock(), engine=engine) as assent,
        Api(assent) as opened,
    ):
        opened.ok("POST", "/people", status=201, json={"ref": "joe"})
        yield opened


@pytest.fixture(scope="module")
def still_club(still: Api, demo_photos: Path) -> Api:
    """``still``, with the club in it, and kim, who agreed to something else."""
    enrol_two(still, demo_photos)
    still.agree("kim", purpose="door")
    return still


def enrol_two(api: Api, demo_photos: Path) -> None:
    """Make the collection ``club`` with ana and bea."""
    api.club()
    for person, names in {"ana": ("obama.jpg", "obama2.jpg"), "bea": ("astronaut.png",)}.items():
        api.agree(person)
        for name in names:
            api.ok(
                "POST",
                "/collections/club/templates",
                status=201,
                files={"image": (demo_photos / name).read_bytes()},
                data={"person": person},
            )
