from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assent.errors import AlreadyExists, ModelCorrupt, ModelError, ModelUnsupported, UsageError
from assent.models.add import Feeding, add_model
from assent.models.files import sha256_of
from assent.models.manifest import MANIFEST_NAME
from assent.models.store import ModelState, ModelStore
from tests.unit.models.builders import (
    arcface_model,
    centerface_like_model,
    residual_network,
    scrfd_model,
    shape_predictor_file,
    yunet_model,
)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def add(store: ModelStore, data: bytes, family: str, *, name: str = "mine", **options: object) -> ModelState:
    file = store.models_dir.parent / "brought.bin"
    file.write_bytes(data)
    status = add_model(store, file, name=name, family=family, licence="own", **options)  # type: ignore[arg-type]
    return status.state


def is_untouched(store: ModelStore) -> bool:
    left = {path.name for path in store.models_dir.iterdir()} if store.models_dir.exists() else set()
    return left <= {".lock"}


@pytest.mark.parametrize(
    ("family", "data", "kind", "size", "dim"),
    [
        ("arcface", arcface_model(512), "embedder", (112, 112), 512),
        ("arcface", arcface_model(128, batch=1), "embedder", (112, 112), 128),
        ("arcface", arcface_model(512, side="S"), "embedder", (112, 112), 512),
        ("yunet", yunet_model(), "detector", (None, None), None),
        ("yunet", yunet_model(64), "detector", (64, 64), None),
        ("scrfd", scrfd_model(), "detector", (None, None), None),
        ("scrfd", scrfd_model(96), "detector", (96, 96), None),
        ("centerface", centerface_like_model(), "detector", (None, None), None),
        ("dlib-shape-5", shape_predictor_file()[0], "landmarks", (None, None), None),
        ("dlib-resnet", residual_network(side=150), "embedder", (150, 150), 5),
    ],
)
def test_a_model_of_each_family_is_added(
    store: ModelStore,
    family: str,
    data: bytes,
    kind: str,
    size: tuple[int | None, int | None],
    dim: int | None,
) -> None:
    assert add(store, data, family) is ModelState.READY
    entry = store.entry("mine")
    assert (entry.kind, entry.family, entry.sha256) == (kind, family, sha256_of(data))
    assert (entry.input_width, entry.input_height) == size
    assert entry.output_dim == dim
    assert entry.alignment == {"arcface": "arcface-112", "dlib-resnet": "dlib-150"}.get(family)
    if kind == "landmarks":
        assert store.load_trees("mine").num_points == 5
    else:
        assert store.load_session("mine", threads=1).inputs[0].shape[1] == 3


def test_the_usual_feeding_of_each_family_is_written(store: ModelStore) -> None:
    add(store, arcface_model(), "arcface", name="arc")
    add(store, yunet_model(), "yunet", name="yu")
    add(store, scrfd_model(), "scrfd", name="sc")
    arc, yu, sc = (store.entry(name) for name in ("arc", "yu", "sc"))
    assert (arc.colour_order, arc.mean[0], arc.std[0]) == ("rgb", 127.5, 127.5)
    assert (yu.colour_order, yu.mean[0], yu.std[0]) == ("bgr", 0.0, 1.0)
    assert (sc.colour_order, sc.mean[0], sc.std[0]) == ("rgb", 127.5, 128.0)


