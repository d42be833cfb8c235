"""The only home of ONNX Runtime: providers, threads, memory, and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from assent.errors import ModelUnsupported

RUNTIME_VERSION: Final = str(ort.__version__)

ort.disable_telemetry_events()  # where somebody imported it before ``assent.models`` could forbid it altogether
ort.set_default_logger_severity(3)  # warnings are about graphs that we did not make; errors are raised anyway


class TensorInfo(Protocol):
    """An input or output of a model: its name, type and shape (a free dimension is a string or None)."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class ModelSession(Protocol):
    """A model that can be run."""

    @property
    def inputs(self) -> Sequence[TensorInfo]:
        """What it takes."""

    @property
    def outputs(self) -> Sequence[TensorInfo]:
        """What it gives, in the order of ``run``."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The outputs, in order.

        Args:
            inputs: every input by name.

        Raises:
            ModelUnsupported: shapes or types that the model does not take.
        """


class OrtSession:
    """A model run by ONNX Runtime on the CPU.

    Args:
        model: the serialised model.
        name: what messages call it.
        threads: how many work on one call; 0 takes the machine's cores.

    Raises:
        ModelUnsupported: the bytes are not an ONNX model that this ONNX Runtime can run.
    """

    def __init__(self, model: bytes, *, name: str, threads: int = 0) -> None:
        self._name = name
        with _translated_errors(name, "a model that ONNX Runtime can load"):
            self._session = ort.InferenceSession(
                model, sess_options=_options(threads), providers=["CPUExecutionProvider"]
            )

    @property
    def inputs(self) -> Sequence[TensorInfo]:
        """What it takes."""
        infos: Sequence[TensorInfo] = self._session.get_inputs()
        return infos

    @property
    def outputs(self) -> Sequence[TensorInfo]:
        """What it gives."""
        infos: Sequence[TensorInfo] = self._session.get_outputs()
        return infos

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The outputs, in order; see ``ModelSession.run``."""
        with _translated_errors(self._name, "inputs that the model takes"):
            return [np.asarray(output) for output in self._session.run(None, dict(inputs))]


class FixedBatchSession:
    """Lets a model that was exported for a fixed number of images take any number.

    Args:
        session: the model, whose inputs and outputs all have the batch as their first dimension.
        batch: how many it takes at a time.
    """

    def __init__(self, session: ModelSession, batch: int) -> None:
        self._session = session
        self._batch = batch

    @property
    def inputs(self) -> Sequence[TensorInfo]:
        """What the model declares."""
        return self._session.inputs

    @property
    def outputs(self) -> Sequence[TensorInfo]:
        """What the model declares."""
        return self._session.outputs

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The outputs of several calls, put together; the last one is filled up with copies of its end."""
        total = len(next(iter(inputs.values())))
        parts = [self._run_from(inputs, start) for start in range(0, total, self._batch)]
        return [np.concatenate(outputs)[:total] for outputs in zip(*parts, strict=True)]

    def _run_from(self, inputs: Mapping[str, npt.NDArray[Any]], start: int) -> list[npt.NDArray[Any]]:
        chunk = {name: array[start : start + self._batch] for name, array in inputs.items()}
        missing = self._batch - len(next(iter(chunk.values())))
        if missing:
            chunk = {n: np.concatenate([a, np.repeat(a[-1:], missing, axis=0)]) for n, a in chunk.items()}
        return self._session.run(chunk)


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # One network runs at a time and has no parallel branches worth a second pool of threads.
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # A memory pattern is a plan for one input shape, kept with a block of memory for every shape seen. Images
    # come in all shapes: without patterns a process that saw four of them held 450 MB rather than 640, and was
    # no slower. The arena stays: giving memory back after each run took half as long again.
    options.enable_mem_pattern = False
    # Waiting threads that spin take the cores from decoding and drawing; throughput was the same without.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


@contextmanager
def _translated_errors(name: str, expected: str) -> Iterator[None]:
    """ONNX Runtime's many errors as one of ours; their texts are about shapes and nodes, never data."""
    try:
        yield
    except _TRANSLATED as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelUnsupported(
            f"{name}: expected {expected}, got: {reason}; take another export of the model, or get it again."
        ) from error


def _ort_errors() -> tuple[type[Exception], ...]:
    """The classes of ``onnxruntime_pybind11_state``, which have no public base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = (getattr(state, name) for name in dir(state))
    return tuple(item for item in found if isinstance(item, type) and issubclass(item, Exception))


_TRANSLATED: tuple[type[Exception], ...] = (RuntimeError, ValueError, TypeError, *_ort_errors())
