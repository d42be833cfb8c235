"""A data folder whose galleries are searched by Milvus: nobody who left comes back, whatever Milvus does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assent import Assent
from assent.config import Settings
from assent.errors import IndexUnavailable, UsageError
from assent.gallery import MilvusIndex
from assent.service import indexes as indexes_module
from assent.vision.engine import FaceEngine
from tests.builders import Clock, add_profile, agree, make_settings
from tests.milvus import Lite
from tests.unit.service.conftest import PURPOSE, enrol_both

pytestmark = pytest.mark.xdist_group("milvus")


@pytest.fixture
def own_lite(tmp_path: Path) -> Iterator[Lite]:
    own = Lite(tmp_path / "lite")
    yield own
    own.stop()


@pytest.fixture
def open_club(
    tmp_path: Path, models_dir: Path, engine: FaceEngine, clock: Clock, own_lite: Lite
) -> Iterator[Callable[[], Assent]]:
    """Opens a data folder whose galleries are in Milvus."""
    given = {"index": "milvus", "milvus_uri": own_lite.uri, "milvus_timeout_s": 2.0}
    settings = make_settings(tmp_path, models_dir).model_copy(update=given)
    add_profile(settings, engine.model_digest)
    opened: list[Assent] = []

    def open_one() -> Assent:
        opened.append(Assent(settings=settings, actor="tester", clock=clock, engine=engine))
        return opened[-1]

    yield open_one
    for assent in opened:
        assent.close()


def found(assent: Assent, photo: Path) -> list[str]:
    result = assent.search(photo, collection="club", purpose=PURPOSE)
    return [candidate.person for candidate in result.candidates]


def indexes(assent: Assent) -> list[Any]:
    galleries = [place.gallery for place in assent._ctx.galleries._places.values()]
    return [index for gallery in galleries if gallery is not None for index in gallery.indexes.values()]


def test_who_leaves_is_not_found_again_here_or_after_a_restart(
    open_club: Callable[[], Assent], own_lite: Lite, demo_photos: Path
) -> None:
    club, photo = open_club(), demo_photos / "obama3.jpg"
    club.collections.create("club", purpose=PURPOSE)
    enrol_both(club, "club", demo_photos)
    assert found(club, photo) == ["ana"]
    assert all(isinstance(index, MilvusIndex) for index in indexes(club))
    held = [bytes(v.tobytes()) for index in indexes(club) for rows in index.batches() for v in rows.templates]
    content = own_lite.content()
    assert held
    assert not any(template[:16] in content for template in held)
    [consent] = club.consents.list("ana")
    receipt = club.consents.withdraw(consent.id)
    assert receipt.destroyed
    assert found(club, photo) == []
    assert found(club, demo_photos / "astronaut.png") == ["bea"]
    club.close()
    assert own_lite.collections() == set()
    assert list((club.settings.data_dir / "milvus").iterdir()) == []
    again = open_club()
    assert found(again, photo) == []
    assert found(again, demo_photos / "astronaut.png") == ["bea"]


def test_milvus_down_or_without_the_collection_is_said_and_searches_go_on_after(
    open_club: Callable[[], Assent], own_lite: Lite, demo_photos: Path
) -> None:
    club, photo = open_club(), demo_photos / "obama3.jpg"
    club.collections.create("club", purpose=PURPOSE)
    enrol_both(club, "club", demo_photos)
    assert found(club, photo) == ["ana"]
    before = indexes(club)
    for name in own_lite.collections():
        own_lite.drop(name)
    with pytest.raises(IndexUnavailable, match="no more"):
        found(club, photo)
    assert found(club, photo) == ["ana"]
    assert not set(before) & set(indexes(club))
    before = indexes(club)
    own_lite.stop()
    # enrolment and withdrawal are in the records and do not wait for Milvus
    agree(club, "cleo", purpose=PURPOSE)
    club.enrol(demo_photos / "biden.jpg", person="cleo", collection="club")
    with pytest.raises(IndexUnavailable, match="see that it runs and can be reached"):
        found(club, photo)
    own_lite.start()
    assert found(club, demo_photos / "biden.jpg") == ["cleo"]
    assert set(before) == set(indexes(club))
    own_lite.stop()
    club.consents.withdraw(club.consents.list("ana")[0].id)
    assert indexes(club) == []
    own_lite.start()
    assert found(club, demo_photos / "biden.jpg") == ["cleo"]
    assert found(club, photo) == []
    club.close()
    assert own_lite.collections() == set()


def test_settings_that_do_not_go_together_are_said(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opening(**given: Any) -> None:
        settings = Settings(data_dir=tmp_path / "data", models_dir=models_dir, **given)
        Assent(settings=settings).close()

    with pytest.raises(UsageError, match="set ASSENT_MILVUS_URI"):
        opening(index="milvus")
    with pytest.raises(UsageError, match="no user or password") as caught:
        opening(index="milvus", milvus_uri="http://root:hush@host:19530")
    assert "hush" not in str(caught.value)
    monkeypatch.setattr(indexes_module, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'assent\[milvus\]'"):
        opening(index="milvus", milvus_uri="http://host:19530")
    with pytest.raises(UsageError, match=r"pip install 'assent\[scale\]'"):
        opening(index="faiss")
    opening(index="auto")
