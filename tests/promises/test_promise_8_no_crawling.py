"""Promise 8: nobody is enrolled by crawling: no pictures from addresses, no templates out, one collection a search."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import json
import socket
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assent as package
from assent import Assent
from assent.cli.output import to_json
from assent.errors import AssentError, NotFound, UnreadableImage, UsageError
from assent.service import calibrating, liveworking, living
from assent.types import Float32
from assent.vision.engine import FaceEngine
from tests.builders import Clock, agree
from tests.e2e.cli import Cli
from tests.promises.builders import PURPOSE, num_numbers, walk

SOURCE = Path(package.__file__).parent
URLS = (
    "http://127.0.0.1:9/a.jpg",
    "https://example.org/a.jpg",
    "HTTPS://EXAMPLE.ORG/a.jpg",
    "file:///etc/hostname",
    "ftp://example.org/a.jpg",
    "s3://bucket/a.jpg",
    "data:image/png;base64,iVBORw0KGgo=",
    "//example.org/a.jpg",
)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to reach anything fails the test."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("something was reached for over the network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, reached)
    monkeypatch.setattr(socket, "getaddrinfo", reached)


@pytest.mark.parametrize("url", URLS)
def test_an_address_is_no_photo(club: Assent, no_network: None, url: str) -> None:
    before = club.collections.get("club")
    for source in (url, Path(url), url.encode()):
        for act in (
            partial(club.enrol, source, person="ana", collection="club"),
            partial(club.search, source, collection="club", purpose=PURPOSE),
            partial(club.verify, source, person="ana", collection="club", purpose=PURPOSE),
            partial(club.detect, source),
        ):
            with pytest.raises((UsageError, NotFound, UnreadableImage)):
                act()
    with pytest.raises(AssentError):
        club.consents.record(
            "ana",
            purpose=PURPOSE,
            controller="Club",
            notice_text="text",
            notice_version="2",
            language="en",
            method="online-form",
            evidence=url,
            term=club.consents.list("ana")[0].expires_at - club.now(),
        )
    assert club.collections.get("club") == before


@pytest.mark.parametrize("url", URLS)
def test_the_command_line_takes_no_address(tmp_path: Path, no_network: None, url: str) -> None:
    cli = Cli(tmp_path / "data", tmp_path / "models")
    for line in (
        ("enrol", url, "--person", "ana", "-c", "club"),
        ("search", url, "-c", "club", "-p", PURPOSE),
        ("detect", url),
    ):
        printed = cli(*line)
        assert printed.code in (2, 5)
        assert printed.err.count("\n") == 1
        if "://" in url:
            assert "never fetched" in printed.err


# --- no code that could fetch

CLIENTS = {
    "aiohttp", "asyncio", "boto3", "botocore", "ftplib", "grpc", "http", "httpx", "httpx2", "imaplib", "paramiko",
    "poplib", "pycurl", "pymilvus", "requests", "smtplib", "socket", "socketserver", "ssl", "telnetlib", "unearth",
    "urllib3", "websockets", "xmlrpc",
}  # fmt: skip
# Who else holds one, and what for; never for an address that a photo, a request or a person names.
ALLOWED = {
    "objects/s3.py": {"boto3", "botocore.config"},  # the one S3 that the operator configured
    "notifications/webhook.py": {"httpx2"},  # the URLs that the operator configured, told and not read
    # told to, asked for nothing
    "notifications/aws.py": {"boto3", "botocore.config", "botocore.exceptions"},
    "evaluation/runs/endpoint.py": {"boto3", "botocore.client", "botocore.config"},  # the service under audit
    "evaluation/runs/calls.py": {"botocore.client", "botocore.exceptions"},
    "wire/model.py": {"botocore.loaders", "botocore.model"},  # shapes, read from files
    "server/protocol.py": {"asyncio"},  # what listens
    "server/housekeeping.py": {"asyncio"},
    "server/app.py": {"asyncio"},
    "server/admission.py": {"asyncio"},
    "server/gate.py": {"asyncio"},
    "server/bodies.py": {"asyncio"},
    "server/running.py": {"socket", "ssl"},
    "gallery/milvus_connection.py": {"grpc", "pymilvus"},  # the one Milvus that the operator configured
    "service/livedoor.py": {"socket"},  # a socket of this machine's file system, to a worker of this user's
}
FETCHERS = {"assent.models.fetch", "assent.models.download", "assent.models.pip_settings"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = ast.unparse(node.func)
            if name in ("__import__", "importlib.import_module", "import_module"):
                yield str(node.args[0].value)


def may_reach(module: str) -> bool:
    """Whether a module is a network client."""
    return module.split(".")[0] in CLIENTS or module.startswith("urllib.request")


def fetching_imports(tree: ast.AST) -> set[str]:
    return {module for module in imported(tree) if may_reach(module)}


def test_only_the_model_store_has_a_network_client() -> None:
    files = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] != "models"]
    assert len(files) > 50
    found = {str(path.relative_to(SOURCE)): fetching_imports(ast.parse(path.read_text())) for path in files}
    names = {
        path: {module for module in modules if not _is_within(module, path)}
        for path, modules in found.items()
    }
    assert {path: modules for path, modules in names.items() if modules} == {}
    assert set(ALLOWED) <= {path for path, modules in found.items() if modules}


def _is_within(module: str, path: str) -> bool:
    """Whether it is one that this file may have, a name in it, or a status's number."""
    allowed = ALLOWED.get(path, set())
    return module in ("http", "http.HTTPStatus") or any(
        module == name or module.startswith(f"{name}.") for name in allowed
    )


