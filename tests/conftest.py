"""What every test may use: models, real photographs, and a clean environment.

Models and photographs come from the package index by name and hash, once, into the ignored ``build/``
folder; where the index cannot be reached, tests that need them fail, as `make test` itself would have.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from assent import Assent
    from assent.vision.engine import FaceEngine
    from tests.builders import Clock
    from tests.stores import SchemaWriter

# One thread for each process, those that tests start included: the suite runs as many processes as there are cores, and
# threads that wait for work take time from them.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# The same examples every time: a failure can be repeated. `make test-slow` looks for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None, print_blob=True)

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"
ROOM_IN_MEMORY = 4 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run tests marked slow too")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("searching" if config.getoption("--slow") else "repeatable")
    # Records are flushed to the disk at every change; where there is room in memory the suite takes a third less time.
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_IN_MEMORY:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_unconfigure() -> None:
    """Drop what a failed test's traceback still holds, while Milvus Lite in this process has threads to answer with."""
    used = sys.modules.get("assent.gallery.milvus_ending")
    if used is not None:
        used.close_all()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with `make test-slow`"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's own data, and none sees the user's settings."""
    for name in list(os.environ):
        if name.startswith("ASSENT_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))


@pytest.fixture(scope="session")
def schema_writer() -> SchemaWriter:
    """The schema of new records, migrated once for each test process."""
    from assent.store import database
    from tests.stores import SchemaWriter

    return SchemaWriter(database.migrate)


@pytest.fixture(autouse=True)
def quick_new_stores(schema_writer: SchemaWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """New SQLite stores of this process get the migrated schema without migrating (see ``tests.stores``).

    Keys, ids and all rows are made as ever. Migrations run in ``tests/conformance``, in programs that tests start, for
    stores that several tests share, and with ``real_migrations``.
    """
    from assent.store import database

    monkeypatch.setattr(database, "migrate", schema_writer)


@pytest.fixture
def real_migrations(
    quick_new_stores: None, schema_writer: SchemaWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New stores of this test are migrated, as users' are."""
    from assent.store import database

    monkeypatch.setattr(database, "migrate", schema_writer.migrate)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test photographs and videos beside the project; skips where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is not beside the project")
    return folder


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of extra model files beside the project; skips where it is absent."""
    folder = SHARED / "models"
    if not folder.is_dir():
        pytest.skip("../shared/models is not beside the project")
    return folder


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The default models, fetched once into ``build/models``."""
    from assent.models.store import ModelStore

    folder = Path(os.environ.get("ASSENT_TEST_MODELS", REPOSITORY / "build" / "models"))
    ModelStore(folder).pull()
    return folder


@pytest.fixture(scope="session")
def engine(models_dir: Path) -> FaceEngine:
    """The default engine on one thread: the suite runs as many processes as there are cores.

    Its networks are the real ones and are not asked the same twice (see ``tests.remembering``).
    """
    from assent.vision.engine import FaceEngine
    from tests.remembering import RememberingModels

    return FaceEngine.open(RememberingModels(models_dir), threads=1)


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    from tests.builders import Clock

    return Clock()


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    """Where the test's key file is or will be."""
    return tmp_path / "keys" / "master.key"


@pytest.fixture
def open_assent(
    tmp_path: Path, models_dir: Path, engine: FaceEngine, clock: Clock
) -> Iterator[Callable[..., Assent]]:
    """Opens the test's own data folder, as often as called: calibrated, on the test's clock, networks shared.

    ``calibrated=False`` leaves the calibration out.
    """
    from assent import Assent
    from tests.builders import add_profile, make_settings

    opened: list[Assent] = []

    def open_one(*, calibrated: bool = True, actor: str = "tester") -> Assent:
        settings = make_settings(tmp_path, models_dir)
        if calibrated:
            add_profile(settings, engine.model_digest)
        opened.append(Assent(settings=settings, actor=actor, clock=clock, engine=engine))
        return opened[-1]

    yield open_one
    for assent in opened:
        assent.close()


@pytest.fixture
def assent(open_assent: Callable[..., Assent]) -> Assent:
    """One open data folder (see ``open_assent``)."""
    return open_assent()


@pytest.fixture(scope="session")
def demo_photos() -> Path:
    """Real portraits: obama.jpg, obama2.jpg, obama3.jpg, obama_partial_face.jpg ..., biden.jpg, astronaut.png."""
    from assent.demo.photos import fetch_photos

    return fetch_photos(REPOSITORY / "build" / "photos")


@pytest.fixture(scope="session")
def short_clip(demo_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real video of 1.6 seconds: 15 frames of ana (obama3.jpg), 15 of a stranger (biden.jpg), 10 black."""
    from PIL import Image

    from tests.video import write_clip

    with Image.open(demo_photos / "obama3.jpg") as ana, Image.open(demo_photos / "biden.jpg") as joe:
        parts = [(ana.copy(), 15), (joe.copy(), 15), (None, 10)]
    return write_clip(tmp_path_factory.mktemp("clips") / "short.mkv", parts)
