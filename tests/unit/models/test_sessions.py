from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assent.errors import ModelUnsupported
from assent.models.sessions import FixedBatchSession, OrtSession
from tests.unit.models.builders import arcface_model


def blob(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 3, 112, 112)).astype(np.float32)


def test_names_and_shapes_are_the_models() -> None:
    session = OrtSession(arcface_model(64), name="m", threads=1)
    assert [(i.name, list(i.shape)) for i in session.inputs] == [("data", ["N", 3, 112, 112])]
    assert [(o.name, list(o.shape)) for o in session.outputs] == [("embedding", ["N", 64])]


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_results_do_not_depend_on_threads(threads: int) -> None:
    model = arcface_model(16)
    expected = OrtSession(model, name="m", threads=1).run({"data": blob(3)})[0]
    got = OrtSession(model, name="m", threads=threads).run({"data": blob(3)})[0]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("model", [b"", b"not a model", arcface_model()[:-100]])
def test_a_broken_model_is_one_clear_error(model: bytes) -> None:
    with pytest.raises(
        ModelUnsupported, match="broken-one: expected a model that ONNX Runtime can load"
    ) as caught:
        OrtSession(model, name="broken-one")
    assert caught.value.__cause__ is not None
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "inputs",
    [
        {"data": np.zeros((1, 3, 96, 96), np.float32)},
        {"data": np.zeros((1, 3, 112, 112), np.float64)},
        {"other": np.zeros((1, 3, 112, 112), np.float32)},
        {},
    ],
)
def test_inputs_it_does_not_take_are_one_clear_error(inputs: dict[str, np.ndarray]) -> None:
    session = OrtSession(arcface_model(), name="m", threads=1)
    with pytest.raises(ModelUnsupported, match="m: expected inputs that the model takes"):
        session.run(inputs)


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_takes_any_number(batch: int, total: int) -> None:
    free = OrtSession(arcface_model(8), name="free", threads=1)
    fixed = FixedBatchSession(OrtSession(arcface_model(8, batch=batch), name="fixed", threads=1), batch)
    expected = free.run({"data": blob(total)})[0]
    got = fixed.run({"data": blob(total)})[0]
    assert got.shape == (total, 8)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert fixed.inputs[0].name == "data"
    assert fixed.outputs[0].name == "embedding"


def test_the_runtime_tells_nobody_what_runs_here(tmp_path: Path) -> None:
    """ONNX Runtime's own packages report to their maker, by way of a folder in the user's cache."""
    model, home = tmp_path / "m.onnx", tmp_path / "home"
    model.write_bytes(arcface_model())
    home.mkdir()
    silencing = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "TF_BUILD", "GITHUB_ACTIONS"}
    environment = {name: value for name, value in os.environ.items() if name not in silencing}
    script = (
        "import sys; from pathlib import Path; from assent.models.sessions import OrtSession\n"
        "OrtSession(Path(sys.argv[1]).read_bytes(), name='m', threads=1)"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(model)],
        env=environment | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")},
        check=True,
    )
    assert list(home.rglob("*")) == []
