"""A user's own networks, from `assent models add` to what the service makes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.cli import PURPOSE, Cli
from tests.unit.models.builders import arcface_model


@pytest.fixture
def cli(tmp_path: Path, models_dir: Path) -> Cli:
    """A data folder whose models may be added to, the networks opened for each command."""
    models = tmp_path / "models"
    shutil.copytree(models_dir, models)
    return Cli(tmp_path / "data", models)


def test_a_yunet_detector_finds_the_same_face(
    cli: Cli, shared_models: Path, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = demo_photos / "obama2.jpg"
    [ours] = cli.json("detect", photo)[0]["faces"]
    [file] = shared_models.glob("face_detection_yunet_*.onnx")
    cli.ok("models", "add", file, "--name", "my-yunet", "--family", "yunet", "--licence", "MIT")
    monkeypatch.setenv("ASSENT_DETECTOR", "my-yunet")
    [theirs] = cli.json("detect", photo)[0]["faces"]
    (x0, y0, x1, y1), (u0, v0, u1, v1) = ours["box_xyxy"], theirs["box_xyxy"]
    overlap = max(0, min(x1, u1) - max(x0, u0)) * max(0, min(y1, v1) - max(y0, v0))
    union = (x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - overlap
    assert overlap / union > 0.6


def test_an_arcface_embedder_enrols_and_is_not_searched_without_a_calibration(
    cli: Cli, demo_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.onnx"
    file.write_bytes(arcface_model(dim=512))
    cli.ok(
        "models", "add", file, "--name", "own", "--family", "arcface", "--licence", "ours", "--colours", "bgr"
    )
    [entry] = [model for model in cli.json("models", "list") if model["name"] == "own"]
    assert (entry["colour_order"], entry["output_dim"], entry["state"]) == ("bgr", 512, "ready")

    monkeypatch.setenv("ASSENT_EMBEDDER", "own")
    cli.ok("collection", "create", "club", "--purpose", PURPOSE)
    cli.ok("person", "add", "ana")
    cli.agree("ana", tmp_path)
    [made] = cli.json("enrol", demo_photos / "obama.jpg", "--person", "ana", "-c", "club")
    assert made["enrolment"]["similarity_to_earlier"] is None
    refused = cli("search", demo_photos / "obama2.jpg", "-c", "club", "-p", PURPOSE)
    assert refused.code == 8
    assert "no score without an error rate" in refused.err

    # Templates of two models are never compared.
    monkeypatch.delenv("ASSENT_EMBEDDER")
    refused = cli("search", demo_photos / "obama2.jpg", "-c", "club", "-p", PURPOSE)
    assert refused.code == 2
    assert "templates of two models cannot be compared" in refused.err
