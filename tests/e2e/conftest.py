"""A club of two consenting people, made once through the command line and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from assent.config import Settings
from tests.builders import add_profile
from tests.e2e import consoles
from tests.e2e.cli import PURPOSE, Cli

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

    from assent import Assent
    from assent.vision.engine import FaceEngine
    from tests.e2e.wire import Wire


@pytest.fixture
def one_engine(engine: FaceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks are opened once for all commands of this process; subprocesses open their own."""
    _share(monkeypatch, engine)


def _share(monkeypatch: pytest.MonkeyPatch, engine: FaceEngine) -> None:
    from assent.vision.engine import FaceEngine

    monkeypatch.setattr(FaceEngine, "open", lambda *_args, **_options: engine)


@pytest.fixture(scope="session")
def made_club(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, engine: FaceEngine, demo_photos: Path
) -> Path:
    """Folder with ``data`` and ``data.keys``: ana with two photos, bea with one; calibrated."""
    folder = tmp_path_factory.mktemp("club")
    cli = Cli(folder / "data", models_dir)
    with pytest.MonkeyPatch.context() as patch:
        _share(patch, engine)
        add_profile(Settings(data_dir=cli.data), engine.model_digest)
        cli.ok("collection", "create", "club", "--purpose", PURPOSE)
        for person, name, photos in (
            ("ana", "Ana Lovelace", ["obama.jpg", "obama2.jpg"]),
            ("bea", "Bea Byron", ["astronaut.png"]),
        ):
            cli.ok("person", "add", person, "--name", name)
            cli.agree(person, folder)
            files = [demo_photos / photo for photo in photos]
            cli.ok("enrol", *files, "--person", person, "-c", "club")
    return folder


@pytest.fixture
def club(made_club: Path, tmp_path: Path, models_dir: Path, one_engine: None) -> Cli:
    """The club in this test's own folder."""
    for name in ("data", "data.keys"):
        shutil.copytree(made_club / name, tmp_path / name)
    return Cli(tmp_path / "data", models_dir)


@pytest.fixture
def empty(tmp_path: Path, models_dir: Path, one_engine: None) -> Cli:
    """A data folder that is not there yet."""
    return Cli(tmp_path / "data", models_dir)


@pytest.fixture(scope="session")
def group_photo(demo_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ana and a stranger in one photograph."""
    halves = [
        np.asarray(Image.open(demo_photos / name).convert("RGB").resize((500, 600)))
        for name in ("obama3.jpg", "biden.jpg")
    ]
    path = tmp_path_factory.mktemp("group") / "group.jpg"
    Image.fromarray(np.concatenate(halves, axis=1)).save(path, quality=95)
    return path


@pytest.fixture
def club_wire(made_club: Path, tmp_path: Path, models_dir: Path, engine: FaceEngine) -> Iterator[Wire]:
    """A server on the club's data: ana with two photos, bea with one."""
    from assent import Assent
    from tests.e2e.wire import running

    for name in ("data", "data.keys"):
        shutil.copytree(made_club / name, tmp_path / name)
    settings = Settings(data_dir=tmp_path / "data", models_dir=models_dir)
    with Assent(settings=settings, actor="tester", engine=engine) as assent, running(assent) as wire:
        yield wire


@pytest.fixture
def empty_wire(tmp_path: Path, models_dir: Path, engine: FaceEngine) -> Iterator[Wire]:
    """A server on an empty data folder, calibrated."""
    from assent import Assent
    from tests.e2e.wire import running

    settings = Settings(data_dir=tmp_path / "data", models_dir=models_dir)
    add_profile(settings, engine.model_digest)
    with Assent(settings=settings, actor="tester", engine=engine) as assent, running(assent) as wire:
        yield wire


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all tests; each has a profile of its own in it."""
    browser = playwright.chromium.launch(executable_path=consoles.CHROMIUM, args=consoles.ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def stage(assent: Assent, chromium: Browser) -> Iterator[consoles.Stage]:
    """An empty console; nothing on its pages may break, complain or ask another host."""
    with consoles.serve(assent) as address:
        watch = consoles.Watch(address)
        yield consoles.Stage(assent, address, watch, chromium)
        for context in list(chromium.contexts):
            context.close()
    assert (watch.errors, watch.elsewhere) == ([], [])
