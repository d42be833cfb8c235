from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from assent.errors import DownloadFailed, ModelCorrupt, ModelError, ModelMissing, ModelUnsupported, NotFound
from assent.models.files import sha256_of
from assent.models.manifest import MANIFEST_NAME, ModelEntry, to_toml
from assent.models.pip_settings import IndexSettings
from assent.models.shape_predictor import read_shape_predictor
from assent.models.store import ModelState, ModelStore
from tests.unit.models.builders import (
    arcface_model,
    centerface_like_model,
    residual_network,
    shape_predictor_file,
    yunet_model,
)
from tests.unit.models.server import FileServer
from tests.unit.models.test_fetch import html_page, serve_index, tar_of

NET = residual_network()
TREES, _ = shape_predictor_file()
CENTERFACE = centerface_like_model()
ARCFACE = arcface_model(32, batch=1)
ARCHIVE = tar_of("p/net.dat", NET)


def entry(name: str, data: bytes, source: Mapping[str, object], **fields: object) -> ModelEntry:
    return ModelEntry.model_validate(
        {
            "name": name,
            "sha256": sha256_of(data),
            "size_bytes": len(data),
            "licence": "test",
            "source": source,
            "colour_order": "rgb",
            **fields,
        }
    )


EMBEDDER = {
    "kind": "embedder",
    "input_width": 112,
    "input_height": 112,
    "alignment": "arcface-112",
    "output_dim": 32,
}


