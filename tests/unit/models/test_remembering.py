"""The suite's networks that remember: never another answer than the network's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from assent.models.store import ModelStore
from tests.remembering import RememberingModels, RememberingSession


class Counting:
    """Doubles; counts its runs."""

    inputs = outputs = ()

    def __init__(self) -> None:
        self.num_runs = 0

    def run(self, inputs):
        self.num_runs += 1
        return [2 * array for array in inputs.values()]


def test_equal_inputs_are_run_once_and_others_each() -> None:
    network = Counting()
    session = RememberingSession(network)
    rows = np.arange(6, dtype=np.float32)
    others = [
        rows + 1,
        rows.reshape(2, 3),
        rows.astype(np.int32),
        rows[:0],
        rows[:0].reshape(0, 4),
        rows[::2],
    ]
    asked: list[dict[str, Any]] = [{"a": rows}, {"b": rows}, *({"a": other} for other in others)]
    for inputs in asked:
        for _ in range(2):
            [answer] = session.run(inputs)
            np.testing.assert_array_equal(answer, 2 * next(iter(inputs.values())))
            answer[...] = 0  # the caller's own
    assert network.num_runs == 8


def test_what_is_kept_is_bounded() -> None:
    network = Counting()
    session = RememberingSession(network)
    for number in (0, 1, 2, 3, 0, 3):
        session.run({"a": np.full((6 << 20,), number, np.float32)})  # 24 MiB: two fit
    assert network.num_runs == 5


def test_the_real_network_answers_the_same(models_dir: Path) -> None:
    real = ModelStore(models_dir).load_session("centerface", threads=1)
    session = RememberingModels(models_dir).load_session("centerface", threads=1)
    image = np.random.default_rng(0).normal(size=(1, 3, 64, 96)).astype(np.float32)
    for _ in range(2):
        for got, wanted in zip(
            session.run({session.inputs[0].name: image}), real.run({real.inputs[0].name: image}), strict=True
        ):
            np.testing.assert_array_equal(got, wanted)