def test_only_the_demonstration_uses_the_model_stores_way_to_fetch() -> None:
    """Its photographs are named, with their hashes, in its source."""
    users = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] != "models"
        and {m for m in imported(ast.parse(path.read_text())) if m in FETCHERS}
    }
    assert users <= {"demo/photos.py"}


@pytest.mark.parametrize(
    "source",
    [
        "import requests",
        "from urllib.request import urlopen",
        "import http.client as c",
        "__import__('socket')",
    ],
)
def test_a_network_client_is_recognised(source: str) -> None:
    assert fetching_imports(ast.parse(source))


VIDEO_OPENERS = {
    ("video/reading.py", "f'file:{path}'"),
    ("video/writing.py", "file"),
    ("live/opening.py", "self.source"),
    ("live/opening.py", "self._name()"),
}
"""Where PyAV is asked to open something, and what: a local file told to be one, a file that is open already, and what
the operator declared to be a place's camera, with the protocols that it may use."""


def test_nothing_opens_a_video_or_picture_by_a_name_that_a_library_would_resolve() -> None:
    opened = set()
    for path in SOURCE.rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        assert not names & {"cv2.VideoCapture", "cv2.imread", "urlopen"}, path
        for call in calls:
            if ast.unparse(call.func) == "av.open":
                opened.add((str(path.relative_to(SOURCE)), ast.unparse(call.args[0])))
    assert opened == VIDEO_OPENERS


def test_a_video_that_names_an_address_is_not_fetched(tmp_path: Path) -> None:
    from assent.video.reading import ClipReader

    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/part.ts"
        playlist = tmp_path / "list.m3u8"
        playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n")
        with pytest.raises(AssentError):
            ClipReader(playlist)
        with contextlib.suppress(TimeoutError):
            asked.append(server.accept()[0].recv(99))
    assert asked == []


# --- no template out

MAX_NUMBERS = 16
"""Five landmarks have ten numbers; the smallest template has far more."""


@dataclasses.dataclass
class Planted:
    template: Float32


def held_templates(club: Assent) -> Float32:
    with club._ctx.records.reading() as tx:
        return tx.gallery_rows("club", kind="template").vectors


def test_no_answer_holds_a_template(club: Assent, answers: dict[str, Any]) -> None:
    for document in (answers, json.loads(json.dumps(to_json(answers)))):
        assert [path for path, value in walk(document) if num_numbers(value) > MAX_NUMBERS] == []
    text = json.dumps(to_json(answers))
    for value in held_templates(club).ravel():
        assert f"{float(value):.6f}"[:-1] not in text or abs(value) < 1e-4