def test_another_feeding_can_be_said(store: ModelStore) -> None:
    add(store, arcface_model(), "arcface", feeding=Feeding("bgr", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
    entry = store.entry("mine")
    assert (entry.colour_order, entry.mean, entry.std) == ("bgr", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


def test_what_the_user_wrote_in_the_manifest_stays(store: ModelStore) -> None:
    store.models_dir.mkdir()
    (store.models_dir / MANIFEST_NAME).write_text("# my notes\n", encoding="utf-8")
    add(store, yunet_model(), "yunet", name="one")
    add(store, yunet_model(64), "yunet", name="two")
    assert (store.models_dir / MANIFEST_NAME).read_text(encoding="utf-8").startswith("# my notes\n")
    assert [entry.name for entry in store.entries()][-2:] == ["one", "two"]


@pytest.mark.parametrize(
    ("family", "data", "complaint"),
    [
        ("arcface", b"no model", "ONNX Runtime can load"),
        ("arcface", arcface_model(side=224), "an input of 112 x 112"),
        ("arcface", arcface_model(channels=1), r"an input \(N, 3, H, W\)"),
        ("arcface", arcface_model(scale=0.0), "embeddings with a direction"),
        ("arcface", arcface_model(scale=float("nan")), "finite results"),
        ("arcface", yunet_model(112), r"embeddings \(1, D\)"),
        ("yunet", yunet_model(without="kps_32"), "outputs cls_8, cls_16"),
        ("yunet", scrfd_model(), "outputs cls_8, cls_16"),
        ("scrfd", scrfd_model(landmarks=False), "nine outputs"),
        ("scrfd", scrfd_model(anchors=1), "results of shapes"),
        ("scrfd", yunet_model(), "nine outputs"),
        ("centerface", yunet_model(), "outputs of"),
        ("centerface", b"no model", "an ONNX file"),
        ("dlib-resnet", residual_network(side=39), "an input of 150 x 150"),
        ("dlib-resnet", arcface_model(), "expected"),
        ("dlib-shape-5", residual_network(), "expected"),
        ("dlib-shape-5", shape_predictor_file(num_points=68)[0], "5 points, got 68"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_nothing_is_written(
    store: ModelStore, family: str, data: bytes, complaint: str
) -> None:
    with pytest.raises(ModelUnsupported, match=complaint):
        add(store, data, family)
    assert is_untouched(store)


@pytest.mark.parametrize("name", ["Mine", "", "a b", "../up", "-x", "x" * 65])
def test_a_malformed_name_is_refused(store: ModelStore, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        add(store, yunet_model(), "yunet", name=name)
    assert is_untouched(store)


def test_an_unknown_family_lists_the_known_ones(store: ModelStore) -> None:
    with pytest.raises(UsageError, match="centerface, yunet, scrfd, arcface"):
        add(store, yunet_model(), "facenet")


def test_an_empty_licence_is_refused(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(yunet_model())
    with pytest.raises(UsageError, match="licence"):
        add_model(store, tmp_path / "f", name="mine", family="yunet", licence="")


def test_a_missing_file_is_one_clear_error(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a readable model file"):
        add_model(store, tmp_path / "absent", name="mine", family="yunet", licence="own")


def test_a_published_hash_is_checked(store: ModelStore) -> None:
    data = yunet_model()
    with pytest.raises(ModelCorrupt, match=f"expected sha256 {'0' * 64}, got {sha256_of(data)}"):
        add(store, data, "yunet", sha256="0" * 64)
    assert add(store, data, "yunet", sha256=sha256_of(data).upper()) is ModelState.READY


@pytest.mark.parametrize("name", ["mine", "centerface", "centerface.dynamic", "dlib-resnet-v1"])
def test_a_name_that_is_taken_is_refused(store: ModelStore, name: str) -> None:
    add(store, yunet_model(), "yunet", name="mine")
    before = (store.models_dir / "mine.onnx").read_bytes()
    with pytest.raises(AlreadyExists, match="choose another"):
        add(store, yunet_model(64), "yunet", name=name)
    assert (store.models_dir / "mine.onnx").read_bytes() == before


def test_a_manifest_that_cannot_be_written_leaves_no_file(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        if path.name == MANIFEST_NAME:
            raise ModelError("no room")
        path.write_bytes(data)

    monkeypatch.setattr("assent.models.store.write_atomically", refuse)
    with pytest.raises(ModelError, match="no room"):
        add(store, residual_network(side=150), "dlib-resnet")
    assert not list(store.models_dir.glob("mine*"))


def test_the_digest_of_an_added_model_is_its_own(store: ModelStore) -> None:
    add(store, arcface_model(seed=1), "arcface", name="one")
    add(store, arcface_model(seed=2), "arcface", name="two")
    assert store.digest(["one"]) != store.digest(["two"])


def test_a_real_yunet_is_added(store: ModelStore, shared_models: Path) -> None:
    file = shared_models / "face_detection_yunet_2026may.onnx"
    status = add_model(store, file, name="yunet-2026may", family="yunet", licence="MIT")
    assert status.state is ModelState.READY
    outputs = store.load_session("yunet-2026may", threads=1).run(
        {"input": np.zeros((1, 3, 96, 160), np.float32)}
    )
    assert [output.shape[1:] for output in outputs[:3]] == [(240, 1), (60, 1), (15, 1)]