class World:
    """A store whose own manifest points to a local server."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self.server = server
        self.store = ModelStore(folder)
        package = {
            "type": "package",
            "project": "p",
            "version": "1",
            "filename": "p-1.tar.gz",
            "sha256": sha256_of(ARCHIVE),
            "size_bytes": len(ARCHIVE),
            "member": "p/net.dat",
        }
        self.entries = {
            "net": entry("net", NET, package, family="dlib-resnet", file="net.dat", **EMBEDDER),
            "net-2": entry("net-2", NET, package, family="dlib-resnet", file="net-2.dat", **EMBEDDER),
            "trees": entry(
                "trees", TREES, self.url("/t", TREES), family="dlib-shape-5", kind="landmarks", file="t.dat"
            ),
            "cf": entry(
                "cf",
                CENTERFACE,
                self.url("/c", CENTERFACE),
                family="centerface",
                kind="detector",
                file="c.onnx",
            ),
            "arc": entry(
                "arc", ARCFACE, self.url("/a", ARCFACE), family="arcface", file="a.onnx", **EMBEDDER
            ),
        }
        server.add("/files/p-1.tar.gz", ARCHIVE)
        serve_index(server, html_page('<a href="/files/p-1.tar.gz">x</a>'))
        server.files["/simple/p/"] = server.files.pop("/simple/some-models/")
        folder.mkdir()
        self.write_manifest()

    def url(self, path: str, data: bytes) -> dict[str, object]:
        return {"type": "url", "url": self.server.add(path, data)}

    def write_manifest(self) -> None:
        text = "\n".join(to_toml(item) for item in self.entries.values())
        (self.store.models_dir / MANIFEST_NAME).write_text(text, encoding="utf-8")

    def pull(self, *names: str, force: bool = False) -> None:
        for status in self.store.pull(names or list(self.entries), force=force):
            assert status.state is ModelState.READY, status

    def file(self, name: str) -> Path:
        return self.store.models_dir / name


@pytest.fixture
def world(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    # Asking pip takes a good part of a second; the processes of the last tests do ask it.
    settings = IndexSettings(index_url=server.url("/simple"))
    monkeypatch.setattr("assent.models.pip_settings.read_index_settings", lambda: settings)
    return World(server, tmp_path / "models")


def flip_byte(path: Path, at: int = 100) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_an_empty_store_knows_what_it_lacks(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "absent")
    statuses = store.verify()
    assert [status.name for status in statuses] == [item.name for item in store.entries()]
    assert {status.state for status in statuses} == {ModelState.MISSING}
    assert "assent models pull centerface" in statuses[0].detail
    assert not (tmp_path / "absent").exists()
    for use in (store.path, store.load_session):
        with pytest.raises(ModelMissing, match="assent models pull centerface"):
            use("centerface")
    with pytest.raises(ModelMissing, match="assent models pull dlib-shape-5"):
        store.load_trees("dlib-shape-5")


@pytest.mark.parametrize("use", ["entry", "status", "verify", "path", "load_session", "load_trees"])
def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, use: str) -> None:
    with pytest.raises(NotFound, match=r"centerface, .*'centreface'"):
        getattr(ModelStore(tmp_path), use)("centreface")


def test_pull_makes_every_kind_of_model_ready(world: World) -> None:
    world.pull()
    assert world.store.path("net") == world.file("net.onnx")
    assert world.store.path("trees") == world.file("trees.npz")
    assert world.store.path("arc") == world.file("a.onnx")
    names = {path.name for path in world.store.models_dir.iterdir()}
    assert {"net.dat", "t.dat", "c.onnx", "a.onnx", "cf.dynamic.onnx", "state.json"} <= names
    assert not any(world.file("downloads").iterdir())
    assert not [name for name in names if name.endswith(".part")]


def test_an_archive_is_fetched_once_for_all_its_members(world: World) -> None:
    world.pull("net", "net-2")
    assert world.server.paths().count("/files/p-1.tar.gz") == 1


def test_what_was_pulled_can_be_run(world: World) -> None:
    world.pull()
    image = np.zeros((1, 3, 64, 96), np.float32)
    heatmap = world.store.load_session("cf", threads=1).run({"image_rgb": image})[0]
    assert heatmap.shape == (1, 1, 16, 24)
    chips = np.random.default_rng(0).uniform(0, 1, (5, 3, 112, 112)).astype(np.float32)
    assert world.store.load_session("arc", threads=1).run({"data": chips})[0].shape == (5, 32)
    trees, expected = world.store.load_trees("trees"), read_shape_predictor(TREES)
    for field in fields(expected):
        np.testing.assert_array_equal(getattr(trees, field.name), getattr(expected, field.name))


def test_nobody_is_asked_when_all_is_there(world: World) -> None:
    world.pull()
    world.server.requests.clear()
    before = {path: path.stat().st_mtime_ns for path in world.store.models_dir.iterdir()}
    world.pull()
    assert world.server.requests == []
    assert {path: path.stat().st_mtime_ns for path in world.store.models_dir.iterdir()} == before


def test_force_fetches_again(world: World) -> None:
    world.pull("arc")
    world.pull("arc", force=True)
    assert world.server.paths().count("/a") == 2


@pytest.mark.parametrize(
    ("name", "file"), [("net", "net.dat"), ("net", "net.onnx"), ("arc", "a.onnx"), ("trees", "trees.npz")]
)
def test_one_changed_byte_is_found(world: World, name: str, file: str) -> None:
    world.pull()
    expected = sha256_of(world.file(file).read_bytes())
    flip_byte(world.file(file))
    got = sha256_of(world.file(file).read_bytes())

    use = world.store.load_trees if name == "trees" else world.store.load_session
    for call in (use, world.store.path):
        with pytest.raises(ModelCorrupt) as caught:
            call(name)
        message = caught.value.message
        assert str(world.file(file)) in message
        assert f"expected sha256 {expected}, got {got}" in message
        assert f"assent models pull {name} --force" in message
    (status,) = world.store.verify(name)
    assert status.state is ModelState.CORRUPT
    assert status.detail == message

    world.pull(name, force=True)
    assert world.file(file).exists()


def test_a_changed_converted_file_is_made_again_without_asking_anybody(world: World) -> None:
    world.pull()
    world.server.requests.clear()
    flip_byte(world.file("net.onnx"))
    world.pull("net")
    assert world.server.requests == []


@pytest.mark.parametrize("state", [b"", b"not json", b"[]", b'{"version": 1, "made": {"net": 3}}', None])
def test_a_lost_or_damaged_record_is_made_again(world: World, state: bytes | None) -> None:
    world.pull()
    if state is None:
        world.file("state.json").unlink()
    else:
        world.file("state.json").write_bytes(state)
    with pytest.raises(ModelMissing, match="assent models pull net"):
        world.store.path("net")
    world.server.requests.clear()
    world.pull()
    assert world.server.requests == []


def test_what_an_older_version_made_is_made_again(world: World) -> None:
    world.pull("net")
    state = json.loads(world.file("state.json").read_text())
    state["made"]["net"]["conversion"] = "dlib-resnet/0"
    world.file("state.json").write_text(json.dumps(state))
    with pytest.raises(ModelMissing, match="dlib-resnet/0"):
        world.store.path("net")
    world.pull("net")


def test_a_wrong_file_is_refused_and_nothing_is_left(world: World) -> None:
    world.server.files["/a"].body = bytes(len(ARCFACE))
    with pytest.raises(DownloadFailed, match="expected sha256"):
        world.store.pull(["arc"])
    assert world.store.status("arc").state is ModelState.MISSING
    assert not any(world.file("downloads").iterdir())


def test_an_interrupted_pull_goes_on(world: World) -> None:
    world.server.files["/a"].cut_after = [1000] + [0] * 8
    with pytest.raises(DownloadFailed):
        world.store.pull(["arc"])
    assert world.store.status("arc").state is ModelState.MISSING
    world.server.files["/a"].cut_after.clear()
    world.server.requests.clear()
    world.pull("arc")
    assert [request.range for request in world.server.requests] == ["bytes=1000-"]


def test_a_source_that_cannot_be_converted_is_one_clear_error(world: World) -> None:
    body = b"no network"
    world.entries["bad"] = entry(
        "bad", body, world.url("/b", body), family="dlib-resnet", file="bad.dat", **EMBEDDER
    )
    world.write_manifest()
    with pytest.raises(ModelUnsupported, match="bad: expected"):
        world.store.pull(["bad"])
    assert world.store.status("bad").state is ModelState.MISSING


def test_a_local_file_that_is_gone_cannot_be_pulled(world: World) -> None:
    local = {"type": "local"}
    world.entries["own"] = entry("own", ARCFACE, local, family="arcface", file="own.onnx", **EMBEDDER)
    world.write_manifest()
    with pytest.raises(ModelMissing, match=r"own\.onnx as it was added"):
        world.store.pull(["own"])
    world.file("own.onnx").write_bytes(ARCFACE)
    world.pull("own")


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="ASSENT_MODELS_DIR"):
        ModelStore(tmp_path / "file" / "models").pull(["yunet-2023mar"])


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "centerface.onnx").mkdir()
    with pytest.raises(ModelError, match="expected to read"):
        ModelStore(tmp_path).path("centerface")


def test_the_digest_depends_on_what_is_run_and_not_on_names_or_order(world: World) -> None:
    store = world.store
    digest = store.digest(["net", "trees"])
    assert len(digest) == 64
    assert store.digest(["trees", "net"]) == digest
    assert store.digest(["trees", "net-2"]) == digest
    others = {
        digest,
        store.digest(["net"]),
        store.digest(["net", "trees", "cf"]),
        store.digest(["net", "cf"]),
    }
    assert len(others) == 4
    world.entries["net"] = world.entries["net"].model_copy(update={"colour_order": "bgr"})
    world.write_manifest()
    assert store.digest(["net", "trees"]) not in others


def test_the_digest_of_the_default_models_is_what_profiles_were_made_with(tmp_path: Path) -> None:
    """A calibration belongs to a digest: changing this one makes every committed profile useless."""
    digest = ModelStore(tmp_path).digest(["centerface", "dlib-resnet-v1", "dlib-shape-5"])
    assert digest == "bf49fa517fedf86d83a2b7cb6c1e884f9d5bfb0c02020d3591ea311cd12a1f4a"


def _pull_in_process(folder: Path) -> None:
    ModelStore(folder).pull(["net", "cf", "arc"])


def test_two_pulls_at_once_do_the_work_once(world: World) -> None:
    for served in world.server.files.values():
        served.pause_s = 0.05
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_pull_in_process, args=(world.store.models_dir,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    for path in ("/files/p-1.tar.gz", "/a", "/c"):
        assert world.server.paths().count(path) == 1
    for name in ("net", "cf", "arc"):
        assert world.store.status(name).state is ModelState.READY


def test_the_default_models_are_ready_and_make_embeddings(models_dir: Path) -> None:
    store = ModelStore(models_dir)
    for name in ("centerface", "dlib-resnet-v1", "dlib-shape-5"):
        assert store.status(name).state is ModelState.READY
    session = store.load_session("dlib-resnet-v1", threads=1)
    embeddings = session.run({"image_rgb": np.zeros((2, 3, 150, 150), np.float32)})[0]
    assert embeddings.shape == (2, 128)


def test_a_detector_keeps_its_batch(world: World) -> None:
    body = yunet_model()
    world.entries["yu"] = entry(
        "yu", body, world.url("/y", body), family="yunet", kind="detector", file="y.onnx"
    )
    world.write_manifest()
    world.pull("yu")
    outputs = world.store.load_session("yu", threads=1).run({"input": np.zeros((1, 3, 64, 96), np.float32)})
    assert outputs[0].shape == (1, 8 * 12, 1)