def test_a_template_in_an_answer_is_noticed() -> None:
    planted = {"faces": [Planted(np.ones(128, np.float32))]}
    assert [p for p, value in walk(planted) if num_numbers(value) > MAX_NUMBERS] == [".faces[].template"]


def test_no_command_prints_a_template(
    club: Assent, demo_photos: Path, models_dir: Path, engine: FaceEngine, clock: Clock
) -> None:
    clock.at = datetime.now(UTC)  # the command line's own
    agree(club, "cid", purpose=PURPOSE)
    cli = Cli(club.settings.data_dir, models_dir)
    photo, person = demo_photos / "obama_partial_face.jpg", ("--person", "cid", "-c", "club")
    lines: list[tuple[object, ...]] = [
        ("enrol", photo, *person),
        ("search", photo, "-c", "club", "-p", PURPOSE),
        ("verify", photo, *person, "-p", PURPOSE),
        ("detect", photo),
        ("export", "cid"),
        ("collection", "show", "club"),
        ("person", "list"),
        ("consent", "list"),
        ("log", "show"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assent.vision.engine.FaceEngine.open", lambda *_args, **_options: engine)
        documents = [cli.json(*line) for line in lines]
    assert [path for path, value in walk(documents) if num_numbers(value) > MAX_NUMBERS] == []


def test_no_public_method_returns_a_type_that_holds_a_template(club: Assent) -> None:
    names_of_types = {**vars(calibrating), **vars(living), **vars(liveworking)}
    parts = (
        club,
        club.people,
        club.consents,
        club.collections,
        club.places,
        club.users,
        club.reviews,
        club.jobs,
        club.access,
    )
    for owner in parts:
        for name, method in inspect.getmembers(owner, inspect.ismethod):
            if name.startswith("_"):
                continue
            returned = typing.get_type_hints(method, localns=names_of_types).get("return")
            names = set(_fields_within(returned, set()))
            assert not {
                n for n in names if "template" in n and n.rpartition(".")[2] in ("template", "templates")
            }, name
            assert not {
                n for n in names if n.rpartition(".")[2] in ("vector", "vectors", "embedding", "embeddings")
            }


def _fields_within(kind: Any, seen: set[Any]) -> Iterator[str]:
    """Names of the fields of a type and of the types in them."""
    for inner in typing.get_args(kind):
        yield from _fields_within(inner, seen)
    if inspect.isclass(kind) and dataclasses.is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            yield f"{kind.__name__}.{field.name}"
            yield from _fields_within(hints[field.name], seen)


def test_no_command_exports_templates() -> None:
    from tests.e2e.test_cli import commands

    assert not {
        w
        for c in commands()
        for w in c
        if w in ("template", "templates", "embedding", "embed", "dump", "crawl")
    }


# --- one collection


def test_a_search_is_of_one_collection(club: Assent, demo_photos: Path) -> None:
    for function in (Assent.search, Assent.verify, Assent.enrol):
        parameter = inspect.signature(function).parameters["collection"]
        assert parameter.default is inspect.Parameter.empty
        assert parameter.annotation in (str, "str")
    club.collections.create("other", purpose=PURPOSE)
    agree(club, "joe", purpose=PURPOSE)
    club.enrol(demo_photos / "biden.jpg", person="joe", collection="other")
    for collection, who in (("club", []), ("other", ["joe"])):
        result = club.search(demo_photos / "biden.jpg", collection=collection, purpose=PURPOSE)
        assert [candidate.person for candidate in result.candidates] == who
    for several in ("club,other", "*", "%", "", ["club", "other"], ("club",), None, "club' OR '1'='1"):
        with pytest.raises((UsageError, NotFound)):
            club.search(demo_photos / "biden.jpg", collection=several, purpose=PURPOSE)  # type: ignore[arg-type]


def test_the_command_line_searches_one_collection(tmp_path: Path, demo_photos: Path) -> None:
    printed = Cli(tmp_path / "data", tmp_path / "models")(
        "search", demo_photos / "obama.jpg", "-c", "club", "-c", "other", "-p", PURPOSE
    )
    assert printed.code in (2, 5)
    assert "one collection" in printed.err
